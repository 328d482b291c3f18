"""A book of the workspace in a SQLite file of its own: looked at freely, changed as a whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from cryptai.errors import WorkspaceError
from cryptai.market.durable import sync_log
from cryptai.market.wal import keep_log
from cryptai.workspace import open_workspace, workspace_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class BookFile:
    """Where a book is kept.

    Parameters
    ----------
    of
        What it is a book of, for a person.
    name
        The file's name in the workspace.
    schema
        The statements that make its tables, each where they are missing only.
    file
        Another file than the workspace's.
    comes_again
        Whether what is lost is told anew by its source. Such a book does not wait for the disk, and may be
        deleted where it cannot be read.
    """

    def __init__(
        self, of: str, name: str, schema: str, file: Path | None = None, *, comes_again: bool = False
    ) -> None:
        self._of, self._name, self._schema, self._file = of, name, schema, file
        self._comes_again = comes_again

    @contextmanager
    def looked_at(self) -> Iterator[sqlite3.Connection]:
        """Give the book for reading; an empty one where there is none, and none is made.

        Raises
        ------
        WorkspaceError
            If it cannot be read.
        """
        path = self._file or workspace_root() / self._name
        with self._opened(path, there=path.exists()) as db:
            yield db

    @contextmanager
    def changed(self) -> Iterator[sqlite3.Connection]:
        """Give the book for one change, made with its workspace if need be; an error undoes it.

        The change is on the disk when the block has ended, but for a book that comes again.

        Raises
        ------
        WorkspaceError
            If it cannot be written or synced.
        """
        path = self._file or open_workspace().root / self._name
        with self._opened(path, there=True) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            if self._comes_again:
                return
            try:
                sync_log(path)
            except OSError as error:
                raise WorkspaceError(
                    f"The book of {self._of} {path} cannot be synced ({error.strerror}); check the disk."
                ) from error

    @contextmanager
    def _opened(self, path: Path, *, there: bool) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(path if there else ":memory:", timeout=30.0, isolation_level=None)
            ) as db:
                if there:
                    keep_log(db)
                    db.execute(f"PRAGMA synchronous = {'NORMAL' if self._comes_again else 'FULL'}")
                db.executescript(self._schema)
                yield db
        except sqlite3.DatabaseError as error:
            way_out = (
                f"delete that file: {self._of} come again"
                if self._comes_again
                else "bring it back with: cryptai restore FILE"
            )
            raise WorkspaceError(
                f"The book of {self._of} {path} cannot be used ({error}); check the folder's permissions, or "
                f"{way_out}."
            ) from error
