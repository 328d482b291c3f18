"""One backtest over 1,000,000 one-minute bars, from arrays to trades, equity and metrics.

Beside it, in the same run, the C reference of `../shared/bench/peers` (needs gcc): the same EMA cross, fills,
stops and costs. Trades and final equity must agree before anything is timed. The reference's flags say where
its own defaults differ from our rules: EMAs seeded with the mean of the first closes, no slippage on a
target, an open position closed at the end, no warm-up.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cryptai as ca

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS = Path(__file__).resolve().parents[2] / "shared" / "bench" / "peers"
FLAGS = ("sma_seed", "tp_no_slip", "close_at_end")
ROUNDS = 31


def measure() -> Iterator[dict[str, Any]]:
    """Yield the figures for one million and for 2,628,000 bars (five years of minutes)."""
    if not PEERS.is_dir():
        sys.exit("This benchmark needs ../shared/bench (the reference and its data); it is not here.")
    sys.path.insert(0, str(PEERS))
    import common

    for bars in (common.N_1M, common.N_MAX):
        yield _compare(common, bars)


def _compare(common: Any, bars: int) -> dict[str, Any]:
    data = common.load_single(bars)
    candles = ca.Candles(data.ts, data.o, data.h, data.l, data.c, data.v, "BTC/USDT", "1m")
    room = np.empty(data.n), np.empty((data.n // 4 + 16, 6))

    def ours() -> ca.Result:
        return ca.backtest(
            candles, "ema_trend", fast=common.FAST, slow=common.SLOW, capital=common.CASH, fee=common.FEE,
            slippage=common.SLIP, stop=common.SL, target=common.TP,
        )  # fmt: skip

    def reference() -> dict[str, float]:
        return common.ref_single(data, flags=FLAGS, warmup=0, buf=room)

    result, expected = ours(), reference()
    assert result.metrics.trades == expected["trades"]
    difference = abs(result.metrics.final_equity / expected["final_equity"] - 1)
    assert difference < 1e-9
    ours_s, reference_s = [], []
    for _ in range(ROUNDS):
        gc.collect()
        ours_s.append(_timed(ours))
        reference_s.append(_timed(reference))
    ratios = [a / b for a, b in zip(ours_s, reference_s, strict=True)]
    return {
        "benchmark": "one_run",
        "bars": bars,
        "trades": result.metrics.trades,
        "equity_difference": difference,
        "ours_ms": round(statistics.median(ours_s) * 1e3, 2),
        "reference_ms": round(statistics.median(reference_s) * 1e3, 2),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_min": round(min(ratios), 2),
        "ratio_max": round(max(ratios), 2),
    }


def _timed(function: Any) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
