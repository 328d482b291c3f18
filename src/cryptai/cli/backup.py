"""`cryptai backup FILE` and `cryptai restore FILE`: the whole workspace as one file, and back."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptai.cli.archive import Archived
    from cryptai.workspace import Workspace

File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add `backup` and `restore`."""
    app.command()(backup)
    app.command()(restore)


def backup(file: File, json_: Json = False) -> None:
    """Write the whole workspace into one new FILE, also while a server runs.

    It holds everything: candles, database, strategies, runs, logs, and the secrets. Whoever has the file
    has your accounts, so it is made readable by you alone (mode 600); keep it that way.

    Example: cryptai backup ../cryptai-2026-11-21.tar.gz
    """
    from cryptai.cli.archive import size_of, write_archive
    from cryptai.market.opening import kept_elsewhere, open_store
    from cryptai.workspace import open_workspace

    workspace = open_workspace(create=False)
    root = workspace.root
    catalog = open_store(workspace).snapshot if kept_elsewhere() else None
    with _progress("Backing up", size_of(root) if root.is_dir() else 0) as moved:
        archived = write_archive(root, file, moved, catalog=catalog)
    _say(file.absolute(), root, archived, json_, f"Kept {root} in {file}")
    if not json_:
        print("The secrets are in it: keep it where only you can read it.")
        if os.environ.get("DATABASE_URL"):
            print(
                "The candles are in it, their catalog as a SQLite file. The platform's own rows are in "
                "PostgreSQL and not in it: keep them with pg_dump."
            )


def restore(file: File, json_: Json = False) -> None:
    """Bring a workspace back from the FILE that `cryptai backup` wrote.

    It goes into the workspace in force, which must be new or empty: name another folder with CRYPTAI_HOME if
    it is not. Every file is compared with the digests in FILE first; if one differs, nothing is changed.

    Example: CRYPTAI_HOME=/srv/cryptai cryptai restore cryptai-2026-11-21.tar.gz
    """
    from cryptai.cli.unpack import read_archive
    from cryptai.workspace import open_workspace

    root = open_workspace(create=False).root
    _refuse_used_database()
    with _progress("Restoring", None) as moved:
        archived = read_archive(file, root, moved)
    _bring_elsewhere(open_workspace(root))
    _say(file.absolute(), root, archived, json_, f"Brought {root} back from {file}")


def _refuse_used_database() -> None:
    """Refuse to restore candles that a database in force would hide."""
    from cryptai.errors import WorkspaceError
    from cryptai.market.databases import database_address
    from cryptai.market.postgresql import SCHEMA, PostgresqlCatalog

    if database_address() and PostgresqlCatalog(database_address()).exists():
        raise WorkspaceError(
            "The database of DATABASE_URL has a candle catalog already, which would go before the one in the "
            "backup; name another database, drop that one's (DROP SCHEMA "
            f"{SCHEMA} CASCADE), or unset DATABASE_URL to restore into the workspace alone."
        )


def _bring_elsewhere(workspace: Workspace) -> None:
    """Give the restored candles to the database and the object store in force."""
    from cryptai.market.opening import kept_elsewhere, open_store

    if kept_elsewhere():
        store = open_store(workspace)
        store.exchanges()
        store.share()


def _say(file: Path, root: Path, archived: Archived, json_: bool, done: str) -> None:
    if json_:
        print(
            json.dumps(
                {
                    "file": str(file),
                    "workspace": str(root),
                    "files": archived.files,
                    "bytes": archived.bytes,
                    "made_at_ms": archived.made_at_ms,
                    "cryptai": archived.cryptai,
                }
            )
        )
    else:
        print(f"{done}: {archived.files:,} files, {archived.bytes / 1e6:,.1f} MB.")


# A bar on stderr where a person looks on; it goes when the work is done.
@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda n: progress.advance(task, n)
