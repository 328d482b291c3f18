"""Sums over a window that several kernels need; plain sums in a fixed order, so that no history shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cryptai.kernels import part

if TYPE_CHECKING:
    from cryptai.kernels import Floats


@part
def mean_of(values: Floats, first: int, last: int) -> float:
    """Return the mean of rows `first` to `last`, both included."""
    total = 0.0
    for i in range(first, last + 1):
        total += values[i]
    return total / (last - first + 1)


@part
def squares_about(values: Floats, first: int, last: int, mean: float) -> float:
    """Return the sum of squared differences from `mean` of rows `first` to `last`, both included."""
    total = 0.0
    for i in range(first, last + 1):
        away = values[i] - mean
        total += away * away
    return total


@part
def log_ratio(a: float, b: float) -> float:
    """Return `log(a / b)`; NaN where a price is not above zero, or one is nothing beside the other."""
    ratio = a / b if a > 0.0 and b > 0.0 else 0.0
    return math.log(ratio) if ratio > 0.0 else math.nan
