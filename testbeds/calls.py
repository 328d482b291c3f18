"""What a process asked of the disk: its calls noted by `disk.c`, in their order, and read back."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptai.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD: Final = struct.Struct("<cQqqII")
_SOURCE: Final = "disk.c"


class Call(NamedTuple):
    """One call that changed something or synced it; `disk.c` says what the fields of each kind mean."""

    kind: str
    inode: int
    a: int
    data: bytes
    more: bytes

    @property
    def size(self) -> int:
        """How many bytes of notes it takes."""
        return _HEAD.size + len(self.data) + len(self.more)


def tool_missing() -> str:
    """Return why calls cannot be noted on this machine, as words; empty where they can."""
    if os.uname().sysname != "Linux":
        return "the calls of a process are noted on Linux only"
    return "" if shutil.which("cc") else "there is no C compiler (cc) here to build testbeds/disk.c"


def build(folder: Path, source: Path) -> Path:
    """Build the library that notes calls into `folder`; return where it is."""
    library = folder / "disk.so"
    command = [
        "cc",
        "-O1",
        "-shared",
        "-fPIC",
        "-o",
        str(library),
        str(source / _SOURCE),
        "-ldl",
        "-lpthread",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkspaceError(f"testbeds/{_SOURCE} cannot be built: {done.stderr.strip()[-400:]}")
    return library


def noting(library: Path, root: Path, notes: Path | None = None) -> dict[str, str]:
    """Return the environment in which a process notes what it does under `root`."""
    more = {} if notes is None else {"CRYPTAI_DISK_LOG": str(notes)}
    return os.environ | {"LD_PRELOAD": str(library), "CRYPTAI_DISK_ROOT": str(root), **more}


def read_calls(notes: Path) -> Iterator[Call]:
    """Yield the calls noted, oldest first."""
    with notes.open("rb") as file:
        while head := file.read(_HEAD.size):
            kind, inode, a, _, first, second = _HEAD.unpack(head)
            yield Call(kind.decode(), inode, a, file.read(first), file.read(second))
