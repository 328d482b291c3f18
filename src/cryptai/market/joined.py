"""The joined copy of a market's segments: all its bars as raw columns, which NumPy alone maps into memory."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from cryptai.market.bits import BAR_BYTES, from_columns
from cryptai.market.candles import COLUMNS
from cryptai.market.durable import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.market.kept import Market, Segment

Stamp = tuple[str, int, int, int]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_JOINED: Final = "joined"
# A writer lays the copy anew when the bars have grown by this much; before that the next reader does.
_GROWTH: Final = 1.25
# Maps of whole markets kept open.
_COPIES: Final = 256


class JoinedCopies:
    """The copies beside the segments, one a market, and those of them that this process has mapped.

    A copy is named by the digests it joins and made again when it is missing or wrong. One that was on the
    disk before it got its name bears a time of change made from that name: while it does, nothing was written
    to it since. Any other is first compared with the digests, and so is each where they are not `trusting`.
    """

    def __init__(self, *, trusting: bool = True) -> None:
        self._trusting = trusting
        # What was mapped and proven in this process, with the (inode, size, time of change) it had then.
        self._known: dict[Market, tuple[Stamp, Candles]] = {}

    def path(self, home: Path, segments: Sequence[Segment]) -> Path:
        """Return where the copy of these segments lies, if there is one."""
        return home / f"{_JOINED}.{digest_of(segment.digest for segment in segments)}.npy"

    def read(self, home: Path, market: Market, segments: Sequence[Segment]) -> Candles | None:
        """Return the bars of these segments, a map of their copy; None where there is none or a wrong one."""
        path = self.path(home, segments)
        try:
            stamp = stamp_of(path)
            known = self._known.get(market)
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
        keep(self._known, market, (stamp, candles), _COPIES)
        return candles

    def write(
        self,
        home: Path,
        segments: Sequence[Segment],
        parts: Sequence[Candles],
        *,
        sync: bool,
        alone: bool = True,
    ) -> None:
        """Make the copy of these bars, which are given in parts that follow each other.

        `sync` makes it one that need not be compared, `alone` takes the others away.
        """
        path = self.path(home, segments)
        try:
            write_whole(path, lambda draft: _save(draft, parts, _mark(path) if sync else None), sync=sync)
            for other in home.glob(f"{_JOINED}.*.npy"):
                if alone and other != path:
                    other.unlink(missing_ok=True)  # who has it mapped keeps it
        except OSError:
            return  # a full or read-only disk costs speed here, not candles

    def outgrown(self, home: Path, segments: Sequence[Segment]) -> bool:
        """Whether these segments have no copy, and so many more bars than any copy, that one is due."""
        bars, largest = sum(segment.rows for segment in segments), 0
        with suppress(OSError):
            largest = max((path.stat().st_size for path in home.glob(f"{_JOINED}.*.npy")), default=0)
        return bars >= largest / BAR_BYTES * _GROWTH and not self.path(home, segments).exists()

    def _proven(self, path: Path, stamp: Stamp, candles: Candles, segments: Sequence[Segment]) -> bool:
        if self._trusting and stamp[-1] == _mark(path):
            return True
        ends = np.cumsum([segment.rows for segment in segments]).tolist()
        return all(
            candles[end - segment.rows : end].digest == segment.digest
            for segment, end in zip(segments, ends, strict=True)
        )


def digest_of(digests: Iterable[str]) -> str:
    """Return one digest that names a sequence of digests."""
    return hashlib.sha256("\n".join(("cryptai.market.1", *digests)).encode()).hexdigest()


def stamp_of(path: Path) -> Stamp:
    """Return what is another once a file was written to, or put in the place of another."""
    state = path.stat()
    return path.name, state.st_ino, state.st_size, state.st_mtime_ns


def keep(known: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """Put a value into a dictionary that holds the `most` newest only."""
    known.pop(key, None)
    for old in list(known)[: max(len(known) - most + 1, 0)]:  # the longest here go first
        known.pop(old, None)
    known[key] = value


def _mark(joined: Path) -> int:
    # A time between 2001 and 2033, in nanoseconds, that follows from the digests in the file's name.
    digest = joined.name.split(".")[1]
    return 10**18 + int(digest[:16], 16) % 10**18


def _save(path: Path, parts: Sequence[Candles], mark: int | None) -> None:
    # As `np.save` writes it, without an array of all in memory: another thread may be waiting for this one.
    header = {"descr": "<i8", "fortran_order": False, "shape": (len(COLUMNS), sum(map(len, parts)))}
    with path.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for name in COLUMNS:
            for part in parts:
                handle.write(np.ascontiguousarray(getattr(part, name)).view("<i8").data)
    if mark is not None:
        os.utime(path, ns=(mark, mark))
