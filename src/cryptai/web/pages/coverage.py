"""The geometry of coverage: where bars lie in time and where they are missing, as percent of a strip's width.

A strip has two lanes: blocks whose height and class say how much of that time is there, and under them one
tick for each hole at its own place, so that a single missing bar shows however wide the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.market.timeframe import DAY_MS, HOUR_MS
from cryptai.web.pages.numbers import fixed_text, short_when_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

BUCKETS: Final = 72
# The share of the strip's height that the blocks have; the ticks have the rest.
_LANE: Final = 72.0
# A block with a hole in it is never as tall as a whole one, nor too low to be seen.
_TALLEST_PART, _LOWEST_PART = 0.7, 0.15
_MOST_TICKS: Final = 6


@dataclass(frozen=True)
class Block:
    """Neighbouring spans of time in one state: percent of the strip from its left and top."""

    x: float
    width: float
    y: float
    height: float
    level: str
    said: str = ""


@dataclass(frozen=True)
class Strip:
    """A strip's blocks, and its ticks as percent from the left."""

    blocks: list[Block]
    ticks: list[float]


@dataclass(frozen=True)
class Mark:
    """A date on the time axis: where (percent), and its text."""

    at: float
    text: str


def time_strip(
    bounds: tuple[int, int],
    extent: tuple[int, int, int],
    holes: NDArray[np.int64] | None,
    bar_ms: int,
) -> Strip:
    """Return the coverage of one series between two instants.

    Parameters
    ----------
    bounds
        The instants (ms UTC) at the strip's left and right end.
    extent
        When the first bar opens, when the newest closes, and until when bars should have closed by now.
    holes
        Rows of (first missing open time, missing bars), as `cryptai.market.quality.holes` returns them; None
        where they are not known yet.
    bar_ms
        The length of a bar.
    """
    start, end = bounds
    first, last, due = extent
    edges = np.linspace(start, end, BUCKETS + 1)
    stored = np.diff(np.clip(edges, first, last))
    behind = np.diff(np.clip(edges, last, max(last, due)))
    missing = np.zeros(BUCKETS) if holes is None else np.diff(_missing_before(edges, holes, bar_ms))
    cells = []
    for i in range(BUCKETS):
        part = 1.0 - missing[i] / stored[i] if stored[i] > 0 else 0.0
        if stored[i] <= 0:
            cells.append(("behind", 1.0) if behind[i] > 0 else ("", 0.0))
        elif holes is None:
            cells.append(("unread", 1.0))
        elif missing[i] <= 0:
            cells.append(("whole", 1.0))
        elif part <= 0.001:
            cells.append(("gone", 1.0))
        else:
            cells.append(("part", min(_TALLEST_PART, max(_LOWEST_PART, part))))

    def said(i: int, j: int) -> str:
        return _said(edges[i], edges[j], missing[i:j].sum() / bar_ms)

    ticks = [] if holes is None else _ticks(holes, bar_ms, start, end)
    return Strip(_joined(cells, said), ticks)


def market_strip(states: Iterable[tuple[str, bool]]) -> Strip:
    """Return a strip with a place for each market: its state ("" for none), whether it has a hole."""
    listed = list(states)
    known = {"fresh": ("whole", 1.0), "late": ("late", 0.6), "stale": ("stale", 0.3)}
    known |= dict.fromkeys(("halted", "delisted"), ("still", 0.3))
    cells = [known.get(state, ("", 0.0)) for state, _ in listed]
    step = 100.0 / max(1, len(listed))
    ticks = [round((i + 0.5) * step, 2) for i, (_, hole) in enumerate(listed) if hole]
    return Strip(_joined(cells, lambda _i, _j: ""), ticks)


def axis(start_ms: int, end_ms: int) -> list[Mark]:
    """Return a few round dates between two instants, in the coarsest unit that tells them apart."""
    span = end_ms - start_ms
    if span <= 0:
        return []
    bounds = np.array([start_ms, end_ms], "M8[ms]")
    choices = [("Y", n) for n in (10, 5, 2, 1)] + [("M", n) for n in (6, 3, 1)]
    for unit, every in reversed(choices):
        marks = _calendar(bounds, unit, every)
        if 3 <= len(marks) <= _MOST_TICKS:
            break
    else:
        step = next(
            (s for s in (HOUR_MS, 4 * HOUR_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS) if span / s <= _MOST_TICKS),
            span // _MOST_TICKS,
        )
        marks = np.arange(-(-start_ms // step) * step, end_ms, step).astype("M8[ms]")
        unit = "D" if step >= DAY_MS else "h"
    texts = np.datetime_as_string(marks, unit="m")
    cut = {"Y": slice(0, 4), "M": slice(0, 7), "D": slice(5, 10), "h": slice(11, 16)}[unit]
    at = 100.0 * (marks.astype("M8[ms]").astype(np.int64) - start_ms) / span
    # Text at the very ends would be cut off.
    return [
        Mark(round(float(x), 2), str(text)[cut]) for x, text in zip(at, texts, strict=True) if 4 <= x <= 96
    ]


def _calendar(bounds: NDArray[np.datetime64], unit: str, every: int) -> NDArray[np.datetime64]:
    first, last = bounds.astype(f"M8[{unit}]")
    marks = np.arange(first, last + 1)
    marks = marks[marks.astype(np.int64) % every == 0]
    kept: Any = marks[(marks >= bounds[0]) & (marks <= bounds[1])]
    return kept.astype("M8[ms]")  # type: ignore[no-any-return]


def _missing_before(edges: NDArray[np.float64], holes: NDArray[np.int64], bar_ms: int) -> NDArray[np.float64]:
    # Time lost before each edge: it rises inside holes only.
    if not len(holes):
        return np.zeros(len(edges))
    starts, lengths = holes[:, 0], holes[:, 1] * bar_ms
    times = np.stack([starts, starts + lengths], axis=1).ravel()
    after = np.cumsum(lengths)
    lost = np.stack([after - lengths, after], axis=1).ravel()
    return np.interp(edges, times, lost, left=0.0, right=float(after[-1]))


def _ticks(holes: NDArray[np.int64], bar_ms: int, start: int, end: int) -> list[float]:
    middle = holes[:, 0] + holes[:, 1] * bar_ms / 2
    at = 100.0 * (middle - start) / (end - start)
    # A third of a percent is what an eye tells apart here: no more ticks than that are drawn.
    return [float(x) for x in np.unique(np.round(at[(at >= 0) & (at <= 100)] * 3) / 3).round(2)]


def _joined(cells: list[tuple[str, float]], said: Callable[[int, int], str]) -> list[Block]:
    step = 100.0 / max(1, len(cells))
    blocks: list[Block] = []
    i = 0
    while i < len(cells):
        level, part = cells[i]
        j = i + 1
        while j < len(cells) and cells[j] == cells[i]:
            j += 1
        if level:
            height = round(_LANE * part, 2)
            told = said(i, j) if level in ("part", "gone") else ""
            x, width = round(i * step, 3), round((j - i) * step, 3)
            blocks.append(Block(x, width, round(_LANE - height, 2), height, level, told))
        i = j
    return blocks


def _said(start: float, end: float, bars: float) -> str:
    about = "under 1" if 0 < bars < 1 else fixed_text(round(bars), 0)
    return f"{short_when_text(start)} to {short_when_text(end)}: {about} missing" if bars else ""
