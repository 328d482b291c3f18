"""Trade the return from extremes of the RSI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.features.oscillators import rsi
from cryptai.features.shared import Shared, line
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class RsiReversal:
    """Enter long when RSI climbs out of oversold, leave when it falls out of overbought."""

    period: int = param(14, low=2, high=500, meaning="period of the RSI", unit="bars")
    low: float = param(30.0, low=1, high=49, meaning="oversold below this")
    high: float = param(70.0, low=51, high=99, meaning="overbought above this")
    allow_short: bool = param(False, meaning="enter short on the fall out of overbought")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        return bars_of("rsi", period=self.period) + 1

    def signals(self, candles: Candles) -> Signals:
        """Decide where RSI leaves its extremes."""
        strength = rsi(candles.close, self.period)
        up, down = crosses_above(strength, self.low), crosses_below(strength, self.high)
        return Signals.entries(
            candles,
            long=up,
            exit_long=down,
            short=down if self.allow_short else None,
            exit_short=up if self.allow_short else None,
            long_reason=f"RSI {self.period} climbed above {self.low:g}",
            short_reason=f"RSI {self.period} fell below {self.high:g}",
        )

    def shared(self) -> Shared:
        """Tell the same decisions as crosses of lines."""
        strength = line("rsi", period=self.period)
        up, down = (strength.crosses_above(self.low),), (strength.crosses_below(self.high),)
        return Shared(up, down, down, up) if self.allow_short else Shared(up, down)

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return how far RSI is below 50 (long) or above it (short), as a share of 50."""
        return (50.0 - rsi(candles.close, self.period)) / 50.0
