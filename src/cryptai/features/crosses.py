"""Crosses: where one series passes another, dated at the bar that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def crosses_above(a: NDArray[np.float64], b: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """Return where `a` is above `b` and was not on the row before; never where either row has a NaN.

    >>> crosses_above(np.array([1.0, 2.0, 3.0, 4.0]), 2.0)
    array([False, False,  True, False])
    """
    return _new(np.greater(a, b), np.less_equal(a, b))


def crosses_below(a: NDArray[np.float64], b: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """Return where `a` is below `b` and was not on the row before; never where either row has a NaN."""
    return _new(np.less(a, b), np.greater_equal(a, b))


def _new(now: NDArray[np.bool_], not_yet: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # Comparisons with NaN are false both ways, so a row beside a NaN is never a cross.
    crossed = np.empty(len(now), bool)
    crossed[:1] = False
    np.logical_and(now[1:], not_yet[:-1], out=crossed[1:])
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
