"""The map of a sweep: its objective over two parameters, or along one, tinted by how good it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.research.measured import OBJECTIVES
from cryptai.web.pages.study_words import figure, in_words, value_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Where an objective says "nothing was won"; of the others at 0.
_NEUTRAL: Final = {"profit_factor": 1.0, "omega_ratio": 1.0, "win_rate": 0.5}
_WIDEST, _HIGHEST = 26, 60
_TINTS: Final = 5


@dataclass(frozen=True)
class Cell:
    """One cell: its figure, its tint, whether it is the best; `said` names its place."""

    text: str
    tone: str
    best: bool
    said: str


@dataclass(frozen=True)
class Surface:
    """The values of `x` across, those of `y` down; `y` is empty where one parameter is varied.

    `thinned`: of more values than a page holds every few are shown.
    """

    x: str
    y: str
    heads: list[str]
    rows: list[tuple[str, list[Cell]]]
    thinned: bool


def surface(found: Mapping[str, Any]) -> Surface | None:
    """Return the map of a sweep's result; None where nothing was varied."""
    given, objective = found["surface"], found["objective"]
    if given is None:
        return None
    xs, ys = given["xs"], given["ys"] or [None]
    across, down = _every(len(xs), _WIDEST), _every(len(ys), _HIGHEST)
    kept = [[given["values"][i][j] for j in across] for i in down]
    known = [OBJECTIVES[objective] * v for row in kept for v in row if v is not None]
    top = max(known, default=None)
    tints = _tints(kept, objective)
    rows = []
    for i, row in enumerate(kept):
        cells = []
        for j, value in enumerate(row):
            place = {given["x"]: xs[across[j]]} | ({given["y"]: ys[down[i]]} if given["y"] else {})
            text = figure(objective, value)
            best = value is not None and OBJECTIVES[objective] * value == top
            cells.append(Cell(text, tints[i][j], best, f"{in_words(place)}: {text}"))
        rows.append((value_text(ys[down[i]]) if given["y"] else "", cells))
    heads = [value_text(xs[j]) for j in across]
    return Surface(given["x"], given["y"] or "", heads, rows, len(across) < len(xs) or len(down) < len(ys))


def _every(count: int, most: int) -> list[int]:
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def _tints(rows: Sequence[Sequence[float | None]], objective: str) -> list[list[str]]:
    values = np.array([[np.nan if v is None else v for v in row] for row in rows], np.float64)
    if not np.isfinite(values).any():
        return [["none"] * len(row) for row in rows]
    middle = float(np.nanmedian(values))
    sign = OBJECTIVES[objective]
    neutral = middle if sign < 0 or objective == "final_equity" else _NEUTRAL.get(objective, 0.0)
    away = sign * (values - neutral)
    most = float(np.nanmax(np.abs(away))) or 1.0
    return [[_tint(v / most) for v in row] for row in away.tolist()]


def _tint(share: float) -> str:
    if not math.isfinite(share):
        return "none"
    return "" if share == 0.0 else f"heat-{'up' if share > 0 else 'down'}-{math.ceil(_TINTS * abs(share))}"
