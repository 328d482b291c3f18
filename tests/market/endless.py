"""One endless series of bars, for tests and the processes they start: equal places are equal bars."""

from __future__ import annotations

import numpy as np

from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.timeframe import Timeframe

MONDAY = 1_609_718_400_000  # 2021-01-04


def bars(first: int, last: int, symbol: str = "BTC/USDT", timeframe: str = "1h") -> Candles:
    """The bars `first` to `last` (not included), counted from a Monday."""
    places = np.arange(first, last)
    close = 100 + 10 * np.sin(places * 0.7) + 1 / (places + 30_000.5)
    opened = 100 + 10 * np.sin(places * 0.7 - 0.7)
    return Candles(
        MONDAY + places * Timeframe(timeframe).ms, opened, np.maximum(opened, close) + 1,
        np.minimum(opened, close) - 1, close, np.abs(close) / 3, symbol, timeframe,
    )  # fmt: skip


def same_bits(one: Candles, two: Candles) -> bool:
    """Whether all columns are equal to the last bit."""
    return all(getattr(one, name).tobytes() == getattr(two, name).tobytes() for name in COLUMNS)
