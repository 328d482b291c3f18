"""Several tests at once: of many that look, some find; so each must show more, or all are tested together.

Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979); Hansen, "A Test for Superior
Predictive Ability" (2005), the consistent one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Superior:
    """What the draws say of each column, and of the best of them.

    Attributes
    ----------
    chances
        For each column the probability of such a mean, or a higher one, were the true mean 0.
    adjusted
        The same after Holm's correction over all columns.
    best
        The probability of such a best one if no column's true mean is above 0 (Hansen's consistent p-value).
    """

    chances: tuple[float, ...]
    adjusted: tuple[float, ...]
    best: float


def holm(chances: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's adjusted p-values, in the order given: reject those at or below the level.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(chances)), key=lambda one: chances[one])
    found = [0.0] * len(chances)
    so_far = 0.0
    for place, one in enumerate(order):
        so_far = max(so_far, min(1.0, (len(chances) - place) * chances[one]))
        found[one] = so_far
    return tuple(found)


def superior(returns: NDArray[np.float64], draws: NDArray[np.int64]) -> Superior:
    """Test whether the means of the columns are above 0.

    Parameters
    ----------
    returns
        One row a period, one column a candidate: its return over that of what it is compared with.
    draws
        Bootstrap draws of the rows, one row a draw (`cryptai.research.monte_carlo.stationary`), the same for
        all columns, so that what moves them together stays.

    A column without deviation has the chance 1 and is nobody's best.

    Raises
    ------
    InputError
        For fewer than two rows, or draws of another length.
    """
    n = len(returns)
    if n < 2 or returns.ndim != 2 or draws.ndim != 2 or draws.shape[1] != n:
        raise InputError(f"The draws must be of the {n} rows, two at least.", field="returns")
    means = returns.mean(axis=0)
    drawn = np.stack([returns[rows].mean(axis=0) for rows in draws])
    spread = drawn.std(axis=0)
    moves = spread > 1e-15
    over = drawn - means >= means
    chances = np.where(moves, (1.0 + over.sum(axis=0)) / (1.0 + len(draws)), 1.0)
    scale = np.where(moves, spread, 1.0)
    top = max(0.0, float(np.where(moves, means / scale, 0.0).max(initial=0.0)))
    # One so bad that it cannot be the best by luck keeps its mean; the others are moved to 0.
    threshold = -math.sqrt(2.0 * math.log(max(math.e, math.log(n))))
    shift = np.where(means / scale >= threshold, means, 0.0)
    stars = np.where(moves, (drawn - shift) / scale, 0.0).max(axis=1, initial=0.0)
    best = (1.0 + int((np.maximum(stars, 0.0) >= top).sum())) / (1.0 + len(draws))
    return Superior(tuple(map(float, chances)), holm([float(one) for one in chances]), min(1.0, best))
