"""The door to a workspace's candle store: two settings say where its catalog and its segments are kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptai.errors import WorkspaceError
from cryptai.market.databases import database_address
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from cryptai.market.objects import ObjectFolder
    from cryptai.market.postgresql import PostgresqlCatalog
    from cryptai.workspace import Workspace


def open_store(workspace: Workspace) -> CandleStore:
    """Return the candle store of a workspace; it touches nothing until it is used.

    Its catalog is in PostgreSQL where `DATABASE_URL` names one, else in the workspace's SQLite file. When it
    is first used there, PostgreSQL takes over what the file holds. Its segments lie in the workspace, and
    where `CRYPTAI_SEGMENTS` names an address, there as well.

    Raises
    ------
    WorkspaceError
        If one of the two is no such address.
    """
    return CandleStore(workspace.candles, catalog=_catalog(workspace), objects=segments_folder())


def _catalog(workspace: Workspace) -> PostgresqlCatalog | None:
    address = database_address()
    if not address:
        return None
    from cryptai.market.postgresql import PostgresqlCatalog  # noqa: PLC0415 (few have one)

    return PostgresqlCatalog(address, adopting=workspace.candles / "catalog.sqlite3")


def kept_elsewhere() -> bool:
    """Whether the workspace's folder alone is not the whole store."""
    return bool(database_address()) or segments_folder() is not None


def segments_folder() -> ObjectFolder | None:
    """Return the object store that `CRYPTAI_SEGMENTS` names, None if it is not set."""
    address = os.environ.get("CRYPTAI_SEGMENTS", "")
    if not address:
        return None
    if "://" not in address:
        raise WorkspaceError(
            f"CRYPTAI_SEGMENTS is {address[:80]!r}, but names an address, like s3://bucket/prefix."
        )
    from cryptai.market.objects import ObjectFolder  # noqa: PLC0415 (few have one)

    return ObjectFolder(address)
