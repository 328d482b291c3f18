"""Conditions, one boolean a bar: lately true, and true where events of some kind became known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.features.events import Events


def lately(condition: NDArray[np.bool_], bars: int) -> NDArray[np.bool_]:
    """Return where the condition was true on this row or on one of the `bars - 1` rows before it.

    >>> lately(np.array([True, False, False, False]), 2).tolist()
    [True, True, False, False]
    """
    rows = np.arange(len(condition))
    last = np.maximum.accumulate(np.where(condition, rows, -bars)) if len(rows) else rows
    within: NDArray[np.bool_] = rows - last < bars
    return within


def became_known(events: Events, *names: str, direction: int) -> NDArray[np.bool_]:
    """Return the bars at whose close an event of these kinds and this direction (1 or -1) became known.

    One row for each bar of the candles that the events were found in.

    >>> from cryptai.features.swings import swing_points
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    >>> bars = Candles(np.arange(5) * 3_600_000, p, p, p, p, p, "BTC/USDT", "1h")
    >>> became_known(swing_points(bars, length=2), "swing_high", direction=-1).tolist()
    [False, False, False, False, True]
    """
    found = np.zeros(len(events.ts), bool)
    some = events.named(*names)
    found[some.known_bar[some.direction == direction]] = True
    return found
