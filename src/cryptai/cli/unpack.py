"""The way back from an archive to a workspace: everything checked, all of it or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Any, Final

from cryptai.cli.archive import FORMAT, MANIFEST, Archived
from cryptai.errors import InputError, WorkspaceError
from cryptai.market.durable import sync_file, sync_folder
from cryptai.seams import new_id
from cryptai.workspace import LAYOUT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CHUNK: Final = 1024 * 1024
_MANIFEST_LIMIT: Final = 256 * _CHUNK
# What must stay free on the disk, whatever sizes an archive claims.
_SPARE: Final = 64 * _CHUNK
# What a damaged or hostile archive makes the readers of tar, gzip and JSON raise.
_DAMAGE: Final = (tarfile.TarError, zlib.error, EOFError, ValueError, KeyError, TypeError, RecursionError)


def read_archive(file: Path, root: Path, moved: Callable[[int], None]) -> Archived:
    """Unpack an archive as the workspace `root`, which must be missing or empty.

    Everything is unpacked beside `root`, compared with the manifest, brought to the disk, and only then
    given its name; until then nothing is changed. Files come back readable by their owner only.
    `moved` is told of bytes as they come out.

    Raises
    ------
    InputError
        If the file is no backup, is damaged, holds a path, link or device that does not belong in a
        workspace, or was written by a newer version.
    WorkspaceError
        If the workspace holds something already.
    """
    if not file.is_file():
        raise InputError(f"There is no file {file}.", field="file")
    _refuse_used(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    staging = root.with_name(f"{root.name}.restore-{new_id()[:8]}")
    staging.mkdir(mode=0o700)
    try:
        archived = _unpack(file, staging, moved)
        _sync_tree(staging)
        _refuse_used(root)  # a server may have been started in the meantime
        if root.exists():
            shutil.rmtree(root)
        staging.rename(root)
        sync_folder(root.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return archived


def _refuse_used(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise WorkspaceError(f"{root} is a file, not a folder; name another with CRYPTAI_HOME.")
    frame = {root / "version", root / "lock"}
    for path in sorted(root.rglob("*")):
        if path not in frame and (path.is_symlink() or not path.is_dir()):
            raise WorkspaceError(
                f"The workspace {root} is not empty (it holds {path.relative_to(root)}); "
                "name a new folder with CRYPTAI_HOME, or move this one away first."
            )


def _unpack(file: Path, staging: Path, moved: Callable[[int], None]) -> Archived:
    try:
        with tarfile.open(file, "r:gz") as tar:
            found, manifest = _members(tar, staging, moved)
        return _verified(found, manifest)
    except InputError:
        raise
    except _DAMAGE as error:
        raise _damaged(file, str(error) or type(error).__name__) from error
    except OSError as error:
        if error.errno is None:  # gzip's own errors carry none
            raise _damaged(file, str(error)) from error
        raise WorkspaceError(
            f"{file} cannot be unpacked at {staging.parent} ({error.strerror}); nothing was changed."
        ) from error


def _members(
    tar: tarfile.TarFile, staging: Path, moved: Callable[[int], None]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for member in tar:
        content = tar.extractfile(member) if member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} else None
        if content is None:
            raise ValueError(f"{member.name!r} is a link, a device or a folder, not a file")
        if member.name == MANIFEST:
            if member.size > _MANIFEST_LIMIT:
                raise ValueError(f"its manifest of {member.size} bytes is too large")
            manifest = json.load(content)
            if tar.next() is not None:
                raise ValueError("something follows its manifest")
            _read_to_end(tar)
            return found, manifest
        target = staging.joinpath(*_parts(member.name))
        if member.size > shutil.disk_usage(staging).free - _SPARE:
            raise WorkspaceError(
                f"There is no room for {member.name} of {member.size:,} bytes at {staging.parent}; "
                "nothing was changed."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        found[member.name] = _copy(content, target, moved)
        # Nothing comes back executable by others, writable by others, or with another owner's rights.
        target.chmod(member.mode & 0o700 | 0o600)
        os.utime(target, (member.mtime, member.mtime))
    raise ValueError("its end is missing")


def _read_to_end(tar: tarfile.TarFile) -> None:
    """Read what pads the archive, for only at its very end does gzip compare its own checksum.

    The manifest's digests do not cover the bytes between files, so a flipped one is seen here alone.
    """
    if tar.fileobj is not None and len(tar.fileobj.read(tarfile.RECORDSIZE + 1)) > tarfile.RECORDSIZE:
        raise ValueError("something follows its manifest")


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if "\\" in name or not name.isprintable() or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{name!r} would lie outside the workspace")
    return parts


def _copy(content: IO[bytes], target: Path, moved: Callable[[int], None]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as handle:
        while chunk := content.read(_CHUNK):
            handle.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            moved(len(chunk))
    return {"bytes": size, "sha256": digest.hexdigest()}


def _verified(found: dict[str, dict[str, Any]], manifest: dict[str, Any]) -> Archived:
    made_by = str(manifest["cryptai"])
    if manifest["format"] > FORMAT or manifest["layout"] > LAYOUT_VERSION:
        raise InputError(
            f"The backup was made by CryptAI {made_by}, which is newer than this one; update CryptAI first.",
            field="file",
        )
    listed = manifest["files"]
    if not isinstance(listed, dict) or "version" not in found:
        raise ValueError("it holds no workspace")
    for name in sorted(found.keys() | listed.keys()):
        if found.get(name) != listed.get(name):
            raise ValueError(f"{name} is not as it was when the backup was made")
    total = sum(entry["bytes"] for entry in found.values())
    return Archived(len(found), total, int(manifest["made_at_ms"]), made_by)


def _damaged(file: Path, reason: str) -> InputError:
    return InputError(
        f"{file} is not an intact backup of CryptAI ({reason}); nothing was changed.", field="file"
    )


def _sync_tree(folder: Path) -> None:
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):  # what is inside before its folder
        if path.is_dir():
            sync_folder(path)
        else:
            sync_file(path)
