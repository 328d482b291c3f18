"""The candle store's files: immutable segments, here and where they are shared."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import DataError
from cryptai.market.arrow import map_columns, read_columns
from cryptai.market.bits import columns_of, from_columns, lay_over
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.durable import make_folder, sync_folder, write_whole
from cryptai.market.joined import JoinedCopies, keep, stamp_of
from cryptai.market.kept import Segment
from cryptai.market.symbol import url_symbol
from cryptai.market.timeframe import DAY_MS, HOUR_MS
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptai.market.joined import Stamp
    from cryptai.market.kept import Market
    from cryptai.market.objects import ObjectFolder

# Maps of single segments kept open.
_SEGMENTS: Final = 64
# A draft that was left for so long belongs to nobody.
_DRAFT_SECONDS: Final = 3600


class SegmentFiles:
    """The folder of candle files: `binance/BTC-USDT/1h/2021.<digest>.arrow`.

    A segment is one uncompressed Arrow IPC file that holds one partition of a market (minutes: a month,
    hours: a year, days and weeks: all) and is named by the digest of its bars (`Candles.digest`), so what was
    read is known to be what was written. Beside the segments lies one joined copy of them.
    """

    def __init__(self, folder: Path, objects: ObjectFolder | None = None) -> None:
        self.folder = folder
        # Where there is one, a segment counts once it lies there; the folder keeps copies of what was used.
        self._objects = objects
        self._joined = JoinedCopies()
        # What was mapped and proven in this process, with the (inode, size, time of change) it had then.
        self._segments: dict[Path, tuple[Stamp, Candles]] = {}
        self._named: set[Path] = set()

    def path(self, market: Market, segment: Segment) -> Path:
        """Return where a segment's file lies."""
        return self._home(market) / f"{segment.partition}.{segment.digest}.arrow"

    def write(self, market: Market, parts: Sequence[tuple[str, Candles]]) -> list[Segment]:
        """Write partitions as segments; they are on the disk when this returns.

        Call it under the catalog's write lock, and make the segments known there afterwards.
        """
        import polars as pl  # noqa: PLC0415 (takes longer to import than a backtest to run; readers need not)

        home = self._home(market)
        make_folder(home)
        if home not in self._named:
            # Whoever made these folders may have been killed before their names were safe.
            for folder in (home.parent, home.parent.parent, self.folder):
                sync_folder(folder)
            self._named.add(home)
        _sweep(home)
        segments = []
        for partition, candles in parts:
            segment = Segment(
                partition, candles.digest, len(candles), int(candles.ts[0]), int(candles.ts[-1])
            )
            segments.append(segment)
            path = self.path(market, segment)
            if not path.exists() or _read(path, market, segment) is None:  # else: these very bars were here
                frame = pl.DataFrame({name: getattr(candles, name) for name in COLUMNS})
                write_whole(path, partial(frame.write_ipc, compression="uncompressed"))
            if self._objects:
                self._objects.put(self._name(path), path.read_bytes())
        sync_folder(home)
        return segments

    def laid_over(
        self, market: Market, segments: Sequence[Segment], bars: Candles
    ) -> list[tuple[str, Candles]]:
        """Return the partitions that bars fall into, whole: what its segment holds, with these over it."""
        stored = {segment.partition: segment for segment in segments}
        parts = []
        for name, part in partitions(bars):
            known = stored.get(name)
            below = known and self.read(market, segments, known.first_ts, known.last_ts + 1, join=False)
            parts.append((name, lay_over(below, part) if below else part))
        return parts

    def read(
        self,
        market: Market,
        segments: Sequence[Segment],
        start_ms: int | None = None,
        end_ms: int | None = None,
        *,
        join: bool = True,
    ) -> Candles:
        """Return the bars of these segments that open in `[start_ms, end_ms)`, in order of time, read-only.

        They are maps of the joined copy. Where there is none it is made, unless `join` says not to.

        Raises
        ------
        DataError
            If a segment's file is missing, or holds other bars than its name says.
        """
        joined = self._joined.read(self._home(market), market, segments) if segments else None
        if joined is not None:
            return joined.between(start_ms, end_ms)
        parts = [
            columns_of(self._read_segment(market, segment))
            for segment in segments
            if join
            or (
                (end_ms is None or segment.first_ts < end_ms)
                and (start_ms is None or segment.last_ts >= start_ms)
            )
        ]
        empty = np.empty((len(COLUMNS), 0), np.int64)
        candles = from_columns(np.concatenate([empty, *parts], axis=1), market.symbol, market.timeframe)
        if join and segments:
            self._joined.write(self._home(market), segments, [candles], sync=False)
        return candles.between(start_ms, end_ms)

    def renew(self, market: Market, segments: Sequence[Segment]) -> None:
        """Make the joined copy that reads fast, where that is worth its writing.

        Bars that come in small portions do not rewrite all before them each time: the copy grows in steps.
        """
        home = self._home(market)
        if self._joined.outgrown(home, segments):
            self._joined.write(home, segments, self._parts(market, segments), sync=True)

    def follow(self, market: Market, before: Sequence[Segment], after: Sequence[Segment]) -> None:
        """Make the joined copy of segments that soon are the truth, where those of now have one.

        So no reader meets segments without it. The copy of now goes when nobody needs it: see `forget`.
        """
        home = self._home(market)
        if self._joined.path(home, before).exists():
            self._joined.write(home, after, self._parts(market, after), sync=True, alone=False)

    def forget(self, market: Market, segments: Sequence[Segment]) -> None:
        """Take away the joined copy of segments that are the truth no longer; who has it mapped keeps it."""
        with suppress(OSError):
            self._joined.path(self._home(market), segments).unlink(missing_ok=True)

    def _parts(self, market: Market, segments: Sequence[Segment]) -> list[Candles]:
        return [self._read_segment(market, segment) for segment in segments]

    def _read_segment(self, market: Market, segment: Segment) -> Candles:
        path = self.path(market, segment)
        try:
            stamp = stamp_of(path)
        except OSError:
            stamp = None
        known = self._segments.get(path)
        if stamp and known and known[0] == stamp:
            return known[1]
        candles = _read(path, market, segment)
        if candles is None:
            candles = self._fetch(path, market, segment)
        if candles is None:
            also = f", here and in {self._objects}" if self._objects else ""
            raise DataError(
                f"The segment {path} is missing or damaged{also}; bring it back with: cryptai restore FILE."
            )
        with suppress(OSError):
            keep(self._segments, path, (stamp_of(path), candles), _SEGMENTS)
        return candles

    def bring(self, market: Market, segment: Segment) -> None:
        """See to it that a segment lies in the folder too; raise `DataError` where it is nowhere."""
        if not self._objects or self.path(market, segment).exists():
            return
        self._read_segment(market, segment)
        if not self.path(market, segment).exists():
            raise DataError(
                f"The segment {self.path(market, segment)} could not be written; make room on the disk."
            )

    def share(self, market: Market, segment: Segment) -> bool:
        """Put a segment into the object store; False where it is there already."""
        path = self.path(market, segment)
        if not self._objects or _parsed(self._objects.get(self._name(path)), market, segment) is not None:
            return False
        self._read_segment(market, segment)
        self._objects.put(self._name(path), path.read_bytes())
        return True

    def sound(self, market: Market, segment: Segment) -> bool:
        """Whether a segment holds what its name says: its file, or what is shared where there is no file."""
        path = self.path(market, segment)
        if path.exists() or not self._objects:
            return _read(path, market, segment) is not None
        return _parsed(self._objects.get(self._name(path)), market, segment) is not None

    def copy(self, market: Market, segments: Sequence[Segment]) -> Path:
        """Return where the joined copy of segments lies, if there is one."""
        return self._joined.path(self._home(market), segments)

    def copy_sound(self, market: Market, segments: Sequence[Segment]) -> bool:
        """Whether the joined copy holds what the segments do, bar by bar and whatever its time of change."""
        return JoinedCopies(trusting=False).read(self._home(market), market, segments) is not None

    def _fetch(self, path: Path, market: Market, segment: Segment) -> Candles | None:
        content = self._objects.get(self._name(path)) if self._objects else None
        candles = _parsed(content, market, segment)
        if candles is None or content is None:
            return None
        # A full or read-only disk costs the next read another fetch.
        with suppress(OSError):
            make_folder(path.parent)
            write_whole(path, lambda draft: draft.write_bytes(content), sync=False)
            return _read(path, market, segment) or candles
        return candles

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _home(self, market: Market) -> Path:
        return self.folder / market.exchange / url_symbol(market.symbol) / market.timeframe


def _sweep(home: Path) -> None:
    # Drafts of writers that were killed. Another may be at work beside us, but not for so long.
    before = now_ms() / 1000 - _DRAFT_SECONDS
    for left in home.glob("*.tmp"):
        with suppress(OSError):
            if left.stat().st_mtime < before:
                left.unlink()


def partitions(candles: Candles) -> list[tuple[str, Candles]]:
    """Cut bars at the bounds of their partitions: months for minutes, years for hours, one for the rest."""
    if not len(candles):
        return []
    if candles.timeframe.ms >= DAY_MS:
        return [("all", candles)]
    unit = "M8[M]" if candles.timeframe.ms < HOUR_MS else "M8[Y]"
    first, last = candles.ts[[0, -1]].astype("M8[ms]").astype(unit)
    names = np.arange(first, last + 1)
    starts = np.searchsorted(candles.ts, names.astype("M8[ms]").astype(np.int64))
    ends = np.append(starts[1:], len(candles))
    return [
        (str(name), candles[int(start) : int(end)])
        for name, start, end in zip(names, starts, ends, strict=True)
        if end > start
    ]


def _read(path: Path, market: Market, segment: Segment) -> Candles | None:
    try:
        candles = from_columns(map_columns(path, len(COLUMNS)), market.symbol, market.timeframe)
    except (OSError, ValueError):
        return None
    return candles if candles.digest == segment.digest else None


def _parsed(content: bytes | None, market: Market, segment: Segment) -> Candles | None:
    try:
        columns = read_columns(content or b"", len(COLUMNS))
    except ValueError:
        return None
    candles = from_columns(columns, market.symbol, market.timeframe)
    return candles if candles.digest == segment.digest else None
