"""Windows of a walk-forward: where to train and where to test, and which trades belong to neither side.

Purging and embargo follow López de Prado, "Advances in Financial Machine Learning" (2018), chapter 7: what a
trade became is known only when it has ended, so a training side must not hold one that reaches into the test,
nor, for the memory of the market itself, one that comes within the embargo of it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai.errors import InputError
from cryptai.market.timeframe import DAY_MS, HOUR_MS, WEEK_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNITS: Final = {"h": HOUR_MS, "d": DAY_MS, "w": WEEK_MS}
MOST_WINDOWS: Final = 10_000


class Window(NamedTuple):
    """One fold's times, ms UTC, each half-open by the opens of bars: `[train_from, train_to)` and the test's.

    Training ends where the embargo before the test begins.
    """

    train_from: int
    train_to: int
    test_from: int
    test_to: int


def read_span(text: object, *, field: str) -> int:
    """Return the length a person wrote, in ms: `365d`, `12w`, `48h`.

    Raises
    ------
    InputError
        For anything else, or nothing.
    """
    found = re.fullmatch(r"\s*(\d{1,6})\s*([hdw])\s*", str(text))
    if found is None or int(found[1]) == 0:
        raise InputError(
            f"{field} must be a length such as 365d, 12w or 48h, was {str(text)[:40]!r}.", field=field
        )
    return int(found[1]) * _UNITS[found[2]]


def windows(
    ts: NDArray[np.int64], train_ms: int, test_ms: int, *, anchored: bool = False, embargo: int = 0
) -> list[Window]:
    """Return the folds over bars that open at `ts`: tests follow each other without gap or overlap.

    Parameters
    ----------
    train_ms, test_ms
        Lengths of a fold's sides. Anchored, training always begins at the first bar, and is that long in the
        first fold.
    embargo
        Bars before each test that training does not see.

    A last test of which less than half is there is left out, and so are folds without a bar on either side (a
    hole in the data).

    Raises
    ------
    InputError
        When no fold fits, there would be over 10,000, or the embargo is below 0 or eats the training.
    """
    if embargo < 0:
        raise InputError(f"embargo must be 0 bars or more, was {embargo}.", field="embargo")
    if not len(ts):
        raise InputError("There is no bar in that range.", field="from")
    first, step = int(ts[0]), int(np.diff(ts).min()) if len(ts) > 1 else 0
    end = int(ts[-1]) + step
    if (end - first - train_ms) // test_ms > MOST_WINDOWS:
        raise InputError(f"That makes over {MOST_WINDOWS:,} folds; give a longer test.", field="test")
    found = []
    for number in range(max(0, math.ceil((end - first - train_ms) / test_ms))):
        begin = first + train_ms + number * test_ms
        last = min(begin + test_ms, end)
        row = int(np.searchsorted(ts, begin))
        train_to = int(ts[row - embargo]) if 0 <= row - embargo < len(ts) else first
        train_from = first if anchored else begin - train_ms
        if 2 * (last - begin) < test_ms or _empty(ts, begin, last):
            continue
        if embargo and train_to <= train_from:
            raise InputError(f"An embargo of {embargo:,} bars leaves no training.", field="embargo")
        if not _empty(ts, train_from, train_to):
            found.append(Window(train_from, min(train_to, begin), begin, last))
    if not found:
        days = (end - first) / DAY_MS
        raise InputError(
            f"{days:,.0f} days of bars hold no fold of {train_ms / DAY_MS:g} days of training and "
            f"{test_ms / DAY_MS:g} of test; give shorter ones, or a longer range.",
            field="train",
        )
    return found


def purged(
    begin: NDArray[np.int64], end: NDArray[np.int64], test_from: int, test_to: int, *, embargo_ms: int = 0
) -> NDArray[np.bool_]:
    """Return which trades (or labels) may be in the training side of a test.

    Parameters
    ----------
    begin, end
        When each was entered and when it was known what it became, ms UTC; both belong to it. One still open
        has an end beyond everything.
    test_from, test_to
        The test, half-open.
    embargo_ms
        Kept free on both sides of the test.
    """
    kept: NDArray[np.bool_] = (end < test_from - embargo_ms) | (begin >= test_to + embargo_ms)
    return kept


def _empty(ts: NDArray[np.int64], start: int, end: int) -> bool:
    return bool(np.searchsorted(ts, start) >= np.searchsorted(ts, end))
