"""One backtest over one-minute bars, from arrays to trades, equity and metrics.

Beside it, in the same run, the C reference of `../shared/bench/peers` (needs gcc) and the limit L of the same
folder, one pass in Numba: the same EMA cross, fills, stops and costs. Before anything is timed, trades and
final equity must agree with the reference, and the limit's with the reference under the limit's own rules.
The reference's flags say where its own defaults differ from ours: EMAs seeded with the mean of the first
closes, no slippage on a target, an open position closed at the end, no warm-up.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cryptai as ca

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptai.strategies.strategy import Strategy

PEERS = Path(__file__).resolve().parents[2] / "shared" / "bench" / "peers"
FLAGS = ("sma_seed", "tp_no_slip", "close_at_end")
ROUNDS = 31

# A process of its own: what this one has loaded beside is not the run's. (`ru_maxrss` would be: a child
# begins with the peak of the process that started it.)
_ALONE = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import common
import cryptai as ca
data = common.load_single(int(sys.argv[2]))
candles = ca.Candles(data.ts, data.o, data.h, data.l, data.c, data.v, "BTC/USDT", "1m")
result = ca.backtest(candles, "ema_trend", fast=common.FAST, slow=common.SLOW, capital=common.CASH)
assert len(result.equity) == int(sys.argv[2])
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0], "numba" in sys.modules)
"""


def measure() -> Iterator[dict[str, Any]]:
    """Yield the figures for one million and for 2,628,000 bars (five years of minutes)."""
    common = peers()
    for bars in (common.N_1M, common.N_MAX):
        yield compare("one_run", "ema_trend", common, bars, FLAGS) | {"peak_mib": _peak_mib(bars)}


def peers() -> Any:
    """Return the shared part of the peers: data, rules and the C reference."""
    if not PEERS.is_dir():
        sys.exit("This benchmark needs ../shared/bench (the reference and its data); it is not here.")
    # Numba would keep the limit's code beside it.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "cryptai-limit"))
    sys.path.insert(0, str(PEERS))
    import common

    return common


def compare(
    name: str, strategy: str | Strategy, common: Any, bars: int, flags: Sequence[str]
) -> dict[str, Any]:
    """Time a strategy that decides as the reference with these flags; return the figures."""
    import limit_numba

    data = common.load_single(bars)
    candles = ca.Candles(data.ts, data.o, data.h, data.l, data.c, data.v, "BTC/USDT", "1m")
    room = np.empty(data.n), np.empty((data.n // 4 + 16, 6))
    params = {"fast": common.FAST, "slow": common.SLOW} if isinstance(strategy, str) else {}

    def ours() -> ca.Result:
        return ca.backtest(
            candles, strategy, **params, capital=common.CASH, fee=common.FEE,
            slippage=common.SLIP, stop=common.SL, target=common.TP,
        )  # fmt: skip

    def reference() -> dict[str, float]:
        return common.ref_single(data, flags=flags, warmup=0, buf=room)

    def limit() -> Any:
        return limit_numba.a_single(data, *room)

    result, expected = ours(), reference()
    assert result.metrics.trades == expected["trades"]
    difference = abs(result.metrics.final_equity / expected["final_equity"] - 1)
    assert difference < 1e-9
    bare, its_own = limit(), common.ref_single(data, buf=room)
    assert bare[5] == its_own["trades"]
    assert abs(bare[0] / its_own["final_equity"] - 1) < 1e-9
    took: dict[str, list[float]] = {"ours": [], "reference": [], "limit": []}
    for _ in range(ROUNDS):
        gc.collect()
        for what, function in (("ours", ours), ("reference", reference), ("limit", limit)):
            took[what].append(_timed(function))
    ratios = [a / b for a, b in zip(took["ours"], took["limit"], strict=True)]
    return {
        "benchmark": name,
        "bars": bars,
        "trades": result.metrics.trades,
        "equity_difference": difference,
        **{f"{what}_ms": round(statistics.median(times) * 1e3, 2) for what, times in took.items()},
        "times_limit": round(statistics.median(ratios), 2),
        "times_limit_min": round(min(ratios), 2),
        "times_limit_max": round(max(ratios), 2),
        "best_by_best": round(min(took["ours"]) / min(took["limit"]), 2),
    }


def _peak_mib(bars: int) -> int:
    command = [sys.executable, "-c", _ALONE, str(PEERS), str(bars)]
    # Where the code had to be compiled first, that took the memory.
    for _ in range(5):
        peak, compiled = subprocess.run(command, capture_output=True, check=True).stdout.split()
        if compiled == b"False":
            return round(float(peak) / 1024)
    raise SystemExit("The kernels were compiled anew each time; is somebody editing them?")


def _timed(function: Any) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
