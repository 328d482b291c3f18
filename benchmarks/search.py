"""A search: all metrics of 1,000 (fast, slow) pairs over 100,000 one-minute bars, on one core and on two.

Beside it, in the same run, the limit L of `../shared/bench/peers` (one pass of Numba a pair) and the C
reference with shared work of the same folder. What two cores can gain on the machine at all is told by the C
reference with one pass a pair, halved between two threads that share nothing. Before anything is timed,
trades and final equity of each pair must agree with the C reference by our rules, and every metric of some
pairs with their own backtests, to the bit.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import cryptai as ca
from benchmarks.one_run import FLAGS, PEERS, peers
from cryptai.portfolio.rules import Rules
from cryptai.strategies.ema_trend import EmaTrend
from cryptai.trading.costs import Costs
from cryptai.trading.sweeping import run_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 11

# What a search adds to a process that has run a small one; its peak is forgotten first.
_ALONE = """\
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from benchmarks import search
import common
def told(name):
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0])
candles, sets, options = search.work(common)
search.run_many(candles, search.EmaTrend, sets[:2], threads=2, **options)
before = told("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
search.run_many(candles, search.EmaTrend, sets, threads=2, **options)
print(told("VmHWM") - before)
"""


def measure() -> Iterator[dict[str, Any]]:
    """Yield the figures."""
    common = peers()
    import limit_numba

    candles, sets, options = work(common)
    data, pairs = common.load_single(common.N_SWEEP), np.array(common.sweep_pairs(), np.int64)
    found = run_many(candles, EmaTrend, sets, **options)
    _agrees(common, data, candles, sets, found.metrics)
    equity, no_trades, out = np.empty(data.n), np.empty((0, 6)), np.empty((len(pairs), 6))

    def limit() -> None:
        limit_numba.sweep(
            data.o, data.h, data.l, data.c, pairs, common.FEE, common.SLIP, common.SL, common.TP, common.CASH,
            common.WARMUP, equity, no_trades, common.MINUTES_PER_YEAR, out,
        )  # fmt: skip

    pool = ThreadPoolExecutor(2)
    timed: dict[str, Callable[[], object]] = {
        "ours": lambda: run_many(candles, EmaTrend, sets, **options),
        "two_threads": lambda: run_many(candles, EmaTrend, sets, threads=2, **options),
        "limit": limit,
        "shared_c": lambda: common.ref_sweep_fast(data, common.sweep_pairs()),
        "passes_c": lambda: common.ref_sweep(data, pairs),
        "passes_c_two_threads": lambda: list(
            pool.map(partial(common.ref_sweep, data), (pairs[::2], pairs[1::2]))
        ),
    }
    took: dict[str, list[float]] = {name: [] for name in timed}
    for function in timed.values():
        function()
    for _ in range(ROUNDS):
        gc.collect()
        for name, function in timed.items():
            start = time.perf_counter()
            function()
            took[name].append(time.perf_counter() - start)
    pool.shutdown()
    ratios = [a / b for a, b in zip(took["ours"], took["limit"], strict=True)]
    scaling = [a / b for a, b in zip(took["ours"], took["two_threads"], strict=True)]
    machine = [a / b for a, b in zip(took["passes_c"], took["passes_c_two_threads"], strict=True)]
    command = [sys.executable, "-c", _ALONE, str(PEERS), os.getcwd()]  # noqa: PTH109 (for the child's path)
    added = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    yield {
        "benchmark": "search",
        "pairs": len(sets),
        "bars": data.n,
        "trades": sum(one.trades for one in found.metrics if one is not None),
        **{f"{name}_ms": round(statistics.median(times) * 1e3, 1) for name, times in took.items()},
        "times_limit": round(statistics.median(ratios), 3),
        "times_limit_min": round(min(ratios), 3),
        "times_limit_max": round(max(ratios), 3),
        "best_by_best": round(min(took["ours"]) / min(took["limit"]), 3),
        "two_threads_times_faster": round(statistics.median(scaling), 2),
        "two_threads_best_by_best": round(min(took["ours"]) / min(took["two_threads"]), 2),
        "passes_c_two_threads_times_faster": round(statistics.median(machine), 2),
        "passes_c_two_threads_best_by_best": round(
            min(took["passes_c"]) / min(took["passes_c_two_threads"]), 2
        ),
        "added_mib": round(int(added) / 1024, 1),
    }


def work(common: Any) -> tuple[ca.Candles, list[dict[str, Any]], dict[str, Any]]:
    """Return the candles, the sets and the options of the search."""
    data = common.load_single(common.N_SWEEP)
    candles = ca.Candles(data.ts, data.o, data.h, data.l, data.c, data.v, "BTC/USDT", "1m")
    sets = [{"fast": fast, "slow": slow} for fast, slow in common.sweep_pairs()]
    rules, costs = Rules(common.SL, common.TP), Costs(common.FEE, common.SLIP)
    return candles, sets, {"capital": common.CASH, "rules": rules, "costs": costs}


def _agrees(common: Any, data: Any, candles: ca.Candles, sets: Any, metrics: Any) -> None:
    room = np.empty(data.n), np.empty((data.n // 4 + 16, 6))
    for one, found in zip(sets, metrics, strict=True):
        expected = common.ref_single(data, **one, flags=FLAGS, warmup=0, buf=room)
        assert found.trades == expected["trades"]
        assert abs(found.final_equity / expected["final_equity"] - 1) < 1e-9
    for at in range(0, len(sets), 50):
        alone = ca.backtest(
            candles, "ema_trend", **sets[at], capital=common.CASH, fee=common.FEE, slippage=common.SLIP,
            stop=common.SL, target=common.TP,
        )  # fmt: skip
        assert dataclasses.asdict(metrics[at]) == dataclasses.asdict(alone.metrics)
