"""How good a stored series is: complete, fresh, and in agreement with the finer bars beside it.

Impossible bars and duplicates are not counted: `Candles` cannot hold them, so the store never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from cryptai import seams
from cryptai.market.disagreement import Conflict, apart_of, conflicts
from cryptai.market.newness import Newness, newness
from cryptai.market.spans import Span, missing, without
from cryptai.market.times import iso

if TYPE_CHECKING:
    from cryptai.market.candles import Candles
    from cryptai.market.newness import Stop
    from cryptai.market.store import CandleStore
    from cryptai.market.timeframe import Timeframe

Cause: TypeAlias = Literal["the venue has none", "not fetched yet"]

_NONE: Final = "the venue has none"
_UNASKED: Final = "not fetched yet"
# Volumes are sums of many; in another order of addition their last digits differ.
_VOLUME: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Hole:
    """Bars missing in a row: the open time of the first (ms UTC), how many, and why."""

    first_ts: int
    bars: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Agreement:
    """Stored bars against those made of a finer stored timeframe, where all the finer ones are there.

    `first_ts` is the open time of the first that differs (prices in any bit, volume past 1e-9 of it), and
    `largest` the largest difference of a price, as a fraction of the price made of finer bars.
    """

    finer: Timeframe
    compared: int
    differ: int
    first_ts: int | None
    largest: float = 0.0


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known of one stored series; times are ms UTC, all counts are bars.

    Attributes
    ----------
    expected
        Bars between the first and the last stored one, both included.
    gaps, missing
        Runs of missing bars inside that extent, and the bars in them.
    holes
        These runs, oldest first; one that is known only in part to be the venue's is told in its parts.
    freshness, behind
        A word for how new the last bar is (`cryptai.market.newness`), and the closed bars that are newer.
    agreements
        One entry for each finer stored timeframe of the same market with bars to compare.
    conflicts
        Bars that one source brought and another one corrected, by the pair of sources.
    """

    exchange: str
    symbol: str
    timeframe: Timeframe
    bars: int
    first_ts: int
    last_ts: int
    expected: int
    gaps: int
    missing: int
    holes: tuple[Hole, ...]
    freshness: Newness
    behind: int
    agreements: tuple[Agreement, ...]
    conflicts: tuple[Conflict, ...] = ()

    @property
    def completeness(self) -> float:
        """Share of the expected bars that are stored, 0 to 1."""
        return self.bars / self.expected

    @property
    def unfetched(self) -> int:
        """Missing bars that the venue was not yet asked for in vain."""
        return sum(hole.bars for hole in self.holes if hole.cause == _UNASKED)

    def as_object(self) -> dict[str, Any]:
        """Return it as the JSON object of `cryptai data check`."""
        return {
            "exchange": self.exchange,
            "symbol": self.symbol,
            "timeframe": str(self.timeframe),
            "bars": self.bars,
            "from": iso(self.first_ts),
            "to": iso(self.last_ts),
            "expected": self.expected,
            "completeness": self.completeness,
            "gaps": self.gaps,
            "missing": self.missing,
            "unfetched": self.unfetched,
            "freshness": self.freshness,
            "behind": self.behind,
            "holes": [
                {"from": iso(hole.first_ts), "bars": hole.bars, "cause": hole.cause} for hole in self.holes
            ],
            "against_finer": [
                {
                    "finer": str(one.finer),
                    "compared": one.compared,
                    "differ": one.differ,
                    "first": None if one.first_ts is None else iso(one.first_ts),
                    "largest": one.largest,
                }
                for one in self.agreements
            ],
            "between_sources": [
                {
                    "before": one.before,
                    "after": one.after,
                    "differ": one.bars,
                    "first": iso(one.first_ts),
                    "largest": one.largest,
                }
                for one in self.conflicts
            ],
        }


def quality_report(
    store: CandleStore,
    exchange: str,
    symbol: str,
    timeframe: str,
    *,
    stop: Stop | None = None,
    now_ms: int | None = None,
) -> Quality:
    """Return the quality of one stored series, read at one moment; `stop` is what its venue says of it.

    Raises
    ------
    DataError
        If nothing is stored of it.
    """
    candles = store.read(exchange, symbol, timeframe)
    frame = candles.timeframe
    first, last = int(candles.ts[0]), int(candles.ts[-1])
    gaps = missing(candles.ts, frame, first, last)
    recorded = [(one.first_ts, one.end_ts) for one in store.absences.of(exchange, symbol, frame)]
    now = seams.now_ms() if now_ms is None else now_ms
    finer = (m.timeframe for m in store.markets(exchange) if m.symbol == candles.symbol)
    agreements = [
        _agreement(candles, store.read(exchange, symbol, name)) for name in finer if name.divides(frame)
    ]
    return Quality(
        exchange=exchange,
        symbol=candles.symbol,
        timeframe=frame,
        bars=len(candles),
        first_ts=first,
        last_ts=last,
        expected=(last - first) // frame.ms + 1,
        gaps=len(gaps),
        missing=(last - first) // frame.ms + 1 - len(candles),
        holes=_holes(gaps, recorded, frame),
        freshness=newness(last, frame, now, stop),
        behind=max(0, (frame.last_closed(now) - last) // frame.ms),
        agreements=tuple(one for one in agreements if one.compared),
        conflicts=conflicts(store, exchange, candles.symbol, frame),
    )


def _holes(gaps: list[Span], recorded: list[Span], frame: Timeframe) -> tuple[Hole, ...]:
    unasked = without(gaps, recorded)
    causes: list[tuple[Span, Cause]] = [(span, _UNASKED) for span in unasked]
    causes += [(span, _NONE) for span in without(gaps, unasked)]
    return tuple(Hole(start, (end - start) // frame.ms, cause) for (start, end), cause in sorted(causes))


def _agreement(candles: Candles, finer: Candles) -> Agreement:
    made = finer.resample(candles.timeframe)
    whole = np.searchsorted(finer.ts, made.ts + candles.timeframe.ms) - np.searchsorted(finer.ts, made.ts)
    made_at = np.flatnonzero(whole == candles.timeframe.ms // finer.timeframe.ms)
    _, here, there = np.intersect1d(candles.ts, made.ts[made_at], assume_unique=True, return_indices=True)
    there = made_at[there]
    differs = np.zeros(len(here), bool)
    for name in ("open", "high", "low", "close"):
        differs |= getattr(candles, name)[here] != getattr(made, name)[there]
    ours, theirs = candles.volume[here], made.volume[there]
    differs |= np.abs(ours - theirs) > _VOLUME * np.maximum(ours, theirs)
    first = int(candles.ts[here][np.argmax(differs)]) if differs.any() else None
    largest = float(apart_of(candles, here, made, there)[differs].max()) if differs.any() else 0.0
    return Agreement(finer.timeframe, len(here), int(differs.sum()), first, largest)
