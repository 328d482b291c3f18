"""Crosses: where one series passes another, dated at the bar that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import InputError
from cryptai.features._memory import ewm_bars
from cryptai.features._rolling import mean_of
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
def _sides_from(
    close: Floats, first: int, a: float, b: float, weigh_a: float, weigh_b: float, above: Codes, below: Codes
) -> None:
    # The averages `a` and `b` are those of the row before `first`. Of a row is written one row later.
    for i in range(first, len(close)):
        a += (close[i] - a) * weigh_a
        b += (close[i] - b) * weigh_b
        above[i + 1], below[i + 1] = a > b, a < b


@part
def _ema_until(close: Floats, begin: int, until: int, period: int) -> float:
    average = mean_of(close, begin, begin + period - 1)
    weight = 2.0 / (period + 1.0)
    for i in range(begin + period, until):
        average += (close[i] - average) * weight
    return average


@part
def _settled(close: Floats, until: int, memory: int, weight: float) -> float:
    average: float = close[until - memory]
    for i in range(until - memory + 1, until):
        average += (close[i] - average) * weight
    return average


@part
def _sides(
    close: Floats, first: int, a: float, b: float, weigh_a: float, weigh_b: float, memory: int, above: Codes,
    below: Codes,
) -> int:  # fmt: skip
    # Gives 1 where a later part had to be done again, else 0.
    rows = (len(close) - first) // 4
    if rows < 4 * memory:
        _sides_from(close, first, a, b, weigh_a, weigh_b, above, below)
        return 0
    # Each row waits for the one before it, and the processor with it. So four quarters are gone through at
    # once: the later ones from averages that began earlier, and have forgotten where, to the bit.
    second, third, last = first + rows, first + 2 * rows, first + 3 * rows
    a2, b2 = _settled(close, second, memory, weigh_a), _settled(close, second, memory, weigh_b)
    a3, b3 = _settled(close, third, memory, weigh_a), _settled(close, third, memory, weigh_b)
    a4, b4 = _settled(close, last, memory, weigh_a), _settled(close, last, memory, weigh_b)
    begun = a2, b2, a3, b3, a4, b4
    x, x2, x3, x4 = close[first:second], close[second:third], close[third:last], close[last:]
    up, up2, up3, up4 = above[first + 1 :], above[second + 1 :], above[third + 1 :], above[last + 1 :]
    down, down2, down3, down4 = below[first + 1 :], below[second + 1 :], below[third + 1 :], below[last + 1 :]
    for i in range(rows):
        a += (x[i] - a) * weigh_a
        b += (x[i] - b) * weigh_b
        a2 += (x2[i] - a2) * weigh_a
        b2 += (x2[i] - b2) * weigh_b
        a3 += (x3[i] - a3) * weigh_a
        b3 += (x3[i] - b3) * weigh_b
        a4 += (x4[i] - a4) * weigh_a
        b4 += (x4[i] - b4) * weigh_b
        up[i], up2[i], up3[i], up4[i] = a > b, a2 > b2, a3 > b3, a4 > b4
        down[i], down2[i], down3[i], down4[i] = a < b, a2 < b2, a3 < b3, a4 < b4
    # They nearly always have; where prices stand still, rounding can keep two averages apart for good.
    if a != begun[0] or b != begun[1]:
        _sides_from(close, second, a, b, weigh_a, weigh_b, above, below)
        return 1
    if a2 != begun[2] or b2 != begun[3]:
        _sides_from(close, third, a2, b2, weigh_a, weigh_b, above, below)
        return 1
    if a3 != begun[4] or b3 != begun[5]:
        _sides_from(close, last, a3, b3, weigh_a, weigh_b, above, below)
        return 1
    _sides_from(close, last + rows, a4, b4, weigh_a, weigh_b, above, below)
    return 0


@kernel
def _ema_crosses(close: Floats, fast: int, slow: int, memory: int, above: Codes, below: Codes) -> int:
    # `above` and `below` have a row more than `close`. TA-Lib passes over NaN at the beginning.
    n = len(close)
    begin = 0
    while begin < n and np.isnan(close[begin]):
        begin += 1
    first = begin + max(fast, slow)  # the first row with a row before it
    if first >= n:
        return 0
    a, b = _ema_until(close, begin, first, fast), _ema_until(close, begin, first, slow)
    above[first], below[first] = a > b, a < b
    weigh_a, weigh_b = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    again = _sides(close, first, a, b, weigh_a, weigh_b, memory, above, below)
    # It is a cross where the row before was not on that side. An average that is NaN stays so, on no side.
    up, down = above[first:], below[first:]
    for i in range(n - first):
        up[i] = up[i + 1] & ~up[i]
        down[i] = down[i + 1] & ~down[i]
    return again


def ema_crosses(
    close: NDArray[np.float64], fast: int, slow: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where the EMA of `fast` bars crosses above that of `slow` bars, and where it crosses below.

    Bit for bit `crosses_above(ema(close, fast), ema(close, slow))` and `crosses_below` of the same, NaN and
    all, in a fraction of their time: no average is written down.

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
    n = len(column)
    above, below = np.zeros(n + 1, np.int8), np.zeros(n + 1, np.int8)
    _ema_crosses(column, fast, slow, ewm_bars(max(fast, slow), bitwise=True), above, below)
    return above[:n].view(np.bool_), below[:n].view(np.bool_)
