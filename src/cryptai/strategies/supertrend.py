"""Follow the Supertrend line from turn to turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.features.trend import supertrend
from cryptai.features.volatility import atr
from cryptai.signals import Signals
from cryptai.strategies.strategy import param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

# A band may stand as long as a trend does; two lines that began apart are one after the next turn.
_MEMORY = 2_000


@strategy
@dataclass(frozen=True)
class Supertrend:
    """Enter long when the Supertrend line turns below the price, leave when it turns above."""

    period: int = param(10, low=2, high=500, meaning="bars of the average true range", unit="bars")
    multiplier: float = param(3.0, low=0.5, high=20, meaning="average true ranges to the line")
    allow_short: bool = param(False, meaning="enter short when the line turns above the price")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is, in practice, that of the whole history."""
        del timeframe
        return _MEMORY

    def signals(self, candles: Candles) -> Signals:
        """Decide where the line turns."""
        _, direction = supertrend(candles.high, candles.low, candles.close, self.period, self.multiplier)
        up, down = crosses_above(direction, 0.0), crosses_below(direction, 0.0)
        return Signals.entries(
            candles,
            long=up,
            exit_long=down,
            short=down if self.allow_short else None,
            exit_short=up if self.allow_short else None,
            long_reason=f"Supertrend {self.period}, {self.multiplier:g} turned up",
            short_reason=f"Supertrend {self.period}, {self.multiplier:g} turned down",
        )

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return how far the close is from the line, in average true ranges, `multiplier` of them being 1."""
        line, direction = supertrend(candles.high, candles.low, candles.close, self.period, self.multiplier)
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.abs(candles.close - line) / (
                self.multiplier * atr(candles.high, candles.low, candles.close, self.period)
            )
        return direction * np.clip(apart, 0.0, 1.0)
