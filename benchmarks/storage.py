"""The candle store: five years of minutes, windows, upserts, live minutes and ingest, all durable.

Beside the reads, in the same run, raw memory-mapped column files of the same bars: one `.npy` a column,
mapped anew each time. A read counts until every value was touched (a sum of each column). The store keeps its
maps, so "read all" is a process that has read before, and "first read of a new process" one that has not.
What is read is compared to the bit with what was written, outside the timed part. The price of one `fsync` on
this disk at that moment stands beside the upserts.
"""

from __future__ import annotations

import gc
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.files import read_candles
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BARS = 2_628_000
MINUTE = 60_000
DAY = 1_440
START = 1_609_459_200_000  # 2021-01-01
SYMBOLS = 500
ROUNDS = 15


def measure() -> Iterator[dict[str, Any]]:
    """Yield one line a goal of the store."""
    folder = Path(tempfile.mkdtemp(prefix="cryptai-storage-"))
    try:
        yield from _measure(folder)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path) -> Iterator[dict[str, Any]]:
    whole = _bars(0, BARS)
    store = CandleStore(folder / "candles")
    (file := folder / "BTCUSDT_1m.parquet").touch()
    _parquet(whole, file)

    begun = time.perf_counter()
    store.write("binance", read_candles(file), source="a file")
    yield {"benchmark": "storage", "what": "import", "bars": BARS, "seconds": _since(begun), "goal_s": 5}

    raw = _raw_columns(whole, folder / "raw")
    _same(store.read("binance", "BTC/USDT", "1m"), whole)
    _same(CandleStore(store.folder).read("binance", "BTC/USDT", "1m"), whole)

    def ours() -> None:
        _touch(store.read("binance", "BTC/USDT", "1m"))

    def theirs() -> None:
        for path in raw:
            np.load(path, mmap_mode="r").sum()

    ours_s, theirs_s = _interleaved(ours, theirs)
    yield {
        "benchmark": "storage", "what": "read all", "bars": BARS,
        "ms": _ms(ours_s), "raw_columns_ms": _ms(theirs_s),
        "ratio": round(statistics.median(ours_s) / statistics.median(theirs_s), 3), "goal_ratio": 1.5,
    }  # fmt: skip
    yield {
        "benchmark": "storage",
        "what": "first read of a new process",
        "bars": BARS,
        **_first_read(store.folder, raw),
    }

    window = whole[-30 * DAY :]
    start, end = int(window.ts[0]), int(window.ts[-1]) + 1
    _same(store.read("binance", "BTC/USDT", "1m", start_ms=start, end_ms=end), window)
    spent = _timed(lambda: _touch(store.read("binance", "BTC/USDT", "1m", start_ms=start, end_ms=end)))
    yield {
        "benchmark": "storage",
        "what": "30-day window",
        "bars": len(window),
        "ms": _ms(spent),
        "goal_ms": 2,
    }

    yield _upserts(store, whole, folder / "sync")
    yield _live_minutes(folder / "live")
    yield _ingest(folder / "ingest")


def _upserts(store: CandleStore, whole: Candles, file: Path) -> dict[str, Any]:
    # Five times in these rounds the tail is folded beside the writing. Before each upsert the disk is asked
    # what one sync of as many bytes costs: no durable write is done in less.
    spent, synced = [], []
    for i in range(4 * ROUNDS):
        synced.append(_synced(file))
        place = BARS - (i % 5 + 2) * DAY
        day = _bars(place, place + DAY, shift=float(i + 1))
        begun = time.perf_counter()
        done = store.write("binance", day, replace=True, source="again", fetched_at_ms=0)
        spent.append(time.perf_counter() - begun)
        assert done.replaced == DAY
        end = int(day.ts[-1]) + 1
        _same(store.read("binance", "BTC/USDT", "1m", start_ms=int(day.ts[0]), end_ms=end), day)
    assert len(store.read("binance", "BTC/USDT", "1m")) == len(whole)
    store.finish()
    ms, fsync_ms = _ms(spent), _ms(synced)
    return {
        "benchmark": "storage", "what": "upsert of a day", "bars": DAY, "ms": ms, "goal_ms": 5,
        "worst_ms": round(max(spent) * 1e3, 3), "fsync_ms": fsync_ms,
        "worst_fsync_ms": round(max(synced) * 1e3, 3), "over_fsync_ms": round(ms - fsync_ms, 3),
        "fsyncs": round(ms / fsync_ms, 2),
    }  # fmt: skip


def _live_minutes(folder: Path) -> dict[str, Any]:
    store = CandleStore(folder)
    symbols = [f"S{i:03d}/USDT" for i in range(SYMBOLS)]
    store.write("binance", *(_bars(0, 1_000, symbol) for symbol in symbols))
    spent = []
    for minute in range(1_000, 1_000 + 2 * ROUNDS):
        newest = [_bars(minute, minute + 1, symbol) for symbol in symbols]
        begun = time.perf_counter()
        done = store.write("binance", *newest, source="stream", fetched_at_ms=0)
        spent.append(time.perf_counter() - begun)
        assert done.added == SYMBOLS
    store.finish()
    for symbol in symbols[:: SYMBOLS // 7]:
        _same(store.read("binance", symbol, "1m"), _bars(0, 1_000 + 2 * ROUNDS, symbol))
    return {
        "benchmark": "storage", "what": "newest minute of all", "symbols": SYMBOLS, "ms": _ms(spent),
        "worst_ms": round(max(spent) * 1e3, 3), "goal_ms": 50,
    }  # fmt: skip


def _ingest(folder: Path) -> dict[str, Any]:
    # As a back-fill brings them: pages of a thousand minutes, of twenty markets in turn, one write a page.
    store = CandleStore(folder)
    symbols = [f"S{i:03d}/USDT" for i in range(20)]
    pages = [(symbol, page * 1_000) for page in range(60) for symbol in symbols]
    bars = [_bars(place, place + 1_000, symbol) for symbol, place in pages]
    begun = time.perf_counter()
    for page in bars:
        store.write("binance", page, source="rest", fetched_at_ms=0)
    store.finish()
    seconds = time.perf_counter() - begun
    for symbol in symbols:
        _same(store.read("binance", symbol, "1m"), _bars(0, 60_000, symbol))
    total = sum(map(len, bars))
    return {
        "benchmark": "storage", "what": "sustained ingest", "bars": total, "seconds": round(seconds, 3),
        "bars_per_second": round(total / seconds), "goal_bars_per_second": 50_000,
    }  # fmt: skip


def _first_read(folder: Path, raw: list[Path]) -> dict[str, Any]:
    script = """
import sys, time
from pathlib import Path
import numpy as np
from cryptai.market.store import CandleStore
begun = time.perf_counter()
bars = CandleStore(Path(sys.argv[1])).read("binance", "BTC/USDT", "1m")
[getattr(bars, name).sum() for name in ("ts", "open", "high", "low", "close", "volume")]
ours = time.perf_counter() - begun
begun = time.perf_counter()
[np.load(path, mmap_mode="r").sum() for path in sys.argv[2:]]
print(ours, time.perf_counter() - begun)
"""
    command = [sys.executable, "-c", script, str(folder), *map(str, raw)]
    pairs = [
        [float(word) for word in subprocess.run(command, capture_output=True, check=True).stdout.split()]
        for _ in range(5)
    ]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "ms": round(ours * 1e3, 3),
        "raw_columns_ms": round(theirs * 1e3, 3),
        "ratio": round(ours / theirs, 3),
    }


def _bars(first: int, last: int, symbol: str = "BTC/USDT", shift: float = 0.0) -> Candles:
    places = np.arange(first, last)
    close = 100 + shift + 10 * np.sin(places * 0.7) + 1 / (places + 3.5)
    opened = 100 + shift + 10 * np.sin(places * 0.7 - 0.7)
    return Candles(
        START + places * MINUTE, opened, np.maximum(opened, close) + 1, np.minimum(opened, close) - 1, close,
        np.abs(close) / 3, symbol, "1m",
    )  # fmt: skip


def _parquet(candles: Candles, path: Path) -> None:
    import polars as pl

    pl.DataFrame({name: getattr(candles, name) for name in COLUMNS}).write_parquet(path)


def _raw_columns(candles: Candles, folder: Path) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{name}.npy" for name in COLUMNS]
    for path, name in zip(paths, COLUMNS, strict=True):
        np.save(path, getattr(candles, name))
    return paths


def _same(one: Candles, two: Candles) -> None:
    assert one.digest == two.digest


def _touch(candles: Candles) -> None:
    for name in COLUMNS:
        getattr(candles, name).sum()


def _synced(path: Path) -> float:
    with path.open("ab") as handle:
        begun = time.perf_counter()
        handle.write(bytes(70_000))
        handle.flush()
        os.fsync(handle.fileno())
        return time.perf_counter() - begun


def _timed(work: Callable[[], None]) -> list[float]:
    spent = []
    for _ in range(ROUNDS):
        gc.collect()
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return spent


def _interleaved(one: Callable[[], None], two: Callable[[], None]) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        for work, spent in ((one, ours), (two, theirs)):
            gc.collect()
            begun = time.perf_counter()
            work()
            spent.append(time.perf_counter() - begun)
    return ours, theirs


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 3)


def _ms(seconds: list[float]) -> float:
    return round(statistics.median(seconds) * 1e3, 3)
