"""The store's files: segments by partition, and a joined copy that is never trusted unchecked."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from endless import bars, same_bits

from cryptai import seams
from cryptai.errors import DataError
from cryptai.market.candles import Candles
from cryptai.market.segments import partitions
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    store = CandleStore(tmp_path / "candles")
    store.write("binance", bars(0, 20_000))
    return store


def home(store: CandleStore) -> Path:
    return store.folder / "binance" / "BTC-USDT" / "1h"


def copy_of(store: CandleStore) -> Path:
    (path,) = home(store).glob("joined.*.npy")
    return path


@pytest.mark.parametrize(
    ("timeframe", "n", "names"),
    [
        ("1m", 60_000, ["2021-01", "2021-02"]),
        ("30m", 3_000, ["2021-01", "2021-02", "2021-03"]),
        ("1h", 20_000, ["2021", "2022", "2023"]),
        ("4h", 2_300, ["2021", "2022"]),
        ("1d", 3_000, ["all"]),
        ("1w", 300, ["all"]),
    ],
)
def test_partitions_are_months_years_or_everything(timeframe: str, n: int, names: list[str]) -> None:
    whole = bars(0, n, timeframe=timeframe)
    parts = partitions(whole)
    assert [name for name, _ in parts] == names
    assert np.concatenate([part.ts for _, part in parts]).tolist() == whole.ts.tolist()
    for name, part in parts:
        assert name == "all" or {str(ts.astype("M8[ms]"))[: len(name)] for ts in part.ts} == {name}


def test_a_partition_without_bars_is_none_at_all() -> None:
    assert partitions(bars(0, 0)) == []
    assert [name for name, _ in partitions(bars(20_000, 20_001))] == ["2023"]


def test_segments_open_in_polars_as_plain_tables(store: CandleStore) -> None:
    import polars as pl

    files = sorted(home(store).glob("*.arrow"))
    assert [file.name[:5] for file in files] == ["2021.", "2022.", "2023."]
    frame = pl.concat(pl.read_ipc(file) for file in files)
    assert frame.columns == ["ts", "open", "high", "low", "close", "volume"]
    assert frame["close"].to_list() == bars(0, 20_000).close.tolist()


def flip(path: Path, at: int = -9) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-800]),
    "one bit": flip,
    "not NumPy's": lambda path: path.write_bytes(b"junk" * 100),
    "another shape": lambda path: np.save(path, np.zeros((6, 20_001), np.int64)),
    "another type": lambda path: np.save(path, np.zeros((6, 20_000), np.float64)),
    "another order": lambda path: np.save(path, np.asfortranarray(np.load(path))),
    "other bars": lambda path: np.save(path, np.load(path)[:, ::-1].copy()),
    "a pickle": lambda path: np.save(path, np.array([{}], dtype=object), allow_pickle=True),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_is_made_again_from_the_segments(store: CandleStore, damage: str) -> None:
    path = copy_of(store)
    whole = path.read_bytes()
    DAMAGES[damage](path)
    for reader in (CandleStore(store.folder), CandleStore(store.folder)):
        assert same_bits(reader.read("binance", "BTC/USDT", "1h"), bars(0, 20_000))
    assert path.read_bytes() == whole


def test_a_store_that_trusts_its_copy_would_be_caught(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(copy_of(store))

    trusting = CandleStore(store.folder)
    monkeypatch.setattr(trusting._files._joined, "_proven", lambda *_: True)
    assert not same_bits(trusting.read("binance", "BTC/USDT", "1h"), bars(0, 20_000))


def test_a_copy_damaged_after_it_was_checked_is_found_too(store: CandleStore) -> None:
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 20_000))
    flip(copy_of(store))
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 20_000))


def test_a_copy_nobody_wrote_to_is_not_read_through_again_and_any_other_is(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    digest = Candles.digest.func

    def counted(candles: Candles) -> str:
        compared.append(len(candles))
        return digest(candles)

    monkeypatch.setattr(Candles, "digest", property(counted))
    assert len(CandleStore(store.folder).read("binance", "BTC/USDT", "1h")) == 20_000
    assert compared == []
    copy_of(store).touch()  # as if another had written to it, or a copying tool had dated it anew
    reader = CandleStore(store.folder)
    for _ in range(2):
        assert len(reader.read("binance", "BTC/USDT", "1h")) == 20_000
        assert sum(compared) == 20_000, "once a process"


def test_bars_that_come_little_by_little_do_not_rewrite_the_copy_each_time(store: CandleStore) -> None:
    before = copy_of(store)
    store.write("binance", bars(20_000, 20_000 + 4_000))
    store.write("binance", bars(24_000, 24_100), bars(30_000, 47_000, "ETH/USDT"))
    assert copy_of(store) == before, "a tail rewrites nothing"
    store.write("binance", bars(24_100, 60_000))
    assert copy_of(store) != before
    assert same_bits(CandleStore(store.folder).read("binance", "BTC/USDT", "1h"), bars(0, 60_000))


def test_an_old_copy_is_taken_away_by_the_new_one(store: CandleStore) -> None:
    before = copy_of(store)
    store.write("binance", bars(-20_000, 0))
    assert copy_of(store) != before


def test_a_read_as_of_earlier_leaves_the_copy_of_today_in_its_place(store: CandleStore) -> None:
    earlier = store.revisions("binance", "BTC/USDT", "1h")[-1].written_at_ms
    with seams.replaced(now_ns=lambda: (earlier + 5) * 1_000_000):
        store.write("binance", bars(20_000, 60_000))
    before = copy_of(store)
    assert same_bits(store.read("binance", "BTC/USDT", "1h", as_of_ms=earlier), bars(0, 20_000))
    assert copy_of(store) == before


def test_bars_read_stay_as_they_were_when_the_store_moves_on(store: CandleStore) -> None:
    held = store.read("binance", "BTC/USDT", "1h")
    store.write("binance", bars(-20_000, 0))
    copy_of(store).unlink()
    assert same_bits(held, bars(0, 20_000))


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "one bit", "not NumPy's"])
def test_a_damaged_segment_is_refused_when_no_copy_can_stand_in(store: CandleStore, damage: str) -> None:
    copy_of(store).unlink()
    segment = min(home(store).glob("2022.*.arrow"))
    if damage == "one bit":
        flip(segment, at=len(segment.read_bytes()) // 2)
    else:
        DAMAGES[damage](segment)
    with pytest.raises(DataError, match=r"2022\..*arrow is missing or damaged; bring it back with"):
        store.read("binance", "BTC/USDT", "1h")


def test_a_reader_that_cannot_write_reads_all_the_same(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_of(store).unlink()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cryptai.market.joined.write_whole", full)
    assert same_bits(store.read("binance", "BTC/USDT", "1h"), bars(0, 20_000))
    assert list(home(store).glob("joined.*")) == []


def test_drafts_of_a_killed_writer_are_swept_by_the_next(store: CandleStore) -> None:
    left, at_work = (home(store) / f"2021.abc.arrow.{name}.tmp" for name in ("123", "456"))
    left.touch()
    os.utime(left, (1e9, 1e9))
    at_work.touch()
    store.write("binance", bars(-20_000, 0))
    assert not left.exists()
    assert at_work.exists(), "another process may be writing it"


def test_reading_a_stored_market_imports_neither_polars_nor_numba(store: CandleStore) -> None:
    store.write("binance", bars(20_000, 20_010))  # a tail as well
    script = """
import sys
from pathlib import Path
from cryptai.market.store import CandleStore
store = CandleStore(Path(sys.argv[1]))
assert len(store.read("binance", "BTC/USDT", "1h")) == 20_010
assert store.markets()[0].bars == 20_010
print(sorted({"polars", "pyarrow", "pandas", "numba", "talib", "django"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_file_lies_where_its_name_says(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    store.write("practice", bars(0, 17_000, "ETH/BTC", "1d"))
    (path,) = tmp_path.rglob("*.arrow")
    assert path.relative_to(tmp_path).parent.as_posix() == "practice/ETH-BTC/1d"
    assert path.name == f"all.{bars(0, 17_000, timeframe='1d').digest}.arrow"


def test_one_damaged_market_is_listed_as_such_and_hides_no_other(tmp_path: Path) -> None:
    # A tail over a segment makes the listing read it; a process of its own has no copy in memory.
    store = CandleStore(tmp_path)
    store.write("binance", bars(0, 20_000, "BTC/USDT", "1h"), bars(0, 50, "ETH/USDT", "1h"))
    store.write("binance", bars(20_000, 20_010, "BTC/USDT", "1h"))
    files = [file for file in tmp_path.rglob("*") if "BTC" in str(file) and file.is_file()]
    assert files
    for file in files:
        file.unlink()
    script = (
        "import sys; from pathlib import Path; from cryptai.market.store import CandleStore\n"
        "for s in CandleStore(Path(sys.argv[1])).markets('binance'): print(s.symbol, s.bars, s.digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    btc, eth = done.stdout.splitlines()
    assert btc == "BTC/USDT 20010 damaged"
    assert eth.startswith("ETH/USDT 50 ")
    assert not eth.endswith("damaged")


def test_a_damaged_market_with_a_tail_is_told_with_what_the_catalog_knows(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    store.write("binance", bars(0, 0), bars(0, 20_000), bars(0, 0))
    store.write("binance", bars(20_002, 20_010))
    for path in tmp_path.rglob("*"):
        if path.suffix in {".arrow", ".npy"}:
            path.unlink()
    (told,) = CandleStore(tmp_path).markets()
    assert (told.digest, told.bars, told.holes) == ("damaged", 20_008, 2)
