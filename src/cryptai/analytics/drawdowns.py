"""Drawdowns one by one: when equity left its peak, how deep it fell, and when it was back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.market.times import iso

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Drawdown:
    """One stretch below a peak. Times are ms UTC; `recovered_ms` is None while it lasts.

    Attributes
    ----------
    depth
        The largest fall, a positive fraction of the peak; more than 1 where equity went below zero.
    """

    peak_ms: int
    bottom_ms: int
    recovered_ms: int | None
    last_ms: int
    depth: float

    @property
    def days(self) -> float:
        """Return how long it took from the peak to the recovery, or has lasted until the end, in days."""
        end = self.last_ms if self.recovered_ms is None else self.recovered_ms
        return (end - self.peak_ms) / 86_400_000

    @property
    def days_down(self) -> float:
        """Return how long it took from the peak to the bottom, in days."""
        return (self.bottom_ms - self.peak_ms) / 86_400_000

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        back = None if self.recovered_ms is None else iso(self.recovered_ms)
        return {
            "peak": iso(self.peak_ms), "bottom": iso(self.bottom_ms), "recovered": back,
            "depth": self.depth, "days": self.days, "days_down": self.days_down,
        }  # fmt: skip


def fallen(capital: float, equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fall from the peak so far, a positive fraction of it; the capital is the first peak."""
    if not len(equity):
        return np.empty(0)
    peaks = np.maximum(np.maximum.accumulate(equity), capital)
    return 1.0 - equity / peaks


def drawdowns(
    capital: float, ts: NDArray[np.int64], equity: NDArray[np.float64], most: int = 10
) -> list[Drawdown]:
    """Return the deepest stretches below a peak, the deepest first, `most` at most.

    Parameters
    ----------
    capital
        The first peak, in force when the first bar opens.
    ts, equity
        Bar opens (ms UTC, rising) and the equity at each close.
    """
    below = fallen(capital, equity)
    under = below > 0.0
    if not under.any():
        return []
    starts = np.flatnonzero(under & ~np.append(False, under[:-1]))
    ends = np.flatnonzero(under & ~np.append(under[1:], False))
    depths = np.maximum.reduceat(below, starts)
    found = []
    # Of equal depths the earlier one is the first.
    for i in np.argsort(-depths, kind="stable")[:most].tolist():
        start, end = int(starts[i]), int(ends[i])
        bottom = start + int(below[start : end + 1].argmax())
        back = None if end == len(ts) - 1 else int(ts[end + 1])
        # Below the capital from the first bar on: it left its peak when that bar opened.
        peak = int(ts[max(start - 1, 0)])
        found.append(Drawdown(peak, int(ts[bottom]), back, int(ts[-1]), float(depths[i])))
    return found
