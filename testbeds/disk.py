"""B3: a disk that keeps what was synced, and of the rest whatever chance leaves, on the day the power goes.

It is told the calls of a process one by one. A file's bytes are safe once the file was synced, a name in a
folder once that folder was. What was not is kept, lost or torn piece by piece: each sector of a file may be
of any moment since its last sync, its length and time of change too; names come back in the order they were
given, up to some moment, or each by chance. A name may be there with none of its bytes. SQLite's `-shm` is
memory that happens to be a file; after a cut it holds anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from testbeds.calls import Call

_SECTOR: Final = 512


@dataclass(eq=False)
class File:
    """A file's bytes: those that are safe, the changes since, and what a reader sees now."""

    safe: bytes = b""
    safe_mtime: int | None = None
    # Bytes put at an offset; None at an offset is a new length.
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    now: bytearray = field(default_factory=bytearray)
    mtimes: list[int] = field(default_factory=list)
    mapped: bool = False

    def put(self, at: int, data: bytes | None) -> None:
        """Change it, not safely."""
        self.pending.append((at, data))
        _put(self.now, at, data)

    def sync(self, *, data_only: bool) -> None:
        """Make it safe as it is."""
        self.safe, self.pending = bytes(self.now), []
        if self.mtimes and not data_only:
            self.safe_mtime, self.mtimes = self.mtimes[-1], []

    def after_cut(self, random: np.random.Generator) -> tuple[bytes, int | None]:
        """Return what is left of it, and its time of change where one was set."""
        if self.mapped:
            return random.bytes(len(self.now)), None
        moments = [self.safe_mtime, *self.mtimes]
        mtime = moments[int(random.integers(len(moments)))]
        fate = random.random()
        if not self.pending or fate < 0.2:
            return self.safe, mtime
        left = bytearray(self.safe)
        if fate < 0.4:
            # Up to some call everything; that one is cut off somewhere in it.
            upto = int(random.integers(len(self.pending)))
            for at, data in self.pending[:upto]:
                _put(left, at, data)
            at, data = self.pending[upto]
            if data is not None:
                _put(left, at, data[: int(random.integers(len(data) + 1))])
            return bytes(left), mtime
        garbage = random.random() < 0.3
        kept: dict[int, int] = {}  # how many of the changes each sector has seen
        for turn, (at, data) in enumerate(self.pending):
            for sector in range(at // _SECTOR, (at + len(data or b"") - 1) // _SECTOR + 1):
                seen = kept.setdefault(sector, int(random.integers(len(self.pending) + 1)))
                start = max(at, sector * _SECTOR)
                end = min(at + len(data or b""), (sector + 1) * _SECTOR)
                if data is not None and turn < seen:
                    _put(left, start, data[start - at : end - at])
                elif garbage and end > max(len(left), len(self.safe)):
                    # The length was kept and the bytes were not: what the disk held there before.
                    _put(left, max(start, len(self.safe)), random.bytes(end - max(start, len(self.safe))))
        length = self._lengths()[int(random.integers(len(self.pending) + 1))]
        _put(left, length, None)
        return bytes(left), mtime

    def _lengths(self) -> list[int]:
        lengths = [len(self.safe)]
        for at, data in self.pending:
            lengths.append(at if data is None else max(lengths[-1], at + len(data)))
        return lengths


@dataclass(eq=False)
class Folder:
    """A folder's names: those that are safe, and those seen now."""

    safe: dict[str, Node] = field(default_factory=dict)
    now: dict[str, Node] = field(default_factory=dict)


Node: TypeAlias = "File | Folder"
_Change: TypeAlias = "list[tuple[Folder, str, Node | None]]"


class Disk:
    """The disk below one folder, which was there, empty and safe, before the first call."""

    def __init__(self, root: Path) -> None:
        self._root = PurePosixPath(root)
        self._top = Folder()
        self._inodes: dict[int, Node] = {root.stat().st_ino: self._top}
        self._names: list[_Change] = []

    def take(self, call: Call) -> None:
        """Let one call have happened."""
        if call.kind in "CD":
            node = File() if call.kind == "C" else Folder()
            self._inodes[call.inode] = node
            self._name([(*self._place(call.data), node)])
        elif call.kind == "W":
            self._file(call).put(call.a, call.data)
        elif call.kind == "T":
            self._file(call).put(call.a, None)
        elif call.kind == "M":
            self._file(call).mtimes.append(call.a)
        elif call.kind == "P":
            if not call.data.endswith(b"-shm"):
                raise NotImplementedError(f"{call.data!r} is written through a map, past every note.")
            self._file(call).mapped = True
        elif call.kind == "S":
            self._sync(call)
        elif call.kind == "U":
            self._name([(*self._place(call.data), None)])
        else:
            (folder, name), (to, new) = self._place(call.data), self._place(call.more)
            there: list[tuple[Folder, str, Node | None]] = [(to, new, folder.now[name])]
            self._name([(folder, name, None), *there] if call.kind == "R" else there)

    def after_cut(self, random: np.random.Generator, into: Path) -> None:
        """Write into an empty folder what is left if the power goes now."""
        names: dict[Folder, dict[str, Node]] = {}
        in_order = random.random() < 0.5
        upto = int(random.integers(len(self._names) + 1))
        for i, change in enumerate(self._names):
            if i < upto if in_order else random.random() < 0.5:
                for folder, name, node in change:
                    _name(names.setdefault(folder, dict(folder.safe)), name, node)
        _lay(self._top, names, random, into)

    def is_as(self, folder: Path) -> bool:
        """Whether it holds now, bit for bit, what a real folder does: then no call was missed."""
        return _same(self._top, folder)

    def _name(self, change: _Change) -> None:
        for folder, name, node in change:
            _name(folder.now, name, node)
        self._names.append(change)

    def _sync(self, call: Call) -> None:
        node = self._inodes[call.inode]
        if isinstance(node, File):
            node.sync(data_only=bool(call.a))
            return
        left = []
        for change in self._names:
            if any(folder is node for folder, _, _ in change):
                for folder, name, one in change:
                    _name(folder.safe, name, one)
            else:
                left.append(change)
        self._names = left

    def _file(self, call: Call) -> File:
        node = self._inodes[call.inode]
        assert isinstance(node, File), call  # noqa: S101 (a note that contradicts itself)
        return node

    def _place(self, path: bytes) -> tuple[Folder, str]:
        *parents, name = PurePosixPath(os.fsdecode(path)).relative_to(self._root).parts
        folder: Node = self._top
        for parent in parents:
            assert isinstance(folder, Folder), path  # noqa: S101 (a note that contradicts itself)
            folder = folder.now[parent]
        assert isinstance(folder, Folder), path  # noqa: S101 (a note that contradicts itself)
        return folder, name


def _put(bits: bytearray, at: int, data: bytes | None) -> None:
    if len(bits) < at:
        bits.extend(bytes(at - len(bits)))
    if data is None:
        del bits[at:]
    else:
        bits[at : at + len(data)] = data


def _name(names: dict[str, Node], name: str, node: Node | None) -> None:
    names.pop(name, None)
    if node is not None:
        names[name] = node


def _lay(
    folder: Folder, names: dict[Folder, dict[str, Node]], random: np.random.Generator, into: Path
) -> None:
    for name, node in names.get(folder, folder.safe).items():
        path = into / name
        if isinstance(node, Folder):
            path.mkdir()
            _lay(node, names, random, path)
            continue
        bits, mtime = node.after_cut(random)
        path.touch(mode=0o600)  # modes are no matter here: everything is its owner's
        path.write_bytes(bits)
        if mtime is not None:
            os.utime(path, ns=(mtime, mtime))


def _same(folder: Folder, real: Path) -> bool:
    if {path.name for path in real.iterdir()} != folder.now.keys():
        return False
    for name, node in folder.now.items():
        path = real / name
        if isinstance(node, Folder):
            if not (path.is_dir() and _same(node, path)):
                return False
        elif not node.mapped and path.read_bytes() != node.now:
            return False
    return True
