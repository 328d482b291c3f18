"""Trade the break of a price channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.channels import donchian
from cryptai.features.crosses import before, crosses_above, crosses_below
from cryptai.features.shared import Shared, line
from cryptai.signals import Signals
from cryptai.strategies.strategy import param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class Breakout:
    """Enter long when the close breaks the highest high of the bars before it, leave below their lowest low.

    The channel is Donchian's: `period` bars for entries, `exit_period` for exits, both ending one bar before.
    """

    period: int = param(20, low=2, high=1000, meaning="bars whose high must break", unit="bars")
    exit_period: int = param(10, low=2, high=1000, meaning="bars whose low ends a long", unit="bars")
    allow_short: bool = param(False, meaning="enter short below the lowest low")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        return max(self.period, self.exit_period) + 2

    def signals(self, candles: Candles) -> Signals:
        """Decide where the close leaves the channel of the bars before it."""
        upper, _, lower = (before(edge) for edge in donchian(candles.high, candles.low, self.period))
        exit_upper, _, exit_lower = (
            before(edge) for edge in donchian(candles.high, candles.low, self.exit_period)
        )
        return Signals.entries(
            candles,
            long=crosses_above(candles.close, upper),
            exit_long=crosses_below(candles.close, exit_lower),
            short=crosses_below(candles.close, lower) if self.allow_short else None,
            exit_short=crosses_above(candles.close, exit_upper) if self.allow_short else None,
            long_reason=f"close broke the {self.period}-bar high",
            short_reason=f"close broke the {self.period}-bar low",
        )

    def shared(self) -> Shared:
        """Tell the same decisions as crosses of lines."""
        close, period, exit_period = line("close"), self.period, self.exit_period
        long = close.crosses_above(line("donchian", "donchian_upper", period=period).before())
        exit_long = close.crosses_below(line("donchian", "donchian_lower", period=exit_period).before())
        if not self.allow_short:
            return Shared((long,), (exit_long,))
        short = close.crosses_below(line("donchian", "donchian_lower", period=period).before())
        exit_short = close.crosses_above(line("donchian", "donchian_upper", period=exit_period).before())
        return Shared((long,), (exit_long,), (short,), (exit_short,))

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return where the close stands in the channel: 1 at its upper edge, -1 at its lower."""
        upper, _, lower = donchian(candles.high, candles.low, self.period)
        with np.errstate(divide="ignore", invalid="ignore"):
            return 2.0 * (candles.close - lower) / (upper - lower) - 1.0
