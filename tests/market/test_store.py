"""The store's contract: exact, idempotent, all or nothing, durable, readable while written."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from endless import MONDAY, bars, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptai import seams
from cryptai.errors import ConflictError, DataError, InputError, UnknownName, WorkspaceError
from cryptai.market import merge
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.files import read_candles
from cryptai.market.merge import Written
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import TIMEFRAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR = 3_600_000
TAIL = 512


def other(candles: Candles, row: int, column: str = "volume", by: float = 1.0) -> Candles:
    columns = {name: getattr(candles, name).copy() for name in COLUMNS}
    columns[column][row] += by
    return Candles(**columns, symbol=candles.symbol, timeframe=candles.timeframe)


def everything(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """All files but SQLite's own, and the catalog's rows."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "sqlite3" not in path.name
    }
    catalog = folder / "catalog.sqlite3"
    if not catalog.exists():
        return files, []
    with closing(sqlite3.connect(catalog)) as db:
        return files, list(db.iterdump())


@pytest.fixture(autouse=True, scope="module")
def _short_tails() -> Iterator[None]:
    # So that few bars go through tail, fold and segment alike.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "TAIL_BARS", TAIL)
        yield


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    return CandleStore(tmp_path / "candles")


# ---------------------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("n", [1, TAIL, TAIL + 1, 3_000])
def test_what_was_written_comes_back_to_the_bit(store: CandleStore, timeframe: str, n: int) -> None:
    candles = bars(0, n, timeframe=timeframe)
    assert store.write("binance", candles) == Written(n, 0, 0, (Written(n, 0, 0),))
    for reader in (store, CandleStore(store.folder)):
        back = reader.read("binance", "BTCUSDT", timeframe)
        assert same_bits(back, candles)
        assert (back.symbol, back.timeframe) == ("BTC/USDT", timeframe)
        with pytest.raises(ValueError, match="read-only"):
            back.close[0] = 1.0


@settings(max_examples=25)
@given(
    prices=st.lists(st.floats(5e-324, 1.7e308), min_size=1, max_size=20),
    volumes=st.lists(st.floats(0, 1.7e308), min_size=20, max_size=20),
    folded=st.booleans(),
)
def test_any_double_survives_tail_and_segment(
    tmp_path_factory: pytest.TempPathFactory, *, prices: list[float], volumes: list[float], folded: bool
) -> None:
    store = CandleStore(tmp_path_factory.mktemp("store"))
    n = len(prices)
    candles = Candles(MONDAY + np.arange(n) * HOUR, *[np.array(prices)] * 4, volumes[:n], "BTCUSDT", "1h")
    if folded:
        store.write("binance", bars(-TAIL - 1, 0))
    store.write("binance", candles)
    if folded:
        store.write("binance", bars(-TAIL - 2, -TAIL - 1))  # before the rest: everything is folded
    assert same_bits(store.read("binance", "BTC/USDT", "1h", last=n), candles)


@pytest.mark.parametrize("n", [1, 600])
def test_a_volume_of_minus_zero_is_stored_as_zero(store: CandleStore, n: int) -> None:
    one = np.ones(n)
    minus, plus = (
        Candles(MONDAY + np.arange(n) * HOUR, one, one, one, one, one * zero, "BTCUSDT", "1h")
        for zero in (-0.0, 0.0)
    )
    store.write("binance", minus)
    assert same_bits(store.read("binance", "BTCUSDT", "1h"), plus)
    assert store.write("binance", minus).same == n
    assert store.write("binance", plus).same == n


def test_a_write_that_begins_with_the_last_bar_of_a_segment_overlaps_by_one(store: CandleStore) -> None:
    store.write("binance", bars(0, 600))
    with pytest.raises(ConflictError):
        store.write("binance", other(bars(599, 605), 0))
    assert store.write("binance", bars(599, 605)) == Written(5, 1, 0, (Written(5, 1, 0),))
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 605))


@pytest.mark.parametrize("split", [0, 300, 700])
@pytest.mark.parametrize(
    "cut", [(None, None), (0, 5), (290, 310), (350, None), (None, 20), (5, 5), (900, 950)]
)
def test_a_range_is_half_open_and_last_counts_from_its_end(
    store: CandleStore, split: int, cut: tuple[int | None, int | None]
) -> None:
    whole = bars(0, 700)
    for part in (whole[:split], whole[split : split + 350], whole[split + 350 :]):
        store.write("binance", part)
    lo, hi = (None if place is None else MONDAY + place * HOUR for place in cut)
    for last in (None, 0, 1, 7, 70, 10_000):
        want = whole.between(lo, hi)
        want = want if last is None else want[len(want) - min(last, len(want)) :]
        assert same_bits(store.read("binance", "BTC/USDT", "1h", start_ms=lo, end_ms=hi, last=last), want)


def test_venues_symbols_and_timeframes_do_not_mix(store: CandleStore) -> None:
    store.write("binance", bars(0, 600))
    store.write("practice", bars(0, 5))
    store.write("binance", bars(0, 7, "ETH/USDT"), bars(0, 9, timeframe="4h"))
    found = [(m.exchange, m.symbol, m.timeframe, m.bars, m.practice) for m in store.markets()]
    assert found == [
        ("binance", "BTC/USDT", "1h", 600, False),
        ("binance", "BTC/USDT", "4h", 9, False),
        ("binance", "ETH/USDT", "1h", 7, False),
        ("practice", "BTC/USDT", "1h", 5, True),
    ]
    assert store.exchanges() == ["binance", "practice"]
    assert [m.exchange for m in store.markets("practice")] == ["practice"]
    assert len(store.read("practice", "BTC/USDT", "1h")) == 5


# ---------------------------------------------------------------------------------- laws, and planted breaks


def law_writing_again_changes_nothing(store: CandleStore) -> None:
    store.write("binance", bars(0, 600))
    store.write("binance", bars(600, 610))
    before = everything(store.folder)
    assert store.write("binance", bars(5, 605)) == Written(0, 600, 0, (Written(0, 600, 0),))
    assert everything(store.folder) == before


def law_a_contradiction_is_refused_and_changes_nothing(store: CandleStore) -> None:
    store.write("binance", bars(0, 600), bars(0, 5, "ETH/USDT"))
    store.write("binance", bars(600, 610))
    before = everything(store.folder)
    for row, column in ((0, "volume"), (300, "close"), (605, "open"), (609, "high")):
        wrong = other(bars(0, 700), row, column, 1e-9)
        # The first series of the call is fine; it must not be stored either.
        refused = False
        try:
            store.write("binance", bars(5, 9, "ETH/USDT"), wrong)
        except ConflictError:
            refused = True
        assert refused, f"a changed {column} in row {row} went in"
        assert everything(store.folder) == before


LAWS = [law_writing_again_changes_nothing, law_a_contradiction_is_refused_and_changes_nothing]


class Overwriting(CandleStore):
    """A planted mistake: takes every new bar."""

    def write(self, exchange: str, *candles: Candles, replace: bool = True) -> Written:
        return super().write(exchange, *candles, replace=True)


class Piecemeal(CandleStore):
    """A planted mistake: one transaction a series."""

    def write(self, exchange: str, *candles: Candles, replace: bool = False) -> Written:
        for part in candles:
            done = super().write(exchange, part, replace=replace)
        return done


class Forgetful(CandleStore):
    """A planted mistake: the same bars again become a correction."""

    def write(self, exchange: str, *candles: Candles, replace: bool = False) -> Written:
        if self.markets(exchange):
            super().write(exchange, *(other(part, 0) for part in candles), replace=True)
            return super().write(exchange, *candles, replace=True)
        return super().write(exchange, *candles, replace=replace)


@pytest.mark.parametrize("law", LAWS)
def test_law(store: CandleStore, law: Callable[[CandleStore], None]) -> None:
    law(store)


@pytest.mark.parametrize(
    ("law", "broken"),
    [
        (law_a_contradiction_is_refused_and_changes_nothing, Overwriting),
        (law_a_contradiction_is_refused_and_changes_nothing, Piecemeal),
        (law_writing_again_changes_nothing, Forgetful),
    ],
)
def test_a_law_catches_a_store_that_breaks_it(
    tmp_path: Path, law: Callable[[CandleStore], None], broken: type[CandleStore]
) -> None:
    with pytest.raises(AssertionError):
        law(broken(tmp_path / "candles"))


def test_a_contradiction_names_the_first_such_bar_both_values_and_the_way_out(store: CandleStore) -> None:
    store.write("binance", bars(0, 600))
    wrong = other(other(bars(0, 600), 400), 500)
    with pytest.raises(ConflictError) as caught:
        store.write("binance", wrong)
    old, new = bars(400, 401).volume[0], wrong.volume[400]
    assert str(caught.value) == (
        f"BTC/USDT 1h of binance: the stored bar of 2021-01-20T16:00:00Z has volume {old} (new {new}); "
        "nothing was changed. Give --replace to take the new bars."
    )


def test_two_series_of_one_call_may_not_contradict_each_other(store: CandleStore) -> None:
    with pytest.raises(ConflictError):
        store.write("binance", bars(0, 600), other(bars(300, 900), 5))
    assert store.markets() == []
    done = store.write("binance", bars(0, 600), bars(300, 900))
    assert done == Written(900, 300, 0, (Written(600, 0, 0), Written(300, 300, 0)))


@pytest.mark.parametrize("place", [3, 700, 1_104])
def test_replacing_takes_the_new_bar_and_keeps_the_old_one_as_history(store: CandleStore, place: int) -> None:
    store.write("binance", bars(0, 1_100))
    store.write("binance", bars(1_100, 1_105))
    with seams.replaced(now_ns=lambda: 2**61):
        before, _ = everything(store.folder)
        wanted = other(bars(0, 1_105), place)
        done = store.write("binance", wanted[place - 2 :], replace=True)
    assert (done.added, done.same, done.replaced) == (0, 1_105 - place + 1, 1)
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), wanted)
    after, _ = everything(store.folder)
    assert {name: after.get(name) for name in before if name.endswith(".arrow")} == {
        name: content for name, content in before.items() if name.endswith(".arrow")
    }
    then = store.read("binance", "BTC/USDT", "1h", as_of_ms=2**61 // 1_000_000 - 1)
    assert same_bits(then, bars(0, 1_105))


def test_replacing_and_replacing_back_ends_where_it_began(store: CandleStore) -> None:
    store.write("binance", bars(0, 600))
    first = store.markets()
    store.write("binance", other(bars(0, 600), 9), replace=True)
    assert store.markets() != first
    store.write("binance", bars(0, 600), replace=True)
    assert store.markets() == first
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 600))


# ------------------------------------------------------------------------------------- canonical listing


@settings(max_examples=20)
@given(
    cuts=st.lists(st.integers(1, 9_999), max_size=6, unique=True).map(sorted),
    order=st.randoms(use_true_random=False),
)
def test_the_listing_does_not_tell_in_which_portions_and_order_bars_came(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], order: random.Random
) -> None:
    store = CandleStore(tmp_path_factory.mktemp("store"))
    edges = [0, *cuts, 10_000]
    parts = [bars(lo, hi) for lo, hi in pairwise(edges)]
    order.shuffle(parts)
    for part in parts:
        store.write("binance", part)
    whole = CandleStore(tmp_path_factory.mktemp("whole"))
    whole.write("binance", bars(0, 10_000))
    assert [asdict(m) for m in store.markets()] == [asdict(m) for m in whole.markets()]
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 10_000))


def test_any_other_content_is_another_digest(store: CandleStore) -> None:
    seen = set()
    for part in (bars(0, 600), bars(600, 601), bars(601, 602), bars(-1, 0), bars(700, 1_400)):
        store.write("binance", part)
        seen.add(store.markets()[0].digest)
        assert CandleStore(store.folder).markets() == store.markets()
    assert len(seen) == 5


def test_holes_are_counted_across_segments_and_tail(store: CandleStore) -> None:
    store.write("binance", bars(0, 600))
    store.write("binance", bars(610, 612), bars(20_000, 20_600))
    store.write("binance", bars(20_603, 20_604))
    stored = store.markets()[0]
    assert stored.holes == 20_604 - stored.bars
    assert (stored.first_ts, stored.last_ts) == (MONDAY, MONDAY + 20_603 * HOUR)


# ------------------------------------------------------------------------------------------------ the tail


def test_a_bar_of_each_of_many_markets_is_one_transaction_without_a_file(store: CandleStore) -> None:
    symbols = [f"C{i}/USDT" for i in range(30)]
    store.write("binance", *(bars(0, 600, symbol) for symbol in symbols))
    files, _ = everything(store.folder)
    done = store.write("binance", *(bars(600, 601, symbol) for symbol in symbols))
    assert done.added == 30
    assert everything(store.folder)[0] == files
    assert {m.bars for m in store.markets()} == {601}


def test_a_long_tail_is_folded(store: CandleStore) -> None:
    for i in range(TAIL // 64 + 1):
        store.write("binance", bars(i * 64, (i + 1) * 64))
    store.finish()
    with closing(sqlite3.connect(store.folder / "catalog.sqlite3")) as db:
        assert db.execute("SELECT count(*) FROM revision WHERE folded_at_ms IS NULL").fetchone() == (0,)
        assert db.execute("SELECT sum(rows) FROM segment").fetchone() == (TAIL + 64,)
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, TAIL + 64))


def test_a_bar_that_fills_a_hole_in_the_tail_stays_in_order(store: CandleStore) -> None:
    for part in (bars(0, 3), bars(5, 6), bars(3, 5)):
        store.write("binance", part)
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 6))


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 1_500), st.integers(0, 700), st.booleans(), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_any_sequence_of_writes_gives_what_a_dictionary_gives(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int, bool, bool]]
) -> None:
    store = CandleStore(tmp_path_factory.mktemp("store"))
    truth: dict[int, tuple[float, ...]] = {}
    for first, n, wrong, replace in writes:
        part = bars(first, first + n)
        if wrong and n:
            part = other(part, n // 2, by=float(first + 1))
        new = dict(
            zip(
                part.ts.tolist(),
                zip(*(getattr(part, c).tolist() for c in COLUMNS[1:]), strict=True),
                strict=True,
            )
        )
        differ = [ts for ts, bar in new.items() if ts in truth and truth[ts] != bar]
        if differ and not replace:
            with pytest.raises(ConflictError):
                store.write("binance", part)
            continue
        done = store.write("binance", part, replace=replace)
        added = len(new.keys() - truth.keys())
        assert (done.added, done.same, done.replaced) == (added, n - added - len(differ), len(differ))
        truth |= new
    if truth:
        back = store.read("binance", "BTC/USDT", "1h")
        rows = zip(back.ts.tolist(), *(getattr(back, c).tolist() for c in COLUMNS[1:]), strict=True)
        assert [(ts, bar) for ts, *bar in rows] == [(ts, list(truth[ts])) for ts in sorted(truth)]
        for first, n, *_ in writes:
            start, end = MONDAY + (first - 3) * HOUR, MONDAY + (first + n // 2) * HOUR
            part = store.read("binance", "BTC/USDT", "1h", start_ms=start, end_ms=end)
            assert same_bits(part, back.between(start, end))


# ---------------------------------------------------------------------------------------------- refusals


def test_reading_what_is_not_there_says_what_is_and_makes_nothing(store: CandleStore) -> None:
    with pytest.raises(
        DataError, match=r"No bars of BTC/USDT 1h of binance are stored \(the store is empty\)"
    ):
        store.read("binance", "BTC/USDT", "1h")
    assert store.markets() == []
    assert store.exchanges() == []
    assert not store.folder.exists()
    store.write("binance", bars(0, 3, timeframe="4h"))
    with pytest.raises(DataError, match=r"of BTC/USDT there are 4h"):
        store.read("binance", "BTC/USDT", "1h")
    with pytest.raises(DataError, match=r"of binance there are BTC/USDT"):
        store.read("binance", "ETH/USDT", "1h")
    with pytest.raises(DataError, match=r"there are bars of binance"):
        store.read("kraken", "ETH/USDT", "1h")
    with pytest.raises(UnknownName, match="no timeframe named '2h'"):
        store.read("binance", "BTC/USDT", "2h")


@pytest.mark.parametrize("name", ["", "Binance", "a/b", "..", "a b", "x" * 33, "binance\n", "ä"])
def test_what_cannot_name_a_venue_is_refused(store: CandleStore, name: str) -> None:
    for use in (
        lambda: store.write(name, bars(0, 3)),
        lambda: store.write(name),
        lambda: store.read(name, "BTC/USDT", "1h"),
        lambda: store.markets(name),
    ):
        with pytest.raises(InputError, match="cannot name an exchange"):
            use()
    assert not store.folder.exists()


def test_writing_nothing_makes_nothing(store: CandleStore) -> None:
    assert store.write("binance", bars(0, 0)) == Written(0, 0, 0, (Written(0, 0, 0),))
    assert not store.folder.exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkspaceError, match=r"cannot be written \(File exists\); nothing was changed"):
        CandleStore(tmp_path / "file" / "candles").write("binance", bars(0, 3))


def test_a_disk_that_fills_up_mid_write_leaves_the_store_as_it_was(store: CandleStore) -> None:
    store.write("binance", bars(0, 600))
    before = everything(store.folder)
    script = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from endless import bars
from cryptai.errors import WorkspaceError
from cryptai.market.store import CandleStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    CandleStore(Path(sys.argv[2])).write("binance", bars(0, 20_000))
except WorkspaceError as error:
    print(error)
"""
    told = run(script, store.folder)
    assert "nothing was changed" in told
    assert everything(store.folder) == before
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 600))


# ------------------------------------------------------------------------------------------- other processes


def run(script: str, folder: Path, *more: str) -> str:
    tests = str(__file__).rpartition("/")[0]
    done = subprocess.run(
        [sys.executable, "-c", script, tests, str(folder), *more],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


READER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from endless import bars, same_bits
from cryptai.market.store import CandleStore
folder, looks, seen = Path(sys.argv[2]), 0, set()
print("ready", flush=True)
while not (folder / "stop").exists():
    store = CandleStore(folder)
    stored = store.markets()
    if not stored:
        continue
    back = [store.read("binance", m.symbol, "1h") for m in stored]
    for one, m in zip(back, stored):
        assert same_bits(one, bars(0, len(one), one.symbol)), len(one)
        assert len(one) % 100 == 0 and len(one) >= m.bars
    seen.add(len(back[0])); looks += 1
print(looks, len(seen))
"""


def test_a_reader_in_another_process_sees_only_whole_writes(store: CandleStore) -> None:
    store.folder.mkdir(parents=True)
    tests = str(__file__).rpartition("/")[0]
    with subprocess.Popen(
        [sys.executable, "-c", READER, tests, str(store.folder)], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"
        for i in range(60):
            store.write("binance", *(bars(i * 100, (i + 1) * 100, s) for s in ("BTC/USDT", "ETH/USDT")))
        (store.folder / "stop").touch()
        looks, seen = reader.stdout.read().split()
    assert reader.returncode == 0
    assert int(looks) > 5
    assert int(seen) > 1


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import polars
from endless import bars
from cryptai.market.store import CandleStore
store = CandleStore(Path(sys.argv[2]))
for i in range(int(sys.argv[3]), int(sys.argv[4])):
    store.write("binance", *(bars(i * 100, (i + 1) * 100, s) for s in ("BTC/USDT", "ETH/USDT")))
    print(i, flush=True)
"""


def test_two_writers_at_once_lose_nothing(store: CandleStore) -> None:
    tests = str(__file__).rpartition("/")[0]
    spans = (("0", "25"), ("15", "40"))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tests, str(store.folder), *span], stdout=subprocess.DEVNULL
        )
        for span in spans
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    for symbol in ("BTC/USDT", "ETH/USDT"):
        assert same_bits(store.read("binance", symbol, "1h"), bars(0, 4_000, symbol))


def test_a_killed_writer_leaves_every_acknowledged_write_and_nothing_torn(store: CandleStore) -> None:
    tests = str(__file__).rpartition("/")[0]
    rng, acknowledged = random.Random(5), 0
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, tests, str(store.folder), str(acknowledged), "100000"],
            stdout=subprocess.PIPE, text=True,
        ) as writer:  # fmt: skip
            assert writer.stdout
            for _ in range(rng.randrange(1, 9)):
                acknowledged = int(writer.stdout.readline()) + 1
            try:
                writer.wait(rng.uniform(0, 0.02))
            except subprocess.TimeoutExpired:
                writer.kill()
            # Lines written before the kill were acknowledgements, read or not.
            acknowledged = max(
                [acknowledged, *(int(line) + 1 for line in writer.stdout if line.endswith("\n"))]
            )
        shutil.rmtree(store.folder.parent / "copy", ignore_errors=True)
        shutil.copytree(store.folder, store.folder.parent / "copy")
        kept = CandleStore(store.folder.parent / "copy")  # as the next process would find it
        lengths = set()
        for symbol in ("BTC/USDT", "ETH/USDT"):
            back = kept.read("binance", symbol, "1h")
            assert same_bits(back, bars(0, len(back), symbol))
            lengths.add(len(back))
        assert len(lengths) == 1, "one of the two markets of a write is missing"
        n = lengths.pop()
        assert n % 100 == 0
        assert acknowledged * 100 <= n <= (acknowledged + 1) * 100
        acknowledged = n // 100


@pytest.mark.shared
def test_the_exchange_s_real_hours_come_back_to_the_bit_and_twice_is_once(
    store: CandleStore, shared: Path
) -> None:
    files = sorted((shared / "data" / "candles" / "spot").glob("BTCUSDT_*.parquet"))
    series = [read_candles(file) for file in files]
    assert store.write("binance", *series).added == sum(map(len, series))
    listed = store.markets()
    assert store.write("binance", *reversed(series)).same == sum(map(len, series))
    assert store.markets() == listed
    for one in series:
        assert same_bits(store.read("binance", one.symbol, one.timeframe), one)
    assert {m.timeframe: m.holes for m in listed} == {"1h": 128, "4h": 0, "1d": 0}
