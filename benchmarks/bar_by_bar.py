"""A person's strategy in plain Python, called once a bar, from arrays to trades, equity and metrics.

The machine is that of the reference's EMA cross (averages begun at the first close), and is read from a file
as a workspace's is. Beside it, in the same run, a bare loop of CPython that calls the same machine over
numbers that lie ready. Trades and final equity must agree with the C reference before anything is timed; the
cost of a bar at 1,000,000 is given beside that at 100,000.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cryptai as ca
from benchmarks.one_run import peers
from cryptai.strategies.strategy import build
from cryptai.strategies.user import find_strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 7

SOURCE = """
from dataclasses import dataclass
from cryptai import param, strategy
from cryptai.strategies.streamed import ENTER_LONG, LEAVE_LONG, streamed


class Averages:
    def __init__(self, fast, slow):
        self.fast, self.slow = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
        self.a = self.b = None
        self.apart = 0.0

    def on_bar(self, open, high, low, close, volume):
        if self.a is None:
            self.a = self.b = close
            return 0
        was = self.apart
        a = self.a = self.a + self.fast * (close - self.a)
        b = self.b = self.b + self.slow * (close - self.b)
        apart = self.apart = a - b
        if apart > 0.0:
            return ENTER_LONG if was <= 0.0 else 0
        return LEAVE_LONG if apart < 0.0 and was >= 0.0 else 0


@strategy
@streamed
@dataclass(frozen=True)
class Watched:
    fast: int = param(12, low=2, high=1000)
    slow: int = param(26, low=3, high=5000)

    def start(self):
        return Averages(self.fast, self.slow)
"""


def measure() -> Iterator[dict[str, Any]]:
    """Yield the figures for 100,000 and for 1,000,000 bars."""
    common = peers()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "watched.py").write_text(SOURCE)
        made = build(find_strategy("watched", Path(folder)), {"fast": common.FAST, "slow": common.SLOW})
        first = 0.0
        for bars in (common.N_SWEEP, common.N_1M):
            figures = _timed(common, made, bars)
            first = first or figures["us_a_bar"]
            yield figures | {"times_the_bar_of_100k": round(figures["us_a_bar"] / first, 2)}


def _timed(common: Any, made: Any, bars: int) -> dict[str, Any]:
    data = common.load_single(bars)
    candles = ca.Candles(data.ts, data.o, data.h, data.l, data.c, data.v, "BTC/USDT", "1m")

    def ours() -> ca.Result:
        return ca.backtest(
            candles, made, capital=common.CASH, fee=common.FEE, slippage=common.SLIP, stop=common.SL,
            target=common.TP,
        )  # fmt: skip

    def bare() -> None:
        on_bar = made.start().on_bar
        for row in zip(*columns, strict=True):
            on_bar(*row)

    result = ours()
    expected = common.ref_single(data, warmup=0, flags=("tp_no_slip", "close_at_end"))
    assert result.metrics.trades == expected["trades"]
    assert abs(result.metrics.final_equity / expected["final_equity"] - 1) < 1e-9
    columns = [one.tolist() for one in (data.o, data.h, data.l, data.c, data.v)]
    took: dict[str, list[float]] = {"ours": [], "bare_loop": []}
    for _ in range(ROUNDS):
        for name, function in (("ours", ours), ("bare_loop", bare)):
            gc.collect()
            start = time.perf_counter()
            function()
            took[name].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(took["ours"], took["bare_loop"], strict=True)]
    middle = statistics.median(took["ours"])
    return {
        "benchmark": "bar_by_bar",
        "bars": bars,
        "trades": result.metrics.trades,
        **{f"{name}_ms": round(statistics.median(times) * 1e3, 1) for name, times in took.items()},
        "bars_a_second": round(bars / middle),
        "us_a_bar": round(middle / bars * 1e6, 3),
        "times_bare_loop": round(statistics.median(ratios), 2),
    }
