"""The ways in which a candle store is kept, each made empty: SQLite or PostgreSQL, objects or files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryptai.market.opening import open_store
from cryptai.seams import new_id
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptai.market.store import CandleStore

SERVER = "postgresql://postgres@127.0.0.1:5432"
BACKENDS = ("sqlite", "postgresql", "sqlite and objects", "postgresql and objects")


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The address of a database of our own; the tests that need it are skipped where no server answers."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed (extra `full`)")
    name = f"cryptai_test_{new_id()[:12]}"
    try:
        server = psycopg.connect(f"{SERVER}/postgres", autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers on 127.0.0.1:5432 for the user postgres")
    with server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{SERVER}/{name}"
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgresql(database: str) -> str:
    """The address of that database, without a catalog in it."""
    import psycopg

    with psycopg.connect(database, autocommit=True) as db:
        db.execute("DROP SCHEMA IF EXISTS cryptai_market, cryptai_budget CASCADE")
    return database


class Backend:
    """One way to keep a store; `open` returns it as another process, or another machine, would have it."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, name: str, database: str) -> None:
        self.name, self.root, self.machines = name, root, 0
        self.environment = {"CRYPTAI_HOME": str(root / "home"), "DATABASE_URL": database}
        if "objects" in name:
            pytest.importorskip("fsspec", reason="fsspec is not installed (extra `objects`)")
            self.environment["CRYPTAI_SEGMENTS"] = f"file://{root}/objects"
        for key, value in self.environment.items():
            patch.setenv(key, value)

    @property
    def catalog_is_shared(self) -> bool:
        return "postgresql" in self.name

    def open(self) -> CandleStore:
        return open_store(open_workspace(self.root / "home"))

    def another_machine(self) -> CandleStore:
        """The store of a workspace elsewhere, which has nothing in common but the addresses."""
        self.machines += 1
        return open_store(open_workspace(self.root / f"machine {self.machines}"))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    name = request.param
    database = request.getfixturevalue("postgresql") if "postgresql" in name else ""
    return Backend(tmp_path, monkeypatch, name, database)
