"""The yardstick: buy, and hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cryptai.signals import Signals
from cryptai.strategies.strategy import strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class BuyAndHold:
    """Be long from the first bar to the last; what every other strategy has to beat.

    It has no bracket unless one is asked for.
    """

    stop: ClassVar[float] = math.nan
    target: ClassVar[float] = math.nan
    unscanned: ClassVar[str] = "it is the yardstick, and never leaves"

    def signals(self, candles: Candles) -> Signals:
        """Say long on every bar; the engine takes the first of the range."""
        return Signals.entries(candles, long=np.ones(len(candles), bool), long_reason="the yardstick holds")

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return 1 on every bar."""
        return np.ones(len(candles))
