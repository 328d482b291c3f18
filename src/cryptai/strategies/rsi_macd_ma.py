"""The classic baseline: MACD decides, RSI and a long average permit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.errors import InputError
from cryptai.features.averages import ema
from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.features.oscillators import rsi
from cryptai.features.trend import macd
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class RsiMacdMa:
    """Enter long when MACD crosses above its signal line, RSI is not overbought and the close above its EMA.

    Leave when MACD crosses back below. The baseline that every other strategy should beat.
    """

    fast: int = param(12, low=2, high=500, meaning="fast period of MACD", unit="bars")
    slow: int = param(26, low=3, high=1000, meaning="slow period of MACD", unit="bars")
    signal: int = param(9, low=2, high=500, meaning="period of MACD's signal line", unit="bars")
    rsi_period: int = param(14, low=2, high=500, meaning="period of the RSI", unit="bars")
    overbought: float = param(70.0, low=50, high=99, meaning="no long from this RSI on")
    average: int = param(100, low=2, high=1000, meaning="period of the EMA that permits", unit="bars")
    allow_short: bool = param(False, meaning="mirror it: enter short on the cross below")

    def check(self) -> None:
        """Refuse a fast average that is not the faster one."""
        if self.fast >= self.slow:
            raise InputError(f"fast ({self.fast}) must be below slow ({self.slow}).", field="param.fast")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        return max(
            bars_of("macd", fast=self.fast, slow=self.slow, signal=self.signal),
            bars_of("rsi", period=self.rsi_period),
            bars_of("ema", period=self.average),
        )

    def signals(self, candles: Candles) -> Signals:
        """Decide at MACD's crosses."""
        line, signal, _ = macd(candles.close, self.fast, self.slow, self.signal)
        strength, average = rsi(candles.close, self.rsi_period), ema(candles.close, self.average)
        up, down = crosses_above(line, signal), crosses_below(line, signal)
        short = down & (strength > 100.0 - self.overbought) & (candles.close < average)
        return Signals.entries(
            candles,
            long=up & (strength < self.overbought) & (candles.close > average),
            exit_long=down,
            short=short if self.allow_short else None,
            exit_short=up if self.allow_short else None,
            long_reason=f"MACD crossed above its signal, RSI below {self.overbought:g}, close above EMA",
            short_reason=f"MACD crossed below its signal, RSI above {100 - self.overbought:g}, below EMA",
        )

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the mean vote of three: sign of MACD's histogram, side of the EMA, RSI away from 50."""
        _, _, histogram = macd(candles.close, self.fast, self.slow, self.signal)
        side = np.sign(candles.close - ema(candles.close, self.average))
        voted: NDArray[np.float64] = (
            np.sign(histogram) + side + (rsi(candles.close, self.rsi_period) - 50.0) / 50.0
        ) / 3.0
        return voted
