"""The contract of a candle store, held by every way in which one is kept."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptai import seams
from cryptai.errors import ConflictError, DataError
from cryptai.market import merge
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.store import CandleStore
from tests.market.endless import MONDAY, bars, same_bits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.contracts.conftest import Backend

HOUR = 3_600_000
READ = ("binance", "BTC/USDT", "1h")


@pytest.fixture(autouse=True, scope="module")
def _short_tails() -> Iterator[None]:
    # So that few bars go through tail, bundle, fold and segment alike.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "TAIL_BARS", 200)
        patch.setattr(merge, "TAIL_ROWS", 6)
        yield


def at(ms: int) -> AbstractContextManager[object]:
    return seams.replaced(now_ns=lambda: ms * 1_000_000)


def shifted(candles: Candles, by: float) -> Candles:
    columns = {name: getattr(candles, name) for name in COLUMNS} | {"volume": candles.volume + by}
    return Candles(**columns, symbol=candles.symbol, timeframe=candles.timeframe)


def test_nothing_is_made_by_a_look_at_nothing(backend: Backend) -> None:
    store = backend.open()
    assert store.markets() == []
    with pytest.raises(DataError, match="the store is empty"):
        store.read(*READ)
    assert not (backend.root / "objects").exists()
    assert list((backend.root / "home" / "candles").iterdir()) == []


@pytest.mark.parametrize("n", [1, 64, 200, 201, 3_000])
def test_what_was_written_comes_back_to_the_bit(backend: Backend, n: int) -> None:
    store = backend.open()
    assert store.write("binance", bars(0, n)).added == n
    for reader in (store, backend.open()):
        assert same_bits(reader.read(*READ), bars(0, n))
    assert backend.open().write("binance", bars(0, n)).same == n


def test_a_contradiction_is_refused_whole_and_replacing_keeps_what_was(backend: Backend) -> None:
    store = backend.open()
    with at(1_000):
        store.write("binance", bars(0, 600))
        store.write("binance", bars(600, 650))
    listed = store.markets()
    with pytest.raises(ConflictError, match="nothing was changed"):
        store.write("binance", bars(0, 9, "ETH/USDT"), shifted(bars(620, 640), 1.0))
    assert backend.open().markets() == listed
    with at(2_000):
        done = store.write("binance", shifted(bars(590, 620), 1.0), replace=True, source="again")
    assert (done.added, done.replaced) == (0, 30)
    assert same_bits(backend.open().read(*READ, as_of_ms=1_999), bars(0, 650))
    told = [(one.source, one.bars, one.superseded_at_ms) for one in store.revisions(*READ)]
    assert told == [(None, 600, 2_000), (None, 50, 2_000), ("again", 30, None)]


def test_all_ways_list_the_same_digests(backend: Backend, tmp_path: Path) -> None:
    plain = CandleStore(tmp_path / "plain")
    for store in (plain, backend.open()):
        for first, last in ((0, 5), (5, 400), (390, 401), (500, 950)):
            store.write("binance", bars(first, last), bars(first, last, "ETH/USDT", "1m"))
        store.write("practice", bars(0, 3))
        store.write("binance", shifted(bars(3, 7), 1.0), replace=True)
        store.finish()
    assert backend.open().markets() == plain.markets()
    assert backend.open().read(*READ).digest == plain.read(*READ).digest
    ours, theirs = (
        [(one.first_ts, one.bars, one.digest) for one in store.revisions(*READ)]
        for store in (plain, backend.open())
    )
    assert ours == theirs


Steps = list[tuple[int, int, int, bool, int]]
steps = st.lists(
    st.tuples(
        st.integers(8_600, 8_900), st.integers(1, 90), st.integers(0, 3), st.booleans(), st.integers(-5, 9)
    ),
    min_size=1, max_size=22,
)  # fmt: skip


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=steps, seed=st.integers(0, 9))
def test_every_state_there_ever_was_can_be_read_again(backend: Backend, told: Steps, seed: int) -> None:
    follow(backend.open(), backend.open(), f"C{seams.new_id()[:9].upper()}/USDT", told, random.Random(seed))


def follow(store: CandleStore, other: CandleStore, symbol: str, told: Steps, rng: random.Random) -> None:
    """Write at random across a year's end, fold now and then, and compare every state with a dictionary."""
    key = ("binance", symbol, "1h")
    truth: dict[int, tuple[float, ...]] = {}
    states: dict[int, dict[int, tuple[float, ...]]] = {}
    brought: dict[int, list[str]] = {}
    clock, newest = 1_000, 0
    for number, (first, n, wrong, append, tick) in enumerate(told):
        start = 1 + (max(truth) - MONDAY) // HOUR if append and truth else first
        part = bars(start, start + (n if n % 3 == 0 else 1), symbol)
        part = shifted(part, wrong) if wrong else part
        clock = max(clock + tick, 1)  # a clock that is set back now and then
        with at(clock):
            store.write("binance", part, replace=True, source=f"write {number}", fetched_at_ms=number)
        new = dict(zip(part.ts.tolist(), rows_of(part), strict=True))
        changed = [ts for ts, bar in new.items() if truth.get(ts) != bar]
        truth = truth | new
        if changed:
            newest = max(newest, clock)
            states[newest] = truth
        for ts in changed:
            brought.setdefault(ts, []).append(f"write {number}")
        if rng.random() < 0.2:
            store.finish()
    for moment, state in states.items():
        for reader in (store, other):
            back = reader.read(*key, as_of_ms=moment)
            assert dict(zip(back.ts.tolist(), rows_of(back), strict=True)) == state
    for ts in sorted(brought)[::7]:
        assert [one.source for one in other.revisions(*key, ts=ts)] == brought[ts]
    assert store.read(*key).digest == other.read(*key, as_of_ms=max(states)).digest
    every = other.revisions(*key)
    assert [one.id for one in every] == sorted({one.id for one in every})
    assert sum(one.bars for one in every) == sum(map(len, brought.values()))
    stands = {one.source for one in every if one.superseded_at_ms is None}
    assert stands == {told[-1] for told in brought.values()} - {
        source for told in brought.values() for source in told[:-1]
    }


def rows_of(candles: Candles) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(candles, name).tolist() for name in COLUMNS[1:]), strict=True))


def test_a_reader_in_another_process_sees_only_whole_writes(backend: Backend) -> None:
    store = backend.open()
    store.write("binance", *(bars(0, 100, symbol) for symbol in ("BTC/USDT", "ETH/USDT")))
    with process(backend, READER, stdout=subprocess.PIPE) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"
        for i in range(1, 10_000):
            if reader.poll() is not None:
                break
            store.write("binance", *(bars(i * 100, (i + 1) * 100, s) for s in ("BTC/USDT", "ETH/USDT")))
        seen = reader.stdout.read()
    assert reader.returncode == 0
    assert int(seen) > 1


READER = """
print("ready", flush=True)
looks, seen = 0, set()
# On a busy machine nine looks may all come before the next write; it is waited for, and not for ever.
while looks < 9 or (len(seen) < 2 and looks < 500):
    store = open_store(open_workspace())
    stored = store.markets()
    back = [store.read("binance", m.symbol, "1h") for m in stored]
    for one, m in zip(back, stored):
        assert same_bits(one, bars(0, len(one), one.symbol)), len(one)
        assert len(one) % 100 == 0 and len(one) >= m.bars
    seen.add(len(back[0])); looks += 1
print(len(seen))
"""


def test_two_writers_at_once_lose_nothing(backend: Backend) -> None:
    writers = [process(backend, WRITER, *span) for span in (("0", "15"), ("9", "24"))]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    for symbol in ("BTC/USDT", "ETH/USDT"):
        assert same_bits(backend.open().read("binance", symbol, "1h"), bars(0, 2_400, symbol))


WRITER = """
import polars
store = open_store(open_workspace())
for i in range(int(sys.argv[3]), int(sys.argv[4])):
    store.write("binance", *(bars(i * 100, (i + 1) * 100, s) for s in ("BTC/USDT", "ETH/USDT")))
    print(i, flush=True)
"""


def test_a_killed_writer_leaves_every_acknowledged_write_and_nothing_torn(backend: Backend) -> None:
    acknowledged, rng = 0, random.Random(3)
    for _ in range(3):
        with process(backend, WRITER, str(acknowledged), "100000", stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            for _ in range(rng.randrange(1, 6)):
                acknowledged = int(writer.stdout.readline()) + 1
            try:
                writer.wait(rng.uniform(0, 0.02))
            except subprocess.TimeoutExpired:
                writer.kill()
            lines = [int(line) + 1 for line in writer.stdout if line.endswith("\n")]
            acknowledged = max([acknowledged, *lines])
        both = [backend.open().read("binance", symbol, "1h") for symbol in ("BTC/USDT", "ETH/USDT")]
        assert len(both[0]) == len(both[1])
        for back in both:
            assert same_bits(back, bars(0, len(back), back.symbol))
        n = len(both[0])
        assert n % 100 == 0
        assert acknowledged * 100 <= n <= (acknowledged + 1) * 100
        acknowledged = n // 100


def process(
    backend: Backend, script: str, *more: str, stdout: int | None = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    begin = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from endless import bars, same_bits
from cryptai.market import merge
from cryptai.market.opening import open_store
from cryptai.workspace import open_workspace
merge.TAIL_BARS, merge.TAIL_ROWS = 200, 6
"""
    tests = str(Path(__file__).parents[1] / "market")
    return subprocess.Popen(
        [sys.executable, "-c", begin + script, tests, str(backend.root), *more],
        stdout=stdout, text=True, env={**os.environ, **backend.environment},
    )  # fmt: skip


def test_threads_share_a_store(backend: Backend) -> None:
    store = backend.open()
    threads = [
        Thread(target=lambda i=i: store.write("binance", bars(i * 10, i * 10 + 10))) for i in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same_bits(store.read(*READ), bars(0, 120))


def test_syncs_and_absences_are_kept(backend: Backend) -> None:
    store = backend.open()
    with at(5_000):
        one = store.sync_log.begin(*READ)
        store.sync_log.end(one, bars=7)
        two = store.sync_log.begin(*READ)
        store.sync_log.end(two, failed="the venue did not answer")
        three = store.sync_log.begin(*READ)
        store.absences.add(*READ, [(MONDAY, MONDAY + HOUR)], source="second")
        store.absences.add(*READ, [(MONDAY, MONDAY + HOUR)], source="second")
    told = [(one.id, one.status, one.reason, one.bars) for one in backend.open().sync_log.entries("binance")]
    assert told == [
        (three, "PENDING", None, 0),
        (two, "FAILED", "the venue did not answer", 0),
        (one, "COMPLETED", None, 7),
    ]
    (absence,) = backend.open().absences.of(*READ)
    assert tuple(absence) == (MONDAY, MONDAY + HOUR, "second", 5_000)


def test_minutes_followed_for_long_take_few_rows_and_forget_nothing(backend: Backend) -> None:
    store = backend.open()
    for i in range(300):
        with at(1_000 + i):
            store.write("binance", bars(i, i + 1), source=f"source {i % 3}", fetched_at_ms=i)
        if i == 150:
            store.finish()
    with at(5_000):
        store.write("binance", shifted(bars(77, 78), 1.0), replace=True, source="corrected")
    store.finish()
    with store._catalog.look() as rows:
        ((count,),) = rows.execute("SELECT count(*) FROM revision")
    assert count < 80
    for i in (0, 5, 149, 210, 299):
        assert same_bits(store.read(*READ, as_of_ms=1_000 + i), bars(0, i + 1))
        (one,) = store.revisions(*READ, ts=MONDAY + i * HOUR)
        assert (one.source, one.fetched_at_ms, one.written_at_ms) == (f"source {i % 3}", i, 1_000 + i)
        assert (one.bars, one.digest) == (1, bars(i, i + 1).digest)
    told = [(one.source, one.superseded_at_ms) for one in store.revisions(*READ, ts=MONDAY + 77 * HOUR)]
    assert told == [("source 2", 5_000), ("corrected", None)]
    assert len(store.revisions(*READ)) == 301


def test_a_machine_that_has_only_the_addresses_reads_all(backend: Backend) -> None:
    backend.open().write("binance", bars(0, 3_000))
    if backend.name != "postgresql and objects":
        with pytest.raises(DataError):
            backend.another_machine().read(*READ)
        return
    other = backend.another_machine()
    assert same_bits(other.read(*READ), bars(0, 3_000))
    copies = sorted(path.name for path in other.folder.rglob("*.arrow"))
    assert copies == sorted(path.name for path in (backend.root / "objects").rglob("*.arrow"))
    other.write("binance", bars(3_000, 6_000))
    assert same_bits(backend.open().read(*READ), bars(0, 6_000))
    assert np.all(np.diff(other.read(*READ).ts) == HOUR)
