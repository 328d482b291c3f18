"""A write to one stored market: new bars compared with the stored ones, then laid into tail or segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np

from cryptai.errors import ConflictError
from cryptai.market.bits import chosen, lay_over
from cryptai.market.candles import COLUMNS, Candles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.kept import Market
    from cryptai.market.rows import Rows
    from cryptai.market.segments import SegmentFiles

# Past so many bars a tail is folded into segments, beside the writing; a tail of twice as many is folded by
# the writer. A day of minutes is one row. The longest tail costs a read some milliseconds.
TAIL_BARS: Final = 16_384
# Past so many rows the small writes among them become one.
TAIL_ROWS: Final = 512


@dataclass(frozen=True)
class Written:
    """What a write did, in bars; `each` says it of every series of the call, in their order."""

    added: int
    same: int
    replaced: int
    each: tuple[Written, ...] = ()


class Merge:
    """One market's part of a write: `add` series in memory, `write` them, and once that holds, `renew`."""

    def __init__(self, market: Market, rows: Rows, files: SegmentFiles) -> None:
        self.market, self._rows, self._files = market, rows, files
        self._state = rows.state(market)
        self._new: Candles | None = None  # what this write changes so far
        self._corrected: list[NDArray[np.int64]] = []
        self._folded = False
        self.overdue = False  # whether the tail is to be folded soon

    def add(self, new: Candles, *, replace: bool) -> Written:
        """Lay new bars over what is there, or raise `ConflictError` for the first that differs."""
        if not len(new):
            return Written(0, 0, 0)
        new = _plain_zero(new)
        if self._new is None and (self._state is None or int(new.ts[0]) > self._state.last_ts):
            self._new = new  # newer than everything: there is nothing to compare
            return Written(len(new), 0, 0)
        stored = self._stored(int(new.ts[0]), int(new.ts[-1]) + 1)
        at = np.searchsorted(stored.ts, new.ts)
        known = at < len(stored)
        known[known] = stored.ts[at[known]] == new.ts[known]
        differs = np.zeros(len(new), bool)
        for name in COLUMNS[1:]:
            differs[known] |= getattr(stored, name)[at[known]] != getattr(new, name)[known]
        if differs.any() and not replace:
            raise ConflictError(_contradiction(self.market, stored, new, int(np.argmax(differs))))
        changed = differs | ~known
        if changed.any():
            part = new if changed.all() else chosen(new, changed)
            self._new = part if self._new is None else lay_over(self._new, part)
        if differs.any():
            self._corrected.append(new.ts[differs])
        return Written(int((~known).sum()), int((known & ~differs).sum()), int(differs.sum()))

    def write(self, source: str | None, fetched_at_ms: int | None) -> None:
        """Append to the tail what is little; rewrite the partitions touched otherwise."""
        new, state = self._new, self._state
        if new is None:
            return
        corrected = np.sort(np.concatenate(self._corrected)) if self._corrected else None
        rows, bars = (state.tail_rows, state.tail_bars) if state else (0, 0)
        if len(new) <= TAIL_BARS and bars + len(new) <= 2 * TAIL_BARS:
            self._rows.append(self.market, new, source, fetched_at_ms, corrected=corrected)
            if rows + 1 >= _tail_rows(self.market, bars):
                self._rows.bundle(self.market)
            self.overdue = bars + len(new) > TAIL_BARS
            return
        segments = self._files.write(
            self.market,
            self._files.laid_over(
                self.market, self._rows.segments(self.market), lay_over(self._rows.tail(self.market), new)
            ),
        )
        self._rows.fold(self.market, new, segments, source, fetched_at_ms, corrected=corrected)
        self._segments = self._rows.segments(self.market)
        self._folded = True

    def renew(self) -> None:
        """Renew the copy that reads fast, where segments changed."""
        if self._folded:
            self._files.renew(self.market, self._segments)

    def _stored(self, start_ms: int, end_ms: int) -> Candles:
        segments = self._rows.segments(self.market)
        bars = self._files.read(self.market, segments, start_ms, end_ms, join=False)
        bars = lay_over(bars, self._rows.tail(self.market, start_ms=start_ms, end_ms=end_ms))
        return bars if self._new is None else lay_over(bars, self._new.between(start_ms, end_ms))


def _tail_rows(market: Market, bars: int) -> int:
    # Markets that began together are not all bundled in the same minute; what was bundled stays so many rows.
    return TAIL_ROWS - crc32(repr(tuple(market)).encode()) % (TAIL_ROWS // 2) + bars // (TAIL_ROWS // 2)


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
