"""The candle store's files: immutable segments, and the joined copy of them that reads fast."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import DataError, InputError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.catalog import Market, Segment
from cryptai.market.durable import make_folder, sync_folder, write_whole
from cryptai.market.symbol import url_symbol
from cryptai.market.timeframe import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_JOINED: Final = "joined"


class SegmentFiles:
    """The folder of candle files: `binance/BTC-USDT/1h/2021.<digest>.arrow`.

    A segment is one uncompressed Arrow IPC file that holds one partition of a market (minutes: a month,
    hours: a year, days and weeks: all) and is named by the digest of its bars (`Candles.digest`), so what was
    read is known to be what was written. Beside the segments lies one joined copy of them as raw columns,
    which NumPy alone maps into memory; it is named by the digests it joins, checked against
    them, and made again when it is missing or wrong.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Joined copies checked against their digests, as (inode, size, time of change): once a process.
        self._checked: dict[Market, tuple[str, int, int, int]] = {}

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

    def read(self, market: Market, segments: Sequence[Segment]) -> Candles:
        """Return all bars of these segments, in order of time, as read-only maps of the file.

        Raises
        ------
        DataError
            If a segment's file is missing, or holds other bars than its name says.
        """
        if not segments:
            empty = np.empty((len(COLUMNS), 0), np.int64)
            return _from_bits(empty, market)
        joined = self._read_joined(market, segments)
        if joined is None:
            parts = [self._read_segment(market, segment) for segment in segments]
            bits = np.concatenate([_bits(part) for part in parts], axis=1)
            joined = _from_bits(bits, market)
            self.join(market, segments, joined)
        return joined

    def join(self, market: Market, segments: Sequence[Segment], candles: Candles) -> None:
        """Lay the joined copy of all segments in force beside them, in the place of an older one."""
        path = self._joined_path(market, segments)
        # No sync: a copy that a power cut tears is found out by its digests and made again.
        try:
            write_whole(path, lambda draft: _save(draft, _bits(candles)), sync=False)
            for other in path.parent.glob(f"{_JOINED}.*.npy"):
                if other != path:
                    other.unlink(missing_ok=True)
        except OSError:
            return  # a full or read-only disk costs speed here, not candles

    def _read_joined(self, market: Market, segments: Sequence[Segment]) -> Candles | None:
        path = self._joined_path(market, segments)
        try:
            bits = np.load(path, mmap_mode="r", allow_pickle=False)
            state = path.stat()
        except (OSError, ValueError, EOFError):
            return None
        wanted = (len(COLUMNS), sum(segment.rows for segment in segments))
        if bits.shape != wanted or bits.dtype != np.int64 or not bits.flags.c_contiguous:
            return None
        candles = _from_bits(bits, market)
        stamp = (path.name, state.st_ino, state.st_size, state.st_mtime_ns)
        if self._checked.get(market) != stamp:
            start = 0
            for segment in segments:
                if candles[start : start + segment.rows].digest != segment.digest:
                    return None
                start += segment.rows
            self._checked[market] = stamp
        return candles

    def _read_segment(self, market: Market, segment: Segment) -> Candles:
        path = self.path(market, segment)
        candles = _read(path, market, segment)
        if candles is None:
            raise DataError(
                f"The segment {path} is missing or damaged; bring it back with: cryptai restore FILE."
            )
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
    import polars as pl  # noqa: PLC0415 (see SegmentFiles.write)

    try:
        frame = pl.read_ipc(path)
        columns: dict[str, Any] = {name: frame[name].to_numpy() for name in COLUMNS}
        candles = Candles(**columns, symbol=market.symbol, timeframe=market.timeframe)
    except (OSError, InputError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return candles if candles.digest == segment.digest else None


def _bits(candles: Candles) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.stack([getattr(candles, name).view(np.int64) for name in COLUMNS])


def _from_bits(bits: np.ndarray[Any, np.dtype[np.int64]], market: Market) -> Candles:
    ts, *values = np.asarray(bits)
    columns = dict(zip(COLUMNS, (ts, *(v.view(np.float64) for v in values)), strict=True))
    # They were checked when they came in, and are known by their digest since.
    return Candles._trusted(columns, market.symbol, market.timeframe)  # noqa: SLF001


def _save(path: Path, bits: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    with path.open("wb") as handle:
        np.save(handle, bits, allow_pickle=False)
