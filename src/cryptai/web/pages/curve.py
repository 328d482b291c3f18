"""Equity and drawdown as curves: thinned to what a screen can show, and drawn by the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.analytics.drawdowns import fallen
from cryptai.analytics.scales import round_levels, thinned
from cryptai.web.pages.drawing import Tick

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_POINTS: Final = 2_000
_PICTURE_POINTS: Final = 500


def points(
    ts: NDArray[np.float64],
    equity: NDArray[np.float64],
    capital: float,
    held: NDArray[np.float64] | None = None,
) -> list[list[float | None]]:
    """Return `[time in ms, equity, drawdown, held]` rows, 2,000 at most, in which the extremes survive.

    `held` is what holding would have given; None where that is not known.
    """
    falls = -fallen(capital, equity)
    rows = np.union1d(thinned(equity, MOST_POINTS // 2), thinned(falls, MOST_POINTS // 2))
    beside = [None] * len(rows) if held is None else held[rows].tolist()
    columns = (ts[rows].tolist(), equity[rows].tolist(), falls[rows].tolist(), beside)
    return [[int(t), e, f, h] for t, e, f, h in zip(*columns, strict=True)]


@dataclass(frozen=True)
class CurvePicture:
    """Equity over drawdown, as paths in boxes of 100 × 100; marks in percent."""

    equity: str
    held: str
    drawdown: str
    values: list[Tick]
    times: list[Tick]
    deepest: float
    last: float


def curve_picture(
    ts: NDArray[np.float64] | NDArray[np.int64],
    equity: NDArray[np.float64],
    capital: float,
    held: NDArray[np.float64] | None = None,
) -> CurvePicture | None:
    """Return the picture, with what holding would have given; None of fewer than two bars."""
    n = len(equity)
    if n < 2:
        return None
    seen = equity if held is None else np.concatenate([equity, held])
    low, high = min(float(seen.min()), capital), max(float(seen.max()), capital)
    pad = (high - low) * 0.05 or high * 0.01 or 1.0
    low, high = low - pad, high + pad
    falls = -fallen(capital, equity)
    deepest = float(falls.min())

    def x(row: int) -> float:
        return round(100.0 * row / (n - 1), 3)

    def y(value: float) -> float:
        return round(100.0 * (high - value) / (high - low), 3)

    def path(curve: NDArray[np.float64]) -> str:
        kept = thinned(curve, _PICTURE_POINTS)
        return "M" + " L".join(f"{x(int(i))},{y(float(curve[i]))}" for i in kept)

    scale = deepest or -1.0
    area = " L".join(
        f"{x(int(i))},{round(100.0 * float(falls[i]) / scale, 3)}" for i in thinned(falls, _PICTURE_POINTS)
    )
    marks = [Tick(x(i), float(ts[i])) for i in range(n // 8, n, max(1, n // 4))]
    values = [Tick(y(v), v) for v in round_levels(low, high, 5)]
    beside = "" if held is None else path(held)
    ground = f"M0,0 L{area} L100,0 Z"
    return CurvePicture(path(equity), beside, ground, values, marks, deepest, float(equity[-1]))
