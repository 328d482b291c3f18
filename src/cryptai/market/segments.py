"""The candle store's files: immutable segments, and the joined copy of them that reads fast."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from cryptai.errors import DataError
from cryptai.market.arrow import map_columns
from cryptai.market.bits import columns_of, from_columns
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.durable import make_folder, sync_folder, write_whole
from cryptai.market.rows import Segment
from cryptai.market.symbol import url_symbol
from cryptai.market.timeframe import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryptai.market.rows import Market

_Stamp = tuple[str, int, int, int]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_JOINED: Final = "joined"
# A writer lays the joined copy anew when the bars have grown by this much; before that the next reader does.
_GROWTH: Final = 1.25
# Maps kept open: of whole markets, and of single segments.
_COPIES: Final = 256
_SEGMENTS: Final = 64
_BAR_BYTES: Final = 8 * len(COLUMNS)


class SegmentFiles:
    """The folder of candle files: `binance/BTC-USDT/1h/2021.<digest>.arrow`.

    A segment is one uncompressed Arrow IPC file that holds one partition of a market (minutes: a month,
    hours: a year, days and weeks: all) and is named by the digest of its bars (`Candles.digest`), so what was
    read is known to be what was written. Beside the segments lies one joined copy of them as raw columns,
    which NumPy alone maps into memory. It is named by the digests it joins and made again when it is missing
    or wrong. A copy that was on the disk before it got its name bears a time of change made from that name:
    while it does, nothing was written to it since. Any other is first compared with the digests.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What was mapped and proven in this process, with the (inode, size, time of change) it had then.
        self._copies: dict[Market, tuple[_Stamp, Candles]] = {}
        self._segments: dict[Path, tuple[_Stamp, Candles]] = {}

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
        for left in home.glob("*.tmp"):  # of a writer that was killed: we hold the lock, there is no other
            left.unlink(missing_ok=True)
        segments = []
        for partition, candles in parts:
            segment = Segment(
                partition, candles.digest, len(candles), int(candles.ts[0]), int(candles.ts[-1])
            )
            segments.append(segment)
            path = self.path(market, segment)
            if path.exists() and _read(path, market, segment) is not None:
                continue  # these very bars were here before
            frame = pl.DataFrame({name: getattr(candles, name) for name in COLUMNS})
            write_whole(path, partial(frame.write_ipc, compression="uncompressed"))
        sync_folder(home)
        return segments

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
        joined = self._read_joined(market, segments) if segments else None
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
            self._join(market, segments, candles, sync=False)
        return candles.between(start_ms, end_ms)

    def renew(self, market: Market, segments: Sequence[Segment]) -> None:
        """Make the joined copy that reads fast, where that is worth its writing.

        Bars that come in small portions do not rewrite all before them each time: the copy grows in steps.
        """
        bars = sum(segment.rows for segment in segments)
        with suppress(OSError):
            before = max((p.stat().st_size for p in self._home(market).glob(f"{_JOINED}.*.npy")), default=0)
            if bars < before / _BAR_BYTES * _GROWTH or self._joined_path(market, segments).exists():
                return
            self._join(market, segments, self.read(market, segments, join=False), sync=True)

    def _join(self, market: Market, segments: Sequence[Segment], candles: Candles, *, sync: bool) -> None:
        path = self._joined_path(market, segments)
        try:
            write_whole(path, lambda draft: _save(draft, candles, _mark(path) if sync else None), sync=sync)
            for other in path.parent.glob(f"{_JOINED}.*.npy"):
                if other != path:
                    other.unlink(missing_ok=True)  # who has it mapped keeps it
        except OSError:
            return  # a full or read-only disk costs speed here, not candles

    def _read_joined(self, market: Market, segments: Sequence[Segment]) -> Candles | None:
        path = self._joined_path(market, segments)
        try:
            stamp = _stamp(path)
            known = self._copies.get(market)
            if known and known[0] == stamp:
                return known[1]
            bits = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        wanted = (len(COLUMNS), sum(segment.rows for segment in segments))
        if bits.shape != wanted or bits.dtype != np.int64 or not bits.flags.c_contiguous:
            return None
        candles = from_columns(bits, market.symbol, market.timeframe)
        if not self._proven(path, stamp, candles, segments):
            return None
        _keep(self._copies, market, (stamp, candles), _COPIES)
        return candles

    def _proven(self, path: Path, stamp: _Stamp, candles: Candles, segments: Sequence[Segment]) -> bool:
        if stamp[-1] == _mark(path):
            return True
        ends = np.cumsum([segment.rows for segment in segments]).tolist()
        return all(
            candles[end - segment.rows : end].digest == segment.digest
            for segment, end in zip(segments, ends, strict=True)
        )

    def _read_segment(self, market: Market, segment: Segment) -> Candles:
        path = self.path(market, segment)
        try:
            stamp = _stamp(path)
        except OSError:
            stamp = None
        known = self._segments.get(path)
        if stamp and known and known[0] == stamp:
            return known[1]
        candles = _read(path, market, segment)
        if candles is None or stamp is None:
            raise DataError(
                f"The segment {path} is missing or damaged; bring it back with: cryptai restore FILE."
            )
        _keep(self._segments, path, (stamp, candles), _SEGMENTS)
        return candles

    def _joined_path(self, market: Market, segments: Sequence[Segment]) -> Path:
        return self._home(market) / f"{_JOINED}.{digest_of(segment.digest for segment in segments)}.npy"

    def _home(self, market: Market) -> Path:
        return self.folder / market.exchange / url_symbol(market.symbol) / market.timeframe


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


def digest_of(digests: Iterable[str]) -> str:
    """Return one digest that names a sequence of digests."""
    return hashlib.sha256("\n".join(("cryptai.market.1", *digests)).encode()).hexdigest()


def _read(path: Path, market: Market, segment: Segment) -> Candles | None:
    try:
        candles = from_columns(map_columns(path, len(COLUMNS)), market.symbol, market.timeframe)
    except (OSError, ValueError):
        return None
    return candles if candles.digest == segment.digest else None


def _stamp(path: Path) -> _Stamp:
    state = path.stat()
    return path.name, state.st_ino, state.st_size, state.st_mtime_ns


def _keep(known: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    known.pop(key, None)
    for old in list(known)[: max(len(known) - most + 1, 0)]:  # the longest here go first
        known.pop(old, None)
    known[key] = value


def _mark(joined: Path) -> int:
    # A time between 2001 and 2033, in nanoseconds, that follows from the digests in the file's name.
    digest = joined.name.split(".")[1]
    return 10**18 + int(digest[:16], 16) % 10**18


def _save(path: Path, candles: Candles, mark: int | None) -> None:
    with path.open("wb") as handle:
        np.save(handle, columns_of(candles), allow_pickle=False)
    if mark is not None:
        os.utime(path, ns=(mark, mark))
