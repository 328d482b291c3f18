"""The read model of the Data page: each stored series with how complete and how new it is, and its holes."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import DataError
from cryptai.market import quality
from cryptai.market.timeframe import TIMEFRAMES
from cryptai.seams import monotonic
from cryptai.web.pages import coverage
from cryptai.web.pages.numbers import percent_text, when_text
from cryptai.web.pages.stored import state as state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from cryptai.market.newness import Stop
    from cryptai.market.store import CandleStore, Stored

STOPPED: Final = ("halted", "delisted")
"""States in which no newer bar is to come."""

# Holes are found by reading a series. A page reads for so long; the rest comes with the next.
_PATIENCE_S: Final = 1.5
# By venue, symbol and timeframe: the digest of the bars, and where they have holes. A few numbers a series.
_known: dict[tuple[str, str, str], tuple[str, NDArray[np.int64]]] = {}
_NONE: Final = np.empty((0, 2), np.int64)


@dataclass(frozen=True)
class Series:
    """One stored series; `holes` is None until it has been read, `damage` says why it could not be.

    `behind` counts the closed bars that should have followed the newest one by now.
    """

    stored: Stored
    state: str
    behind: int
    holes: NDArray[np.int64] | None = None
    damage: str = ""
    strip: coverage.Strip | None = None

    @property
    def completeness(self) -> float:
        """Stored bars as a fraction of those between the first and the newest, never rounded up to all."""
        return whole_part(self.stored.bars, self.stored.holes)

    @property
    def said(self) -> str:
        """The series in words, for those who do not see its strip."""
        one = self.stored
        told = f"{one.symbol} {one.timeframe}: {percent_text(self.completeness)} complete, {self.state}"
        if self.holes is None or not len(self.holes):
            return told
        most = self.holes[self.holes[:, 1].argmax()]
        return f"{told}; the longest hole is {most[1]} missing from {when_text(most[0])}"

    @property
    def closed_ms(self) -> int:
        """When the newest bar closed."""
        return self.stored.last_ts + self.stored.timeframe.ms

    @property
    def behind_ms(self) -> int:
        """How much time the bars that should have followed span."""
        return self.behind * self.stored.timeframe.ms


@dataclass(frozen=True)
class Hole:
    """`bars` missing in a row: the first opens at `first_ms`, and from `end_ms` on there are bars again."""

    symbol: str
    timeframe: str
    first_ms: int
    end_ms: int
    bars: int

    @property
    def length_ms(self) -> int:
        """The time without bars."""
        return self.end_ms - self.first_ms


@dataclass(frozen=True)
class Frame:
    """All series of one timeframe together; `worst` is the one furthest behind."""

    timeframe: str
    series: int
    bars: int
    holes: int
    late: int
    stale: int
    newest_close_ms: int
    worst: Series
    strip: coverage.Strip

    @property
    def completeness(self) -> float:
        """As for one series."""
        return whole_part(self.bars, self.holes)

    @property
    def alike(self) -> bool:
        """Whether the newest bar of every series closed at the same time."""
        return self.worst.closed_ms == self.newest_close_ms

    @property
    def said(self) -> str:
        """The timeframe in words, for those who do not see its strip."""
        return f"{self.timeframe}: {self.series} series, {self.late} late, {self.stale} stale"


def whole_part(bars: int, missing: int) -> float:
    """Return `bars` as a fraction of both, cut to a hundredth of a percent: 1 only where none is missing."""
    return math.floor(10_000 * bars / (bars + missing)) / 10_000 if missing else 1.0


def series_of(stored: Iterable[Stored], now_ms: int, stops: Mapping[str, Stop]) -> list[Series]:
    """Return each stored series with its state at `now_ms`; a series without missing bars has no holes.

    Nothing should follow the newest bar of a market that stands still: it is not behind.
    """
    rows = []
    for one in stored:
        state = state_of(one, now_ms, stops)
        behind = max(0, (one.timeframe.last_closed(now_ms) - one.last_ts) // one.timeframe.ms)
        rows.append(Series(one, state, 0 if state in STOPPED else behind, None if one.holes else _NONE))
    return rows


def placed(store: CandleStore, rows: Iterable[Series]) -> list[Series]:
    """Return the series with their holes read, those that patience allows."""
    end = monotonic() + _PATIENCE_S
    found = []
    for row in rows:
        one = row.stored
        key = (one.exchange, one.symbol, str(one.timeframe))
        known = _known.get(key)
        if row.holes is not None:
            found.append(row)
        elif known and known[0] == one.digest:
            found.append(replace(row, holes=known[1]))
        elif monotonic() > end:
            found.append(row)
        else:
            try:
                holes = quality.holes(store.read(*key).ts, one.timeframe)
            except DataError as error:
                found.append(replace(row, damage=str(error)))
            else:
                _known[key] = (one.digest, holes)
                found.append(replace(row, holes=holes))
    return found


def drawn(rows: Iterable[Series], start_ms: int, end_ms: int) -> list[Series]:
    """Return the series with their strips between two instants."""
    found = []
    for row in rows:
        extent = (row.stored.first_ts, row.closed_ms, row.closed_ms + row.behind_ms)
        strip = coverage.time_strip((start_ms, end_ms), extent, row.holes, row.stored.timeframe.ms)
        found.append(replace(row, strip=strip))
    return found


def holes_of(rows: Iterable[Series]) -> list[Hole]:
    """Return the holes of these series, the longest time first."""
    found = [
        Hole(one.symbol, str(one.timeframe), first, first + bars * one.timeframe.ms, bars)
        for row in rows
        for one in [row.stored]
        if row.holes is not None
        for first, bars in row.holes.tolist()
    ]
    return sorted(found, key=lambda hole: (-hole.length_ms, -hole.first_ms, hole.symbol))


def frames(rows: list[Series]) -> list[Frame]:
    """Return what is stored of each timeframe, shortest first; in the strip each market has its place."""
    symbols = sorted({row.stored.symbol for row in rows})
    of: dict[str, dict[str, Series]] = defaultdict(dict)
    for row in rows:
        of[str(row.stored.timeframe)][row.stored.symbol] = row
    found = []
    for name in TIMEFRAMES:
        these = list(of[name].values())
        if not these:
            continue
        places = [
            (one.state, one.stored.holes > 0) if (one := of[name].get(symbol)) else ("", False)
            for symbol in symbols
        ]
        found.append(
            Frame(
                name, len(these),
                sum(row.stored.bars for row in these), sum(row.stored.holes for row in these),
                sum(row.state == "late" for row in these), sum(row.state == "stale" for row in these),
                max(row.closed_ms for row in these), max(these, key=lambda row: row.behind),
                coverage.market_strip(places),
            )
        )  # fmt: skip
    return found
