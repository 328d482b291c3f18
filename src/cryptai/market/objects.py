"""Segments in an object store: an address of fsspec, like `s3://bucket/prefix`, that machines share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from cryptai.errors import WorkspaceError
from cryptai.market.durable import make_folder, sync_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class ObjectFolder:
    """A folder of whole, immutable objects; each is written, read back and compared before it counts.

    An object is durable when its store has acknowledged it; in a folder of files (`file:///mnt/candles`) it
    is brought to the disk. Nothing is asked of the store until the first use.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._opened: tuple[int, Any, str] | None = None

    def __str__(self) -> str:
        parts = urlsplit(self._address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # there may be a key in it

    def put(self, name: str, content: bytes) -> None:
        """Keep an object under a name; durable, and equal to `content`, when it returns.

        Raises
        ------
        WorkspaceError
            If the store cannot be reached, refuses it, or gives something else back.
        """
        if self._do("written", lambda fs, root: _put(fs, f"{root}/{name}", content)) != content:
            raise WorkspaceError(
                f"The object {name} of {self} reads otherwise than it was written; try again."
            )

    def get(self, name: str) -> bytes | None:
        """Return an object, None where there is none; raise `WorkspaceError` if the store cannot be asked."""

        def fetch(fs: Any, root: str) -> bytes | None:
            try:
                content: bytes = fs.cat_file(f"{root}/{name}")
            except FileNotFoundError:
                return None
            return content

        return self._do("read", fetch)

    def check(self) -> int:
        """Return how many things lie at the top of the folder; raise as `get` does. For `cryptai doctor`."""

        def count(fs: Any, root: str) -> int:
            try:
                return len(fs.ls(root, detail=False))
            except FileNotFoundError:
                return 0

        return self._do("read", count)

    def _do(self, what: str, work: Callable[[Any, str], _T]) -> _T:
        try:
            return work(*self._open())
        except WorkspaceError:
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise WorkspaceError(
                f"The segments' address {self} cannot be {what} ({reason}); "
                "look at CRYPTAI_SEGMENTS and its rights."
            ) from error

    def _open(self) -> tuple[Any, str]:
        # Its threads and connections do not come through a fork.
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                from fsspec.core import url_to_fs  # noqa: PLC0415 (an extra that few need)
            except ImportError as error:
                raise WorkspaceError(
                    "CRYPTAI_SEGMENTS names an address, and fsspec is not installed: "
                    "pip install 'cryptai[objects]'."
                ) from error
            try:
                fs, root = url_to_fs(self._address, skip_instance_cache=self._opened is not None)
            except ImportError as error:
                raise WorkspaceError(
                    f"CRYPTAI_SEGMENTS names {urlsplit(self._address).scheme}://, whose package is not "
                    f"installed ({error})."
                ) from error
            self._opened = os.getpid(), fs, root.rstrip("/")
        return self._opened[1:]


def _put(fs: Any, path: str, content: bytes) -> bytes:
    protocols = (fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol
    if "file" in protocols:
        file = Path(path)
        make_folder(file.parent)
        write_whole(file, lambda draft: draft.write_bytes(content))
        sync_folder(file.parent)
        return file.read_bytes()
    fs.pipe_file(path, content)
    found: bytes = fs.cat_file(path)
    return found
