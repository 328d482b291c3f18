"""Trade the return into the Bollinger bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.channels import bollinger
from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class BollingerBands:
    """Enter long when the close comes back above the lower band, leave at the upper one.

    A band is `deviations` standard deviations from the simple average of `period` closes.
    """

    period: int = param(20, low=5, high=500, meaning="bars of the bands", unit="bars")
    deviations: float = param(2.0, low=0.5, high=5, meaning="width of the bands in standard deviations")
    to_middle: bool = param(False, meaning="leave at the middle already")
    allow_short: bool = param(False, meaning="mirror it: enter short on the return below the upper band")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        return bars_of("bollinger", period=self.period, deviations=self.deviations) + 1

    def signals(self, candles: Candles) -> Signals:
        """Decide where the close crosses a band."""
        close = candles.close
        upper, middle, lower = bollinger(close, self.period, self.deviations)
        back_up, back_down = crosses_above(close, lower), crosses_below(close, upper)
        return Signals.entries(
            candles,
            long=back_up,
            exit_long=crosses_above(close, middle if self.to_middle else upper),
            short=back_down if self.allow_short else None,
            exit_short=crosses_below(close, middle if self.to_middle else lower)
            if self.allow_short
            else None,
            long_reason=f"close came back above the lower {self.period}-bar band",
            short_reason=f"close came back below the upper {self.period}-bar band",
        )

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return how far the close lies below the middle (long) or above it; at a band it is 1 or -1."""
        upper, middle, lower = bollinger(candles.close, self.period, self.deviations)
        with np.errstate(divide="ignore", invalid="ignore"):
            away = 2.0 * (middle - candles.close) / (upper - lower)
        return np.clip(away, -1.0, 1.0)
