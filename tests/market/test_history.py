"""History: what was once the truth is read again as of then, and every bar says where it came from."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from endless import MONDAY, bars, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptai import seams
from cryptai.errors import DataError
from cryptai.market import merge
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

HOUR = 3_600_000


def at(ms: int) -> AbstractContextManager[None]:
    return seams.replaced(now_ns=lambda: ms * 1_000_000)


def shifted(candles: Candles, by: float) -> Candles:
    columns = {name: getattr(candles, name) for name in COLUMNS} | {"volume": candles.volume + by}
    return Candles(**columns, symbol=candles.symbol, timeframe=candles.timeframe)


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    return CandleStore(tmp_path / "candles")


@pytest.fixture(autouse=True, scope="module")
def _short_tails() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "TAIL_BARS", 200)
        patch.setattr(merge, "TAIL_ROWS", 6)
        yield


# -------------------------------------------------------------------------------------- as of, at every step

Write = tuple[int, int, int, bool, int]
writes = st.lists(
    st.tuples(
        st.integers(8_500, 9_000), st.integers(1, 150), st.integers(0, 3), st.booleans(), st.integers(-5, 9)
    ),
    min_size=1,
    max_size=14,
)


def follow(store: CandleStore, steps: list[Write]) -> None:
    """Write at random across a year's end, and read every state there ever was, each from two stores."""
    truth: dict[int, tuple[float, ...]] = {}
    states: dict[int, dict[int, tuple[float, ...]]] = {}
    brought: dict[int, list[str]] = {}
    clock, newest = 1_000, 0
    for number, (first, n, wrong, append, tick) in enumerate(steps):
        start = 1 + (max(truth) - MONDAY) // HOUR if append and truth else first
        part = bars(start, start + n)
        part = shifted(part, wrong) if wrong else part
        clock = max(clock + tick, 1)  # a clock that is set back now and then
        with at(clock):
            done = store.write("binance", part, replace=True, source=f"write {number}", fetched_at_ms=number)
        rows = zip(part.ts.tolist(), *(getattr(part, c).tolist() for c in COLUMNS[1:]), strict=True)
        new = {ts: tuple(bar) for ts, *bar in rows}
        changed = [ts for ts, bar in new.items() if truth.get(ts) != bar]
        assert done.added + done.replaced == len(changed)
        truth = truth | new
        if changed:
            newest = max(newest, clock)
            states[newest] = truth
        for ts in changed:
            brought.setdefault(ts, []).append(f"write {number}")
    reopened = CandleStore(store.folder)
    moments = sorted(states)
    for moment, state in states.items():
        for reader in (store, reopened):
            back = reader.read("binance", "BTC/USDT", "1h", as_of_ms=moment)
            rows = zip(back.ts.tolist(), *(getattr(back, c).tolist() for c in COLUMNS[1:]), strict=True)
            assert {ts: tuple(bar) for ts, *bar in rows} == state
            assert back.ts.tolist() == sorted(state)
        some = sorted(state)[len(state) // 3 :]
        cut = reopened.read("binance", "BTC/USDT", "1h", start_ms=some[0], last=7, as_of_ms=moment)
        assert cut.ts.tolist() == some[-7:]
    now = store.read("binance", "BTC/USDT", "1h")
    assert now.digest == store.read("binance", "BTC/USDT", "1h", as_of_ms=moments[-1]).digest
    with pytest.raises(DataError, match="No bars of BTC/USDT 1h of binance were stored by 1970"):
        store.read("binance", "BTC/USDT", "1h", as_of_ms=moments[0] - 1)
    for ts in sorted(brought)[::25]:
        found = store.revisions("binance", "BTC/USDT", "1h", ts=ts)
        assert [revision.source for revision in found] == brought[ts]
    listed = store.markets()
    assert [asdict(m) for m in reopened.markets()] == [asdict(m) for m in listed]
    assert (listed[0].bars, listed[0].first_ts, listed[0].last_ts) == (len(truth), min(truth), max(truth))
    whole = CandleStore(store.folder.parent / "whole")
    whole.write("binance", now)
    assert whole.markets() == listed, "the listing tells how the bars came"


@settings(max_examples=40, deadline=None)
@given(writes)
def test_every_state_there_ever_was_can_be_read_again(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Write]
) -> None:
    follow(CandleStore(tmp_path_factory.mktemp("store") / "candles"), steps)


def test_a_store_that_forgot_what_it_corrected_would_be_caught(tmp_path: Path) -> None:
    class Forgetful(CandleStore):
        def read(self, *args: object, **options: object) -> Candles:
            options.pop("as_of_ms", None)
            return super().read(*args, **options)  # type: ignore[arg-type]

    with pytest.raises(AssertionError):
        follow(Forgetful(tmp_path / "candles"), [(8_500, 9, 0, False, 1), (8_500, 9, 1, False, 1)])


def test_a_read_as_of_a_moment_stays_the_same_while_others_correct_and_fold(store: CandleStore) -> None:
    with at(1_000):
        store.write("binance", bars(8_000, 9_000))
    script = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from endless import bars
from test_history import shifted
from cryptai.market.store import CandleStore
store = CandleStore(Path(sys.argv[2]))
for i in range(60):
    store.write("binance", shifted(bars(8_700, 8_850 + i), float(i + 1)), replace=True)
"""
    first, last = bars(8_000, 9_000), shifted(bars(8_700, 8_909), 60.0)
    tests = str(__file__).rpartition("/")[0]
    looks = 0
    with subprocess.Popen([sys.executable, "-c", script, tests, str(store.folder)]) as writer:
        while writer.poll() is None:
            assert same_bits(store.read("binance", "BTC/USDT", "1h", as_of_ms=1_000), first)
            looks += 1
    assert writer.returncode == 0
    assert looks > 3
    assert same_bits(store.read("binance", "BTC/USDT", "1h")[700:909], last)


def test_a_writer_killed_while_it_corrects_leaves_the_old_state_or_the_new(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "candles")
    with at(1_000):
        store.write("binance", bars(8_000, 9_000))
    script = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from endless import bars
from test_history import shifted
from cryptai.market import merge
from cryptai.market.store import CandleStore
merge.TAIL_BARS = 0
store = CandleStore(Path(sys.argv[2]))
print("ready", flush=True)
i = int(sys.argv[3])
while True:
    store.write("binance", shifted(bars(8_000, 9_000), float(i)), replace=True, source=str(i))
    i += 1
"""
    tests = str(__file__).rpartition("/")[0]
    number = 1
    for wait in (0.003, 0.011, 0.017, 0.029, 0.053):
        with subprocess.Popen(
            [sys.executable, "-c", script, tests, str(store.folder), str(number)],
            stdout=subprocess.PIPE, text=True,
        ) as writer:  # fmt: skip
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(wait)
            writer.kill()
        revisions = CandleStore(store.folder).revisions("binance", "BTC/USDT", "1h")
        sources = [revision.source for revision in revisions]
        assert sources == [None, *(str(i) for i in range(1, len(sources)))]
        number = len(sources)
        for revision in revisions:
            back = store.read("binance", "BTC/USDT", "1h", as_of_ms=revision.written_at_ms)
            assert len(back) == 1_000
            assert len({*np.round(back.volume - bars(8_000, 9_000).volume, 6).tolist()}) == 1, "half a write"
        assert store.read("binance", "BTC/USDT", "1h").digest == revisions[-1].digest


# ------------------------------------------------------------------------------------------------ provenance


def test_a_revision_says_what_came_from_where_and_when(store: CandleStore) -> None:
    with at(5_000):
        store.write("binance", bars(0, 10), source="binance rest", fetched_at_ms=4_900)
    with at(6_000):
        store.write("binance", bars(5, 12), source="binance stream", fetched_at_ms=5_900)
        store.write("binance", bars(0, 12), source="again")
    with at(7_000):
        store.write("binance", shifted(bars(2, 4), 1.0), replace=True, source="binance rest")
    told = [revision[1:] for revision in store.revisions("binance", "BTCUSDT", "1h")]
    hour = [MONDAY + i * HOUR for i in range(12)]
    assert told == [
        (hour[0], hour[9], 10, bars(0, 10).digest, "binance rest", 4_900, 5_000, 7_000),
        (hour[10], hour[11], 2, bars(10, 12).digest, "binance stream", 5_900, 6_000, None),
        (hour[2], hour[3], 2, shifted(bars(2, 4), 1.0).digest, "binance rest", None, 7_000, None),
    ]
    assert store.revisions("binance", "ETH/USDT", "1h") == []
    assert not CandleStore(store.folder.parent / "none").revisions("binance", "ETH/USDT", "1h")


def test_a_revision_with_holes_says_which_bars_it_brought(store: CandleStore) -> None:
    store.write("binance", bars(3, 5), source="first")
    store.write("binance", bars(0, 9), source="around")
    around = store.revisions("binance", "BTC/USDT", "1h")[-1]
    assert (around.first_ts, around.last_ts, around.bars) == (MONDAY, MONDAY + 8 * HOUR, 7)
    for place, source in ((0, "around"), (3, "first"), (4, "first"), (5, "around"), (8, "around")):
        found = store.revisions("binance", "BTC/USDT", "1h", ts=MONDAY + place * HOUR)
        assert [revision.source for revision in found] == [source]
    store.write("binance", shifted(bars(3, 4), 1.0), replace=True)
    first, around, _ = store.revisions("binance", "BTC/USDT", "1h")
    assert first.superseded_at_ms is not None
    assert around.superseded_at_ms is None, "its bars stand; the corrected one lay in its hole"


def test_where_bars_came_from_does_not_change_what_is_listed(tmp_path: Path) -> None:
    listed = []
    for name, source in (("one", None), ("two", "binance rest")):
        store = CandleStore(tmp_path / name)
        store.write("binance", bars(0, 500), bars(500, 520), source=source, fetched_at_ms=7)
        listed.append([asdict(m) for m in store.markets()])
    assert listed[0] == listed[1]


def test_the_digest_of_a_read_names_exactly_its_bars(store: CandleStore) -> None:
    store.write("binance", bars(0, 300))
    store.write("binance", bars(300, 310))
    start, end = MONDAY + 290 * HOUR, MONDAY + 305 * HOUR
    assert store.read("binance", "BTC/USDT", "1h", start_ms=start, end_ms=end).digest == bars(290, 305).digest


# ------------------------------------------------------------------------------------------- older workspaces

# The first version's catalog, word for word.
FIRST = (
    """CREATE TABLE segment (
        id INTEGER PRIMARY KEY,
        exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL, partition TEXT NOT NULL,
        digest TEXT NOT NULL, rows INTEGER NOT NULL, first_ts INTEGER NOT NULL, last_ts INTEGER NOT NULL,
        written_at_ms INTEGER NOT NULL, superseded_at_ms INTEGER
    )""",
    """CREATE UNIQUE INDEX segment_current ON segment (exchange, symbol, timeframe, partition)
        WHERE superseded_at_ms IS NULL""",
    """CREATE TABLE tail (
        exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL, ts INTEGER NOT NULL,
        open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
        volume REAL NOT NULL,
        PRIMARY KEY (exchange, symbol, timeframe, ts)
    ) WITHOUT ROWID""",
    "PRAGMA user_version = 1",
)


def as_the_first_version_left_it(folder: Path) -> None:
    """A corrected year of BTC with a tail, and ETH with a tail only; segments as they always were."""
    made = CandleStore(folder)
    with at(1_000):
        made.write("binance", bars(0, 500))
    with at(2_000):
        made.write("binance", shifted(bars(0, 500), 1.0), replace=True)
    with closing(sqlite3.connect(folder / "catalog.sqlite3")) as db:
        segments = db.execute("SELECT * FROM segment").fetchall()
    del made
    for path in folder.glob("catalog.sqlite3*"):
        path.unlink()
    with closing(sqlite3.connect(folder / "catalog.sqlite3")) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        for statement in FIRST:
            db.execute(statement)
        db.executemany("INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", segments)
        for symbol, part in (("BTC/USDT", bars(500, 510)), ("ETH/USDT", bars(3, 7))):
            columns = (getattr(part, name).tolist() for name in COLUMNS)
            db.executemany(
                "INSERT INTO tail VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [("binance", symbol, "1h", *bar) for bar in zip(*columns, strict=True)],
            )


def test_a_workspace_of_the_first_version_opens_with_all_it_knew(store: CandleStore) -> None:
    as_the_first_version_left_it(store.folder)
    with at(9_000):
        btc = store.read("binance", "BTC/USDT", "1h")
    assert same_bits(btc[:500], shifted(bars(0, 500), 1.0))
    assert same_bits(btc[500:], bars(500, 510))
    assert same_bits(store.read("binance", "ETH/USDT", "1h"), bars(3, 7))
    assert same_bits(store.read("binance", "BTC/USDT", "1h", as_of_ms=1_999), bars(0, 500))
    assert len(store.read("binance", "BTC/USDT", "1h", as_of_ms=8_999)) == 500
    told = [revision[3:] for revision in store.revisions("binance", "BTC/USDT", "1h")]
    assert told == [
        (500, bars(0, 500).digest, None, None, 1_000, 2_000),
        (500, shifted(bars(0, 500), 1.0).digest, None, None, 2_000, None),
        (10, bars(500, 510).digest, None, None, 9_000, None),
    ]
    fresh = CandleStore(store.folder.parent / "fresh")
    fresh.write("binance", btc, bars(3, 7, "ETH/USDT"))
    assert store.markets() == fresh.markets()
    assert store.write("binance", bars(505, 900), bars(0, 8, "ETH/USDT")).added == 394
    assert len(store.read("binance", "BTC/USDT", "1h")) == 900
    assert same_bits(store.read("binance", "ETH/USDT", "1h"), bars(0, 8))


def test_an_empty_catalog_of_the_first_version_opens(store: CandleStore) -> None:
    store.folder.mkdir()
    with closing(sqlite3.connect(store.folder / "catalog.sqlite3")) as db:
        for statement in FIRST:
            db.execute(statement)
    assert store.markets() == []
    assert store.write("binance", bars(0, 3)).added == 3


# ----------------------------------------------------------------------------------------- kept connections


def test_a_catalog_put_in_the_place_of_another_is_the_one_read(tmp_path: Path) -> None:
    one, two = CandleStore(tmp_path / "one"), CandleStore(tmp_path / "two")
    one.write("binance", bars(0, 3))
    two.write("binance", bars(0, 7))
    assert len(one.read("binance", "BTC/USDT", "1h")) == 3
    del two
    shutil.rmtree(one.folder)
    assert one.markets() == []
    (tmp_path / "two").rename(one.folder)
    assert len(one.read("binance", "BTC/USDT", "1h")) == 7


def test_a_store_used_before_a_fork_is_used_after_it_by_both(store: CandleStore) -> None:
    script = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from endless import bars
from cryptai.market.store import CandleStore
store = CandleStore(Path(sys.argv[2]))
store.write("binance", bars(0, 3))
child = os.fork()
for i in range(20):
    store.write("binance", bars(3 * i, 3 * i + 9, "ETH/USDT" if child else "BTC/USDT"))
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert [m.bars for m in CandleStore(Path(sys.argv[2])).markets()] == [66, 66]
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(__file__).rpartition("/")[0], str(store.folder)], check=False
    )
    assert done.returncode == 0


def test_threads_share_a_store(store: CandleStore) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def work(i: int) -> int:
        store.write("binance", bars(i * 10, i * 10 + 10))
        return len(store.read("binance", "BTC/USDT", "1h", start_ms=MONDAY + i * 10 * HOUR, end_ms=None))

    with ThreadPoolExecutor(6) as pool:
        assert all(n >= 10 for n in pool.map(work, range(40)))
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 400))
