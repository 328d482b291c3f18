"""Follow the trend: long while a fast average is above a slow one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.errors import InputError
from cryptai.features.averages import ema
from cryptai.features.crosses import ema_crosses
from cryptai.features.shared import Shared, line
from cryptai.features.volatility import atr
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class EmaTrend:
    """Enter long when the fast EMA crosses above the slow one, leave when it crosses below."""

    fast: int = param(12, low=2, high=1000, meaning="period of the fast EMA", unit="bars")
    slow: int = param(26, low=3, high=5000, meaning="period of the slow EMA", unit="bars")
    allow_short: bool = param(False, meaning="enter short on the cross below, leave on the cross above")

    def check(self) -> None:
        """Refuse a fast average that is not the faster one."""
        if self.fast >= self.slow:
            raise InputError(f"fast ({self.fast}) must be below slow ({self.slow}).", field="param.fast")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        return bars_of("ema", period=self.slow) + 1

    def signals(self, candles: Candles) -> Signals:
        """Decide at the crosses."""
        up, down = ema_crosses(candles.close, self.fast, self.slow)
        return Signals.entries(
            candles,
            long=up,
            exit_long=down,
            short=down if self.allow_short else None,
            exit_short=up if self.allow_short else None,
            long_reason=f"EMA {self.fast} crossed above EMA {self.slow}",
            short_reason=f"EMA {self.fast} crossed below EMA {self.slow}",
        )

    def shared(self) -> Shared:
        """Tell the same decisions as crosses of lines."""
        fast, slow = line("ema", period=self.fast), line("ema", period=self.slow)
        up, down = (fast.crosses_above(slow),), (fast.crosses_below(slow),)
        return Shared(up, down, down, up) if self.allow_short else Shared(up, down)

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return how far the averages stand apart, in average true ranges, squeezed into -1 to 1."""
        apart = ema(candles.close, self.fast) - ema(candles.close, self.slow)
        with np.errstate(divide="ignore", invalid="ignore"):
            squeezed: NDArray[np.float64] = np.tanh(apart / atr(candles.high, candles.low, candles.close, 14))
        return squeezed
