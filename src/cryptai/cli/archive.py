"""A workspace as one file: a gzipped tar whose last member is the manifest of all others.

What is archived, in this order, so that a running server can go on writing:

1. every SQLite database, as its online backup gives it (one point in time, checked);
2. every other file. Candle segments never change and are never removed, and a run's files are written before
   its row, so whatever the databases of step 1 refer to is found in step 2.

Left out are what goes with a process (`lock`, drafts of files and of runs, SQLite's own side files) and what
is made again when it is missing (joined copies of segments, byte-code). Links are followed: their content is
archived.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import stat
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from cryptai.errors import InputError, WorkspaceError
from cryptai.market.durable import sync_folder, write_whole
from cryptai.seams import now_ms
from cryptai.workspace import LAYOUT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMAT: Final = 1
MANIFEST: Final = "cryptai-backup.json"
_CATALOG: Final = "candles/catalog.sqlite3"
_LEFT_OUT: Final = (".tmp", ".sqlite3-wal", ".sqlite3-shm", ".sqlite3-journal", ".pyc")


@dataclass(frozen=True)
class Archived:
    """What an archive holds: how many files and bytes, and when and by which version it was made."""

    files: int
    bytes: int
    made_at_ms: int
    cryptai: str


def write_archive(
    root: Path, file: Path, moved: Callable[[int], None], *, catalog: Callable[[Path], None] | None = None
) -> Archived:
    """Write the workspace `root` into the new file `file`, readable by its owner only.

    It appears under its name when it is complete and on the disk; `moved` is told of bytes as they go in.
    `catalog` writes the candle catalog into a file where it is kept in a database.

    Raises
    ------
    InputError
        If the file exists already, has no folder, or lies inside the workspace.
    WorkspaceError
        If there is no workspace, or one of its databases is damaged.
    """
    file = file.absolute()
    if not (root / "version").is_file():
        raise WorkspaceError(f"There is no workspace at {root}; name one with CRYPTAI_HOME.")
    if os.path.lexists(file):
        raise InputError(f"{file} exists already; name a new file.", field="file")
    if not file.parent.is_dir():
        raise InputError(f"There is no folder {file.parent}; make it first.", field="file")
    if file.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{file} lies inside the workspace itself; name a place outside.", field="file")
    archived: list[Archived] = []
    write_whole(file, lambda draft: archived.append(_write(root, draft, moved, catalog)))
    sync_folder(file.parent)
    return archived[0]


def size_of(root: Path) -> int:
    """Return about how many bytes `write_archive` will read."""
    return sum(path.stat().st_size for _, path in _files(root))


def _write(
    root: Path, draft: Path, moved: Callable[[int], None], catalog: Callable[[Path], None] | None
) -> Archived:
    entries: dict[str, dict[str, Any]] = {}
    draft.touch(mode=0o600)
    with (
        tempfile.TemporaryDirectory(dir=draft.parent, prefix=".cryptai-backup-") as folder,
        tarfile.open(draft, "w:gz", compresslevel=3, format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, path in _in_order(root, Path(folder), catalog):
            try:
                with path.open("rb") as handle:
                    entries[name] = _add(tar, name, handle, moved)
            except FileNotFoundError:
                continue  # gone since it was listed, as a rotated log is
        archived = Archived(
            len(entries), sum(entry["bytes"] for entry in entries.values()), now_ms(), version("cryptai")
        )
        manifest = {
            "format": FORMAT,
            "layout": LAYOUT_VERSION,
            "cryptai": archived.cryptai,
            "made_at_ms": archived.made_at_ms,
            "files": entries,
        }
        text = json.dumps(manifest, indent=1).encode()
        _add(tar, MANIFEST, io.BytesIO(text), lambda _: None, size=len(text))
    return archived


def _in_order(root: Path, folder: Path, catalog: Callable[[Path], None] | None) -> Iterator[tuple[str, Path]]:
    snapshot = folder / "snapshot"
    if catalog:
        catalog(snapshot)
        yield _CATALOG, snapshot
        snapshot.unlink()
    for name, path in _files(root):
        if path.suffix == ".sqlite3" and not (catalog and name == _CATALOG):
            _snapshot(path, snapshot)
            yield name, snapshot
            snapshot.unlink()
    # Listed anew: what was added while the databases were copied may already be referred to by them.
    yield from ((name, path) for name, path in _files(root) if path.suffix != ".sqlite3")


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.endswith(".tmp"))
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            made_again = name.startswith("joined.") and name.endswith(".npy")
            if relative in {"lock", MANIFEST} or name.endswith(_LEFT_OUT) or made_again or not path.is_file():
                continue
            yield relative, path


def _snapshot(database: Path, snapshot: Path) -> None:
    try:
        with (
            closing(
                sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=60)
            ) as source,
            closing(sqlite3.connect(snapshot)) as target,
        ):
            source.backup(target)
            answer = target.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        answer = str(error)
    if answer != "ok":
        raise WorkspaceError(
            f"The database {database} is damaged ({answer}); no backup was written. "
            "Restore an earlier one, or move the file away."
        )
    snapshot.chmod(stat.S_IMODE(database.stat().st_mode))


def _add(
    tar: tarfile.TarFile,
    name: str,
    handle: IO[bytes],
    moved: Callable[[int], None],
    *,
    size: int | None = None,
) -> dict[str, Any]:
    info = tarfile.TarInfo(name)
    if size is None:
        state = os.fstat(handle.fileno())
        info.mode, info.mtime, size = stat.S_IMODE(state.st_mode), int(state.st_mtime), state.st_size
    # The size is that of this moment: what is appended to a log from now on is the next backup's.
    info.size = size
    reader = _Hashing(handle, size, moved)
    tar.addfile(info, reader)  # type: ignore[arg-type]  # asks for `read` alone
    return {"bytes": size, "sha256": reader.digest.hexdigest()}


class _Hashing:
    """Reads at most `size` bytes, and digests them on the way."""

    def __init__(self, handle: IO[bytes], size: int, moved: Callable[[int], None]) -> None:
        self.digest = hashlib.sha256()
        self._handle = handle
        self._left = size
        self._moved = moved

    def read(self, size: int) -> bytes:
        chunk = self._handle.read(min(size, self._left))
        self._left -= len(chunk)
        self.digest.update(chunk)
        self._moved(len(chunk))
        return chunk
