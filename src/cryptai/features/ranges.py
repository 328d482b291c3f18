"""The rows of the current leg: its range, where price stands in it, how far it has come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._range import range_memory, range_of
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from numpy.typing import NDArray


@indicator(
    outputs=(Output("range_high"), Output("equilibrium"), Output("range_low")),
    warmup=range_memory,
    exact=range_memory,
    length=within(1, 1_000, "bars that must pass without a new extreme before a leg has ended"),
    max_age=within(10, 100_000, "bars after which an end of a leg is forgotten"),
)
def dealing_range(
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    length: int = 50,
    max_age: int = 500,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the dealing range: its high, its middle and its low, in the unit of the prices.

    It lies between the newest end of a leg at a high and the newest at a low (legs of `length` bars, as in
    `market_structure`), stretched by what has gone beyond since: LuxAlgo's trailing extremes. NaN until both
    are known, and where one is older than `max_age` bars. Its upper half is the premium, its lower half the
    discount (see `premium_discount`). A NaN among the prices is no extreme.

    >>> import numpy as np
    >>> p = np.array([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0])
    >>> [column[-1].item() for column in dealing_range(p + 0.5, p - 0.5, p, length=2)]
    [4.5, 2.5, 0.5]
    """
    span = range_of(high, low, close, length, max_age)
    with np.errstate(all="ignore"):
        middle = span.bottom + (span.top - span.bottom) / 2.0
    return span.top, middle, span.bottom


@indicator(
    outputs=(
        Output("leg_direction", "code", "none"),
        Output("range_position", "ratio"),
        Output("retraced", "ratio"),
    ),
    pane="below",
    guides=(0.5,),
    warmup=range_memory,
    exact=range_memory,
    length=within(1, 1_000, "bars that must pass without a new extreme before a leg has ended"),
    max_age=within(10, 100_000, "bars after which an end of a leg is forgotten"),
)
def leg_retracement(
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    length: int = 10,
    max_age: int = 500,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the newest leg's direction, where the close stands in the range, how far price has come back.

    Direction is 1 or -1. The position is 0 at the bottom of `dealing_range` and 1 at its top (of these
    parameters). How far the leg has been retraced at its deepest is a share of its height, counted by wicks
    from the bar after its end, 0 to 1. NaN without a range, the latter two also in a range without height.

    >>> import numpy as np
    >>> p = np.array([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0])
    >>> [column[-1].item() for column in leg_retracement(p + 0.5, p - 0.5, p, length=2)]
    [1.0, 0.375, 0.75]
    """
    span = range_of(high, low, close, length, max_age)
    with np.errstate(all="ignore"):
        height = span.top - span.bottom
        height = np.where(height > 0.0, height, np.nan)
        back = np.where(span.direction > 0, span.top - span.back, span.back - span.bottom) / height
        direction = np.where(span.direction == 0, np.nan, span.direction.astype(np.float64))
        return direction, (close - span.bottom) / height, back
