"""A write to one stored market: new bars laid over the stored ones, then made segments or tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import ConflictError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.segments import SegmentFiles, partitions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.catalog import Market, Rows, Segment

# Past this many bars a tail is folded into segments.
TAIL_ROWS: Final = 512


@dataclass(frozen=True)
class Written:
    """What a write did, in bars; `each` says it of every series of the call, in their order."""

    added: int
    same: int
    replaced: int
    each: tuple[Written, ...] = ()


class Merge:
    """One market's part of a write: `add` series in memory, `write` them, and once that holds, `join`."""

    def __init__(self, market: Market, segments: list[Segment], tail: Candles, files: SegmentFiles) -> None:
        self.market, self.segments, self.tail, self.files = market, segments, tail, files
        self.body: Candles | None = None  # the segments' bars, read only if new ones reach back into them
        self.now = tail
        self.touched: list[NDArray[np.int64]] = []
        self.replaced = 0
        self.whole: Candles | None = None

    def add(self, new: Candles, *, replace: bool) -> Written:
        """Lay new bars over what is there, or raise `ConflictError` for the first that differs."""
        if not len(new):
            return Written(0, 0, 0)
        if self.body is None and self.segments and new.ts[0] <= self.segments[-1].last_ts:
            self.body = self.files.read(self.market, self.segments)
            self.now = join(self.body, self.now)
        new = _plain_zero(new)
        at = np.searchsorted(self.now.ts, new.ts)
        known = at < len(self.now)
        known[known] = self.now.ts[at[known]] == new.ts[known]
        differs = np.zeros(len(new), bool)
        for name in COLUMNS[1:]:
            differs[known] |= getattr(self.now, name)[at[known]] != getattr(new, name)[known]
        if differs.any() and not replace:
            raise ConflictError(_contradiction(self.market, self.now, new, int(np.argmax(differs))))
        added = ~known
        columns = {}
        for name in COLUMNS:
            old, values = getattr(self.now, name), getattr(new, name)
            if differs.any():
                old = old.copy()
                old[at[differs]] = values[differs]
            columns[name] = np.insert(old, at[added], values[added]) if added.any() else old
        self.now = Candles(**columns, symbol=self.market.symbol, timeframe=self.market.timeframe)
        self.touched.append(new.ts[added | differs])
        self.replaced += int(differs.sum())
        return Written(int(added.sum()), int((known & ~differs).sum()), int(differs.sum()))

    def write(self, rows: Rows) -> None:
        """Append to the tail what is new and little; rewrite the partitions touched otherwise."""
        touched = np.concatenate(self.touched) if self.touched else self.tail.ts[:0]
        if not len(touched):
            return
        if self.body is None and not self.replaced and len(self.now) <= TAIL_ROWS:
            fresh = np.isin(self.now.ts, touched)
            rows.append(self.market, _rows(self.now, fresh))
            return
        body = self.files.read(self.market, self.segments) if self.body is None else self.body
        if self.replaced and len(self.tail):
            # What is corrected was acknowledged once: it becomes a segment before it is superseded.
            self._put(rows, join(body, self.tail), self.tail.ts)
        self.whole = self.now if self.body is not None else join(body, self.now)
        self._put(rows, self.whole, np.concatenate([touched, self.tail.ts]))
        rows.clear_tail(self.market)
        self.segments = rows.segments(self.market)

    def join(self) -> None:
        """Renew the copy that reads fast, where segments changed."""
        if self.whole is not None:
            self.files.join(self.market, self.segments, self.whole)

    def _put(self, rows: Rows, candles: Candles, touched: NDArray[np.int64]) -> None:
        touched = np.sort(touched)
        parts = [
            (name, part)
            for name, part in partitions(candles)
            if np.searchsorted(touched, part.ts[0]) < np.searchsorted(touched, part.ts[-1], "right")
        ]
        for segment in self.files.write(self.market, parts):
            rows.put(self.market, segment)


def join(first: Candles, second: Candles) -> Candles:
    """Return the bars of both; the second's are all newer."""
    if not len(second):
        return first
    if not len(first):
        return second
    columns = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in COLUMNS}
    # Both are checked, and the catalog keeps the tail behind the segments.
    return Candles._trusted(columns, first.symbol, first.timeframe)  # noqa: SLF001


def _rows(candles: Candles, chosen: NDArray[np.bool_]) -> Candles:
    columns = {name: getattr(candles, name)[chosen] for name in COLUMNS}
    return Candles._trusted(columns, candles.symbol, candles.timeframe)  # noqa: SLF001 (some of checked bars)


def _plain_zero(candles: Candles) -> Candles:
    # -0.0 equals 0.0 but has other bits: kept, equal bars could have two digests.
    if not np.signbit(candles.volume).any():
        return candles
    columns = {name: getattr(candles, name) for name in COLUMNS} | {"volume": candles.volume + 0.0}
    return Candles(**columns, symbol=candles.symbol, timeframe=candles.timeframe)


def _contradiction(market: Market, stored: Candles, new: Candles, row: int) -> str:
    at = int(np.searchsorted(stored.ts, new.ts[row]))
    pairs = [(name, getattr(stored, name)[at], getattr(new, name)[row]) for name in COLUMNS[1:]]
    told = ", ".join(f"{name} {old} (new {now})" for name, old, now in pairs if old != now)
    when = np.datetime_as_string(new.ts[row].astype("M8[ms]"), unit="s")
    return (
        f"{market}: the stored bar of {when}Z has {told}; nothing was changed. "
        "Give --replace to take the new bars."
    )
