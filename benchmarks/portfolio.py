"""A portfolio: 50 symbols x 8,760 hourly bars on one clock, shared cash, five positions, a fixed stake each.

From arrays to trades, equity and metrics through `ca.backtest`, beside the C reference of
`../shared/bench/peers` in the same run. The strategy is a person's compiled EMA cross, the last example of
`docs/guide/own_strategies.md`, whose averages begin at the first close as the reference's do. The reference's
stake pays its fee, ours has it on top: it is given less by that. Before anything is timed, trades must
agree in number and final equity to 1e-9.
"""

from __future__ import annotations

import gc
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cryptai as ca
from benchmarks.one_run import peers
from benchmarks.own_strategy import GUIDE
from cryptai.strategies.strategy import build
from cryptai.strategies.user import find_strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 31


def measure() -> Iterator[dict[str, Any]]:
    """Yield the figures."""
    common = peers()
    bars = common.load_portfolio()
    markets = [
        ca.Candles(one.ts, one.o, one.h, one.l, one.c, one.v, f"C{at:02d}/USDT", "1h")
        for at, one in enumerate(bars)
    ]
    source = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)[-1]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "own_cross.py").write_text(source)
        made = build(find_strategy("own_cross", Path(folder)), {"fast": common.FAST, "slow": common.SLOW})
        yield _timed(common, bars, markets, made)


def _timed(common: Any, bars: Any, markets: list[ca.Candles], made: Any) -> dict[str, Any]:
    matrices = common.portfolio_mats(bars)

    def ours() -> ca.Result:
        return ca.backtest(
            markets, made, capital=common.CASH, fee=common.FEE, slippage=common.SLIP, stop=common.SL,
            target=common.TP, stake=common.STAKE / (1.0 + common.FEE), max_open=common.MAX_POS,
        )  # fmt: skip

    def reference() -> Any:
        # Its warm-up of 200 bars is no argument of the call; ours has none.
        warmup, common.WARMUP = common.WARMUP, 0
        try:
            return common.ref_portfolio(bars, flags=("tp_no_slip", "close_at_end"), mats=matrices)
        finally:
            common.WARMUP = warmup

    result, expected = ours(), reference()
    assert result.metrics.trades == expected["trades"], (result.metrics.trades, expected["trades"])
    difference = abs(result.metrics.final_equity / expected["final_equity"] - 1)
    assert difference < 1e-9, difference
    took: dict[str, list[float]] = {"ours": [], "reference": []}
    for _ in range(ROUNDS):
        gc.collect()
        for name, function in (("ours", ours), ("reference", reference)):
            start = time.perf_counter()
            function()
            took[name].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(took["ours"], took["reference"], strict=True)]
    return {
        "benchmark": "portfolio",
        "symbols": len(markets),
        "bars": len(markets[0]),
        "trades": result.metrics.trades,
        "equity_difference": difference,
        **{f"{name}_ms": round(statistics.median(times) * 1e3, 2) for name, times in took.items()},
        "times_reference": round(statistics.median(ratios), 2),
        "times_reference_min": round(min(ratios), 2),
        "times_reference_max": round(max(ratios), 2),
        "best_by_best": round(min(took["ours"]) / min(took["reference"]), 2),
    }
