"""A store kept elsewhere: taken over, looked at by the doctor, backed up, restored, and refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cryptai.cli.elsewhere import _durability
from cryptai.cli.main import main
from cryptai.errors import DataError, WorkspaceError
from cryptai.market import merge, schema
from cryptai.market import postgresql as module
from cryptai.market.objects import ObjectFolder
from cryptai.market.opening import open_store
from cryptai.market.postgresql import PostgresqlCatalog
from cryptai.market.store import CandleStore
from cryptai.workspace import Workspace, open_workspace
from tests.market.endless import MONDAY, bars, same_bits

if TYPE_CHECKING:
    from tests.contracts.conftest import Backend

HOUR = 3_600_000
READ = ("binance", "BTC/USDT", "1h")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "home"))
    return open_workspace()


def filled(store: CandleStore) -> None:
    store.write("binance", bars(0, 30_000), source="binance rest", fetched_at_ms=5)
    store.write("binance", bars(30_000, 30_010), bars(0, 50, "ETH/USDT"))
    store.write("binance", bars(7, 9), source="again")
    store.sync_log.end(store.sync_log.begin(*READ), bars=3)
    store.absences.add(*READ, [(MONDAY - HOUR, MONDAY)])


def everything(store: CandleStore) -> list[Any]:
    listed = store.markets()
    return [
        listed,
        [store.revisions(*one_of(m)) for m in listed],
        store.sync_log.entries("binance"),
        store.absences.of(*READ),
    ]


def one_of(stored: Any) -> tuple[str, str, str]:
    return stored.exchange, stored.symbol, stored.timeframe


# ----------------------------------------------------------------------------------------------- taking over


def test_postgresql_takes_over_what_the_workspace_s_catalog_holds(
    home: Workspace, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = open_store(home)
    filled(plain)
    before = everything(plain)
    monkeypatch.setenv("DATABASE_URL", postgresql)
    moved = open_store(home)
    assert same_bits(moved.read(*READ), bars(0, 30_010)), "a look is enough"
    assert everything(moved) == before
    moved.write("binance", bars(30_010, 30_020), bars(0, 9, "XRP/USDT"))
    assert len(moved.revisions(*READ)) == len(before[1][0]) + 1
    assert same_bits(open_store(home).read(*READ), bars(0, 30_020))
    assert everything(plain) == before, "the file stays as it was"


def test_the_ids_go_on_after_those_taken_over(
    home: Workspace, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(open_store(home))
    monkeypatch.setenv("DATABASE_URL", postgresql)
    store = open_store(home)
    store.write("binance", bars(30_010, 30_020))
    ids = [one.id for one in store.revisions(*READ)]
    assert ids == sorted(set(ids))


# ------------------------------------------------------------------------------------------------ refusals


def test_an_address_that_is_none_is_told_without_its_password(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:secret@host/db")
    with pytest.raises(WorkspaceError, match=r"must begin with postgresql://") as caught:
        open_store(home)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/db")
    with pytest.raises(
        WorkspaceError, match=r"cannot be used \(.*refused.*\); look with: cryptai doctor"
    ) as caught:
        open_store(home).markets()
    assert "secret" not in str(caught.value)


def test_without_psycopg_the_way_out_is_told(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@127.0.0.1:1/db")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(WorkspaceError, match=r"pip install 'cryptai\[full\]'"):
        open_store(home).markets()


def test_a_newer_catalog_is_refused_and_an_older_one_brought_up(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CandleStore(tmp_path, PostgresqlCatalog(postgresql))
    store.write("binance", bars(0, 3))
    more = (*schema.MIGRATIONS, ("CREATE TABLE added (x INTEGER)",))
    monkeypatch.setattr(module, "MIGRATIONS", more)
    assert store.markets()[0].bars == 3
    with store._catalog.look() as rows:
        assert rows.execute("SELECT count(*) FROM added") == [(0,)]
    monkeypatch.setattr(module, "MIGRATIONS", schema.MIGRATIONS)
    for use in (store.markets, lambda: store.write("binance", bars(3, 5))):
        with pytest.raises(WorkspaceError, match="newer than this CryptAI understands"):
            use()


def test_a_migration_that_fails_leaves_the_catalog_at_its_version(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CandleStore(tmp_path, PostgresqlCatalog(postgresql))
    store.write("binance", bars(0, 3))
    broken = (*schema.MIGRATIONS, ("CREATE TABLE added (x INTEGER)", "SELECT * FROM nowhere"))
    monkeypatch.setattr(module, "MIGRATIONS", broken)
    with pytest.raises(WorkspaceError, match="nowhere"):
        store.markets()
    monkeypatch.setattr(module, "MIGRATIONS", schema.MIGRATIONS)
    assert store.markets()[0].bars == 3


def test_a_writer_that_waits_too_long_is_told_why_and_readers_do_not_wait(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 1)
    catalog = PostgresqlCatalog(postgresql)
    store = CandleStore(tmp_path, PostgresqlCatalog(postgresql))
    store.write("binance", bars(0, 3))
    with catalog.change():
        with pytest.raises(WorkspaceError, match="Another process has been writing to the candle catalog"):
            store.write("binance", bars(3, 5))
        assert store.markets()[0].bars == 3
    assert store.write("binance", bars(3, 5)).added == 2


def test_a_catalog_without_its_lock_would_be_caught(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = PostgresqlCatalog(postgresql)
    store = CandleStore(tmp_path, PostgresqlCatalog(postgresql))
    store.write("binance", bars(0, 3))
    with catalog.change():
        # Planted: a writer that asks for another lock does not wait.
        monkeypatch.setattr(module, "_LOCK", 1)
        with pytest.raises(pytest.fail.Exception), pytest.raises(WorkspaceError):
            store.write("binance", bars(3, 5))


def test_a_look_stays_at_its_point_in_time(postgresql: str) -> None:
    catalog, other = PostgresqlCatalog(postgresql), PostgresqlCatalog(postgresql)
    with catalog.change() as rows:
        rows.execute("INSERT INTO sync_log (exchange, symbol, timeframe, started_ms, status) "
                     "VALUES ('binance', 'BTC/USDT', '1h', 1, 'PENDING')")  # fmt: skip
    with catalog.look() as look:
        assert look.execute("SELECT count(*) FROM sync_log") == [(1,)]
        with other.change() as rows:
            rows.execute("UPDATE sync_log SET status = 'FAILED'")
        assert look.execute("SELECT status FROM sync_log") == [("PENDING",)]


def test_a_server_that_was_started_anew_is_connected_to_again(postgresql: str, tmp_path: Path) -> None:
    import psycopg

    store = CandleStore(tmp_path, PostgresqlCatalog(postgresql))
    store.write("binance", bars(0, 3))
    with psycopg.connect(postgresql, autocommit=True) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert store.write("binance", bars(3, 5)).added == 2
    assert store.markets()[0].bars == 5


def test_a_commit_waits_for_the_disk_where_the_database_would_not(postgresql: str, tmp_path: Path) -> None:
    import psycopg

    name = postgresql.rpartition("/")[2]
    with psycopg.connect(postgresql, autocommit=True) as db:
        db.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        try:
            store = CandleStore(tmp_path, PostgresqlCatalog(postgresql))
            store.write("binance", bars(0, 3))
            with store._catalog.change() as rows:
                assert rows.execute("SHOW synchronous_commit") == [("on",)]
        finally:
            db.execute(f'ALTER DATABASE "{name}" RESET synchronous_commit')


def test_a_store_used_before_a_fork_is_used_after_it_by_both(postgresql: str, tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from endless import bars
from cryptai.market.postgresql import PostgresqlCatalog
from cryptai.market.store import CandleStore
store = CandleStore(Path(sys.argv[2]), PostgresqlCatalog(sys.argv[3]))
store.write("binance", bars(0, 3))
child = os.fork()
for i in range(20):
    store.write("binance", bars(3 * i, 3 * i + 9, "ETH/USDT" if child else "BTC/USDT"))
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert [m.bars for m in store.markets()] == [66, 66]
"""
    tests = str(Path(__file__).parents[1] / "market")
    done = subprocess.run([sys.executable, "-c", script, tests, str(tmp_path), postgresql], check=False)
    assert done.returncode == 0


# -------------------------------------------------------------------------------------------------- objects


def objects(tmp_path: Path, address: str) -> CandleStore:
    pytest.importorskip("fsspec", reason="fsspec is not installed (extra `objects`)")
    return CandleStore(tmp_path / "here", objects=ObjectFolder(address))


def test_segments_lie_in_a_store_that_is_no_folder(tmp_path: Path) -> None:
    store = objects(tmp_path, "memory://candles/of ours")
    store.write("binance", bars(0, 30_000))
    for path in store.folder.rglob("*.arrow"):
        path.unlink()
    for path in store.folder.rglob("joined.*"):
        path.unlink()
    fresh = objects(tmp_path, "memory://candles/of ours")
    assert same_bits(fresh.read(*READ), bars(0, 30_000))
    assert len(list(store.folder.rglob("*.arrow"))) == 4


@pytest.mark.parametrize("damage", ["gone", "torn", "one bit"])
def test_a_segment_that_is_damaged_here_and_there_is_refused_and_mended_where_one_is_whole(
    tmp_path: Path, damage: str
) -> None:
    store = objects(tmp_path, f"file://{tmp_path}/there")
    store.write("binance", bars(0, 30_000))
    for path in store.folder.rglob("joined.*"):
        path.unlink()

    def harm(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(content[:-900] if damage == "torn" else content)

    ours = min(store.folder.rglob("2022.*.arrow"))
    theirs = tmp_path / "there" / ours.relative_to(store.folder)
    harm(ours)
    whole = objects(tmp_path, f"file://{tmp_path}/there")
    assert same_bits(whole.read(*READ), bars(0, 30_000)), "the other copy is whole"
    for path in store.folder.rglob("joined.*"):
        path.unlink()
    harm(ours)
    harm(theirs)
    with pytest.raises(DataError, match=r"missing or damaged, here and in file://.*; bring it back with"):
        objects(tmp_path, f"file://{tmp_path}/there").read(*READ)


def test_a_store_that_gives_back_something_else_stops_the_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec.implementations.memory

    store = objects(tmp_path, "memory://forgetful")
    store.write("binance", bars(0, 50))
    monkeypatch.setattr(
        fsspec.implementations.memory.MemoryFileSystem, "cat_file", lambda *_a, **_k: b"something else"
    )
    with pytest.raises(WorkspaceError, match="reads otherwise than it was written"):
        store.write("binance", bars(50, 30_000))
    monkeypatch.undo()
    assert same_bits(store.read(*READ), bars(0, 50)), "nothing was changed"


def test_a_store_that_would_not_compare_would_be_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Planted: what is put is not read back.
    monkeypatch.setattr("cryptai.market.objects._put", lambda _fs, _path, content: content)
    store = objects(tmp_path, "memory://planted")
    store.write("binance", bars(0, 30_000))
    for path in [*store.folder.rglob("*.arrow"), *store.folder.rglob("joined.*")]:
        path.unlink()
    with pytest.raises(DataError):
        objects(tmp_path, "memory://planted").read(*READ)


def test_addresses_that_cannot_be_used_are_told_without_their_keys(
    home: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRYPTAI_SEGMENTS", "just/a/path")
    with pytest.raises(WorkspaceError, match="names an address, like s3://bucket/prefix"):
        open_store(home)
    monkeypatch.setattr(merge, "TAIL_BARS", 10)
    for address, told in (
        ("nosuch://bucket/prefix", "cannot be written"),
        ("s3://key:secret@bucket/prefix", "whose package is not installed"),
        (f"file://{tmp_path}/file/in/the/way", "cannot be written"),
    ):
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("CRYPTAI_SEGMENTS", address)
        if address.startswith("s3") and __import__("importlib.util").util.find_spec("s3fs"):
            continue
        with pytest.raises(WorkspaceError, match=told) as caught:
            open_store(home).write("binance", bars(0, 30))
        assert "secret" not in str(caught.value)
        assert open_store(home).markets() == []
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    monkeypatch.setenv("CRYPTAI_SEGMENTS", "memory://x")
    with pytest.raises(WorkspaceError, match=r"pip install 'cryptai\[objects\]'"):
        open_store(home).write("binance", bars(0, 30))


# -------------------------------------------------------------------------------------- backup and doctor


def ask(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    code = main([*map(str, arguments), "--json"])
    out = capsys.readouterr()
    return code, json.loads(out.out) if out.out.strip() else out.err


def test_a_backup_is_whole_and_comes_back_anywhere(
    backend: Backend, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = backend.open()
    filled(store)
    before = everything(store)
    for path in store.folder.rglob("*.arrow"):
        if "objects" in backend.name:
            path.unlink()  # as on a machine that has not read everything
    assert ask(capsys, "backup", tmp_path / "kept.tar.gz")[0] == 0
    for name in ("DATABASE_URL", "CRYPTAI_SEGMENTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "plain"))
    assert ask(capsys, "restore", tmp_path / "kept.tar.gz")[0] == 0
    assert everything(open_store(open_workspace())) == before
    for name, value in backend.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "again"))
    if backend.catalog_is_shared:
        code, told = ask(capsys, "restore", tmp_path / "kept.tar.gz")
        assert code != 0
        assert "has a candle catalog already" in str(told)
        assert not (tmp_path / "again").exists()
        import psycopg

        with psycopg.connect(backend.environment["DATABASE_URL"], autocommit=True) as db:
            db.execute("DROP SCHEMA cryptai_market CASCADE")
    if "objects" in backend.name:
        import shutil

        shutil.rmtree(tmp_path / "objects")
    assert ask(capsys, "restore", tmp_path / "kept.tar.gz")[0] == 0
    assert everything(open_store(open_workspace())) == before
    if backend.name == "postgresql and objects":
        assert same_bits(backend.another_machine().read(*READ), bars(0, 30_010))


def test_the_doctor_tells_what_is_kept_elsewhere(
    backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    def told() -> dict[str, tuple[str, str]]:
        _, answer = ask(capsys, "doctor", "--offline")
        return {one["name"]: (one["state"], one["text"]) for one in answer["findings"]}

    before = told()
    assert ("postgresql" in before) == backend.catalog_is_shared
    assert ("segments" in before) == ("objects" in backend.name)
    backend.open().write("binance", bars(0, 30_000))
    after = told()
    assert all(state == "ok" for state, _ in (after[name] for name in ("candles", "database")))
    assert after["candles"][1] == "30,000 bars in 1 series of binance"
    if backend.catalog_is_shared:
        assert before["catalog"][1].startswith("none in the database yet")
        assert after["catalog"] == ("ok", f"in the database, version {len(schema.MIGRATIONS)}")
        assert after["postgresql"][0] == "ok"
    if "objects" in backend.name:
        assert after["segments"][1].endswith("answers, 1 venues in it")


@pytest.mark.parametrize(
    ("off", "state", "said"),
    [
        ((), "ok", "durable"),
        (("fsync",), "fail", "fsync is off"),
        (("full_page_writes",), "fail", "full_page_writes is off"),
        (("fsync", "full_page_writes", "synchronous_commit"), "fail", "fsync and full_page_writes is off"),
        (("synchronous_commit",), "warn", "synchronous_commit off"),
    ],
)
def test_the_doctor_tells_a_database_that_forgets(off: tuple[str, ...], state: str, said: str) -> None:
    class Told:
        def execute(self, statement: str) -> Told:
            self.name = statement.split()[1]
            return self

        def fetchone(self) -> tuple[str]:
            return ("off" if self.name in off else "15.20 (a build)" if "version" in self.name else "on",)

    (finding,) = _durability(Told())
    assert finding.state == state
    assert said in finding.text


def test_the_doctor_tells_what_does_not_answer(
    home: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/db")
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    monkeypatch.setenv("CRYPTAI_SEGMENTS", "nosuch://key:secret@bucket/prefix")
    code, answer = ask(capsys, "doctor", "--offline")
    states = {one["name"]: one["state"] for one in answer["findings"]}
    assert code == 1
    assert (states["postgresql"], states["redis"], states["segments"]) == ("fail", "fail", "fail")
    assert "secret" not in json.dumps(answer)


def test_a_user_s_strategy_gets_the_candles_and_no_address(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptai.trading.isolated import run_isolated

    backend.open().write("binance", bars(0, 3_000))
    strategies = backend.root / "home" / "strategies"
    (strategies / "nosy.py").write_text(
        '''"""Looks round."""
import os
from dataclasses import dataclass
import cryptai as ca
from cryptai.features.crosses import crosses_above

@ca.strategy
@dataclass(frozen=True)
class Nosy:
    """Looks round."""

    def signals(self, candles):
        """Look round."""
        assert not {"DATABASE_URL", "CRYPTAI_SEGMENTS"} & set(os.environ)
        return ca.Signals.entries(candles, long=crosses_above(candles.close, candles.open))
'''
    )
    told = {"strategy": "nosy", "symbol": "BTC/USDT", "timeframe": "1h", "exchange": "binance"}
    found = run_isolated(told, backend.root / "home", tmp_path / "out")
    assert found["bars"] == 3_000
