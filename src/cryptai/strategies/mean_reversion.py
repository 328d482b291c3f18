"""Buy what fell too far in a market that rises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.averages import ema
from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.features.volatility import atr
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class MeanReversion:
    """Enter long `away` average true ranges below the mean of a rising market, leave back at the mean.

    The mean is an EMA of `period` bars; the market rises while that mean is above the EMA of `trend` bars.
    """

    period: int = param(20, low=2, high=500, meaning="period of the EMA that is the mean", unit="bars")
    away: float = param(1.5, low=0.5, high=10, meaning="average true ranges from the mean that are too far")
    trend: int = param(100, low=10, high=1000, meaning="period of the EMA that tells the trend", unit="bars")
    allow_short: bool = param(False, meaning="mirror it in a falling market")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        periods = (self.period, self.trend)
        return max(bars_of("atr", period=14), *(bars_of("ema", period=one) for one in periods)) + 1

    def signals(self, candles: Candles) -> Signals:
        """Decide where the distance from the mean becomes too large, and where it is gone."""
        distance = self._distance(candles)
        mean, trend = ema(candles.close, self.period), ema(candles.close, self.trend)
        short = crosses_above(distance, self.away) & (mean < trend)
        return Signals.entries(
            candles,
            long=crosses_below(distance, -self.away) & (mean > trend),
            exit_long=crosses_above(distance, 0.0),
            short=short if self.allow_short else None,
            exit_short=crosses_below(distance, 0.0) if self.allow_short else None,
            long_reason=f"{self.away:g} ATR below EMA {self.period}, itself above EMA {self.trend}",
            short_reason=f"{self.away:g} ATR above EMA {self.period}, itself below EMA {self.trend}",
        )

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the distance from the mean, against it, a distance of twice `away` being 1."""
        return np.clip(-self._distance(candles) / (2.0 * self.away), -1.0, 1.0)

    def _distance(self, candles: Candles) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            found: NDArray[np.float64] = (candles.close - ema(candles.close, self.period)) / atr(
                candles.high, candles.low, candles.close, 14
            )
        return found
