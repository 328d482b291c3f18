"""How the objective lies over the parameters: its surface, and whether the best is a plain or a peak."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.research.measured import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.research.measured import Measured
    from cryptai.research.space import Space


def surface(space: Space, results: Sequence[Measured], objective: str) -> dict[str, Any] | None:
    """Return the objective over the two parameters with the most values, of the others the best.

    `values` has one row a value of `y`, one column a value of `x`; None where nothing was run or the
    objective is undefined. `y` is None where one parameter is varied; the whole is None where none is.
    """
    varied = space.varied()[:2]
    if not varied:
        return None
    x, y = varied[0], varied[1] if len(varied) > 1 else None
    xs, ys = space.values[x], space.values[y] if y else (None,)
    values: list[list[float | None]] = [[None] * len(xs) for _ in ys]
    best: dict[tuple[int, int], float] = {}
    for one in results:
        value = one.value(objective)
        place = ys.index(one.params[y]) if y else 0, xs.index(one.params[x])
        if value is not None and value > best.get(place, -np.inf):
            best[place] = value
            values[place[0]][place[1]] = one.metrics[objective]
    return {"x": x, "y": y, "xs": list(xs), "ys": list(ys) if y else [], "values": values}


def stability(space: Space, results: Sequence[Measured], best: Measured, objective: str) -> dict[str, Any]:
    """Return how much of the best's objective its neighbours keep.

    Neighbours are the sets one step away along any of the varied parameters, diagonals included, that were
    run. `kept` is the median neighbour's objective over the best's, `worst_kept` the worst one's: 1 is a
    plain, near 0 or below a peak in the middle of nothing. Both are None where the best is not above 0,
    less of the objective is better, or no neighbour was run. An undefined objective counts as 0.
    """
    by_place = {space.places_of(one.params): one for one in results}
    here = space.places_of(best.params)
    sizes = [len(some) for some in space.values.values()]
    steps = [(-1, 0, 1) if size > 1 else (0,) for size in sizes]
    around = (
        by_place.get(tuple(at + by for at, by in zip(here, move, strict=True)))
        for move in product(*steps)
        if any(move)
    )
    found = [one for one in around if one is not None]
    values = [one.value(objective) or 0.0 for one in found]
    top = best.value(objective)
    told: dict[str, Any] = {
        "neighbours": len(found), "median": None, "worst": None, "kept": None, "worst_kept": None,
    }  # fmt: skip
    if values:
        median, worst = float(np.median(values)), min(values)
        sign = OBJECTIVES[objective]
        told |= {"median": sign * median, "worst": sign * worst}
        if top is not None and top > 0.0:
            told |= {"kept": median / top, "worst_kept": worst / top}
    return told
