"""The catalog: made whole, migrated once, refused when it is newer or damaged; its history stays."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from endless import bars

from cryptai import seams
from cryptai.errors import WorkspaceError
from cryptai.market import catalog as module
from cryptai.market.catalog import MIGRATIONS, Catalog
from cryptai.market.kept import Market, Segment
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from pathlib import Path

BTC = Market("binance", "BTC/USDT", Timeframe("1h"))
ETH = Market("binance", "ETH/USDT", Timeframe("1h"))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "candles" / "catalog.sqlite3")


def test_a_look_at_a_missing_catalog_finds_nothing_and_makes_nothing(catalog: Catalog) -> None:
    with catalog.look() as rows:
        assert rows.markets() == []
        assert rows.segments(BTC) == []
        assert len(rows.tail(BTC)) == 0
    assert not catalog.path.parent.exists()


def test_the_file_is_in_wal_mode_and_of_the_newest_version(catalog: Catalog) -> None:
    with catalog.change():
        pass
    with closing(sqlite3.connect(catalog.path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert [path.name for path in catalog.path.parent.glob("*.tmp")] == []


def test_a_change_that_fails_leaves_nothing(catalog: Catalog) -> None:
    def fail() -> None:
        with catalog.change() as rows:
            rows.append(BTC, bars(0, 3))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with catalog.look() as rows:
        assert rows.markets() == []


def test_a_look_stays_at_its_point_in_time(catalog: Catalog) -> None:
    with catalog.change() as rows:
        rows.append(BTC, bars(0, 3))
    with catalog.look() as look:
        assert len(look.tail(BTC)) == 3
        with catalog.change() as rows:
            rows.append(BTC, bars(3, 5))
            rows.append(ETH, bars(0, 1))
        assert len(look.tail(BTC)) == 3
        assert look.markets() == [BTC]
    with catalog.look() as look:
        assert len(look.tail(BTC)) == 5


def test_a_superseded_segment_stays_with_the_time_of_both_events(catalog: Catalog) -> None:
    old, new = Segment("2021", "aa", 3, 0, 2), Segment("2021", "bb", 4, 0, 3)
    for now, segment in ((1_000, old), (2_000, new), (3_000, old)):
        with seams.replaced(now_ns=lambda now=now: now * 1_000_000), catalog.change() as rows:
            rows.fold(BTC, bars(0, 3), [segment])
            rows.fold(ETH, bars(0, 3), [segment])
    with catalog.look() as rows:
        assert rows.segments(BTC) == [old]
    with closing(sqlite3.connect(catalog.path)) as db:
        history = db.execute(
            "SELECT digest, written_at_ms, superseded_at_ms FROM segment "
            "WHERE symbol = 'BTC/USDT' ORDER BY id"
        ).fetchall()
    assert history == [("aa", 1_000, 2_000), ("bb", 2_000, 3_000), ("aa", 3_000, None)]


def test_two_truths_for_one_partition_are_refused_by_the_database(catalog: Catalog) -> None:
    with catalog.change() as rows:
        rows.fold(BTC, bars(0, 3), [Segment("2021", "aa", 3, 0, 2)])
    with closing(sqlite3.connect(catalog.path)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute(
            "INSERT INTO segment (exchange, symbol, timeframe, partition, digest, rows, first_ts, last_ts, "
            "written_at_ms) VALUES ('binance', 'BTC/USDT', '1h', '2021', 'bb', 1, 0, 0, 0)"
        )


def test_an_older_catalog_is_migrated_and_keeps_its_rows(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with catalog.change() as rows:
        rows.append(BTC, bars(0, 3))
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE added (x INTEGER)",)))
    with catalog.look() as rows:
        assert len(rows.tail(BTC)) == 3
    with closing(sqlite3.connect(catalog.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert db.execute("SELECT count(*) FROM added").fetchone() == (0,)


def test_a_migration_that_fails_leaves_the_catalog_at_its_version(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with catalog.change() as rows:
        rows.append(BTC, bars(0, 3))
    broken = ("CREATE TABLE added (x INTEGER)", "SELECT * FROM nowhere")
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(WorkspaceError, match="no such table: nowhere"), catalog.look():
        pass
    monkeypatch.setattr(module, "MIGRATIONS", MIGRATIONS)
    with catalog.look() as rows:
        assert len(rows.tail(BTC)) == 3


def test_a_newer_catalog_is_refused(catalog: Catalog) -> None:
    with catalog.change():
        pass
    with closing(sqlite3.connect(catalog.path)) as db:
        db.execute("PRAGMA user_version = 99")
    for use in (catalog.look, catalog.change):
        with pytest.raises(WorkspaceError, match="of version 99, newer than this CryptAI understands"), use():
            pass


@pytest.mark.parametrize("content", [b"", b"junk" * 500], ids=["empty", "junk"])
def test_a_damaged_catalog_is_told_and_not_written_over(catalog: Catalog, content: bytes) -> None:
    catalog.path.parent.mkdir()
    catalog.path.write_bytes(content)
    if not content:
        with catalog.look() as rows:  # what a power cut may leave of a file that never held anything
            assert rows.markets() == []
        return
    store = CandleStore(catalog.path.parent)
    for use in (store.markets, lambda: store.write("binance", bars(0, 3))):
        with pytest.raises(
            WorkspaceError, match=r"is damaged \(file is not a database\); bring it back with"
        ):
            use()
    assert catalog.path.read_bytes() == content


def test_a_writer_that_waits_too_long_is_told_why(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.05)
    with catalog.change():
        with (
            pytest.raises(WorkspaceError, match=r"Another process has been writing to .*; try again when"),
            catalog.change(),
        ):
            pass
        with catalog.look() as rows:  # readers do not wait
            assert rows.markets() == []


def test_processes_that_begin_at_once_make_one_catalog(tmp_path: Path) -> None:
    tests = str(__file__).rpartition("/")[0]
    script = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from endless import bars
from cryptai.market.store import CandleStore
print("ready", flush=True)
sys.stdin.readline()
CandleStore(Path(sys.argv[2])).write("binance", bars(0, 3, sys.argv[3]))
"""
    symbols = ["BTC/USDT", "ETH/USDT", "XRP/USDT", "ADA/USDT"]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, tests, str(tmp_path / "candles"), symbol],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for symbol in symbols
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    assert [m.symbol for m in CandleStore(tmp_path / "candles").markets()] == sorted(symbols)
