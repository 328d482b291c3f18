"""Follow what breaks out of its channel while the market trends: Donchian and ADX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.channels import donchian
from cryptai.features.crosses import before, crosses_above, crosses_below
from cryptai.features.trend import adx
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class TrendFollowing:
    """Enter long at a new high of `period` bars while ADX tells of a trend, leave at a low of fewer bars.

    The turtles' entry (Dennis and Eckhardt, 1983: 55 bars in, 20 out) with Wilder's ADX as its gate.
    """

    period: int = param(55, low=5, high=1000, meaning="bars whose high must break", unit="bars")
    exit_period: int = param(20, low=2, high=1000, meaning="bars whose low ends a long", unit="bars")
    adx_period: int = param(14, low=2, high=200, meaning="period of ADX", unit="bars")
    strong: float = param(20.0, low=0, high=100, meaning="least ADX that is a trend")
    allow_short: bool = param(False, meaning="mirror it: enter short at a new low")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        return max(self.period, self.exit_period, bars_of("adx", period=self.adx_period)) + 2

    def signals(self, candles: Candles) -> Signals:
        """Decide where the close leaves the channel of the bars before it."""
        close = candles.close
        upper, _, lower = (before(edge) for edge in donchian(candles.high, candles.low, self.period))
        out_upper, _, out_lower = (
            before(edge) for edge in donchian(candles.high, candles.low, self.exit_period)
        )
        strength, _, _ = adx(candles.high, candles.low, close, self.adx_period)
        trending = strength >= self.strong
        return Signals.entries(
            candles,
            long=crosses_above(close, upper) & trending,
            exit_long=crosses_below(close, out_lower),
            short=crosses_below(close, lower) & trending if self.allow_short else None,
            exit_short=crosses_above(close, out_upper) if self.allow_short else None,
            long_reason=f"close broke the {self.period}-bar high, ADX from {self.strong:g} on",
            short_reason=f"close broke the {self.period}-bar low, ADX from {self.strong:g} on",
        )

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the way of the directional movement, as strong as ADX says (50 and more is full)."""
        strength, plus, minus = adx(candles.high, candles.low, candles.close, self.adx_period)
        voted: NDArray[np.float64] = np.sign(plus - minus) * np.clip(strength / 50.0, 0.0, 1.0)
        return voted
