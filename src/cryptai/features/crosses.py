"""Crosses: where one series passes another, dated at the bar that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import InputError
from cryptai.features._memory import ewm_bars
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.kernels import Codes, Floats


# Rows compared together: what is read twice, and what lies between, then stays in the processor's cache.
_ROWS: Final = 32_768


def crosses_above(a: NDArray[np.float64], b: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """Return where `a` is above `b` and was not on the row before; never where either row has a NaN.

    >>> crosses_above(np.array([1.0, 2.0, 3.0, 4.0]), 2.0)
    array([False, False,  True, False])
    """
    return _crossed(a, b, np.greater, np.less_equal)


def crosses_below(a: NDArray[np.float64], b: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """Return where `a` is below `b` and was not on the row before; never where either row has a NaN."""
    return _crossed(a, b, np.less, np.greater_equal)


def _crossed(
    a: NDArray[np.float64], b: NDArray[np.float64] | float, now: np.ufunc, not_yet: np.ufunc
) -> NDArray[np.bool_]:
    # Comparisons with NaN are false both ways, so a row beside a NaN is never a cross.
    a, b = np.broadcast_arrays(a, b)
    crossed = np.empty(len(a), bool)
    crossed[:1] = False
    for first in range(1, len(a), _ROWS):
        until = min(first + _ROWS, len(a))
        rows, rows_before = slice(first, until), slice(first - 1, until - 1)
        not_yet(a[rows_before], b[rows_before], out=crossed[rows])
        crossed[rows] &= now(a[rows], b[rows])
    return crossed


def before(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's value of the row before it; NaN on the first.

    >>> before(np.array([1.0, 2.0]))
    array([nan,  1.])
    """
    shifted = np.empty_like(values)
    shifted[:1] = np.nan
    shifted[1:] = values[:-1]
    return shifted


@part
def _crosses_from(
    close: Floats, first: int, a: float, b: float, fast: float, slow: float, above: Codes, below: Codes
) -> None:
    # The averages `a` and `b` are those of the row before `first`, `fast` and `slow` their weights.
    not_above, not_below = a <= b, a >= b
    for i in range(first, len(close)):
        a += (close[i] - a) * fast
        b += (close[i] - b) * slow
        above[i], below[i] = (a > b) & not_above, (a < b) & not_below
        not_above, not_below = a <= b, a >= b


@part
def _ema_until(close: Floats, begin: int, until: int, period: int) -> float:
    average = 0.0
    for i in range(begin, begin + period):
        average += close[i]
    average /= period
    weight = 2.0 / (period + 1.0)
    for i in range(begin + period, until):
        average += (close[i] - average) * weight
    return average


@kernel
def _ema_crosses(close: Floats, fast: int, slow: int, memory: int, above: Codes, below: Codes) -> int:
    # Gives 1 where the second half had to be done again, else 0. TA-Lib passes over NaN at the beginning.
    n = len(close)
    begin = 0
    while begin < n and np.isnan(close[begin]):
        begin += 1
    first = begin + max(fast, slow)  # the first row with a row before it
    if first >= n:
        return 0
    a, b = _ema_until(close, begin, first, fast), _ema_until(close, begin, first, slow)
    weigh_a, weigh_b = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    half = (n - first) // 2
    middle = first + half
    if half < 4 * memory:
        _crosses_from(close, first, a, b, weigh_a, weigh_b, above, below)
        return 0
    # Each row waits for the one before it, and the processor with it. So both halves are gone through at
    # once: the second from an average that began earlier, and has forgotten where, to the bit.
    c = d = close[middle - memory]
    for i in range(middle - memory + 1, middle):
        c += (close[i] - c) * weigh_a
        d += (close[i] - d) * weigh_b
    guess_c, guess_d = c, d
    not_above, not_below, later_not_above, later_not_below = a <= b, a >= b, c <= d, c >= d
    for i in range(first, middle):
        j = i + half
        x, y = close[i], close[j]
        a += (x - a) * weigh_a
        b += (x - b) * weigh_b
        c += (y - c) * weigh_a
        d += (y - d) * weigh_b
        above[i], below[i] = (a > b) & not_above, (a < b) & not_below
        above[j], below[j] = (c > d) & later_not_above, (c < d) & later_not_below
        not_above, not_below, later_not_above, later_not_below = a <= b, a >= b, c <= d, c >= d
    # It nearly always has; where prices stand still, rounding can keep two averages apart for good.
    if a == guess_c and b == guess_d:
        _crosses_from(close, middle + half, c, d, weigh_a, weigh_b, above, below)
        return 0
    _crosses_from(close, middle, a, b, weigh_a, weigh_b, above, below)
    return 1


def ema_crosses(
    close: NDArray[np.float64], fast: int, slow: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where the EMA of `fast` bars crosses above that of `slow` bars, and where it crosses below.

    Bit for bit `crosses_above(ema(close, fast), ema(close, slow))` and `crosses_below` of the same, NaN and
    all, in a fifth of their time: no average is written down.

    Raises
    ------
    InputError
        For a period under 2, or a `close` that is no column of numbers.

    >>> above, below = ema_crosses(np.array([3.0, 2.0, 1.0, 4.0, 1.0]), 2, 3)
    >>> above, below
    (array([False, False, False,  True, False]), array([False, False, False, False,  True]))
    """
    for name, period in (("fast", fast), ("slow", slow)):
        if period < 2:
            raise InputError(f"{name} must be 2 bars or more, was {period}.", field=name)
    column = np.ascontiguousarray(close, np.float64)
    if column.ndim != 1:
        raise InputError(f"close must have one dimension, has {column.ndim}.", field="close")
    above, below = np.zeros(len(column), np.int8), np.zeros(len(column), np.int8)
    _ema_crosses(column, fast, slow, ewm_bars(max(fast, slow), bitwise=True), above, below)
    return above.view(np.bool_), below.view(np.bool_)
