"""Trades and final equity beside vectorbt, backtesting.py and the C reference, all given the same decisions.

The peers are run by interpreters of their own, in which they are installed: `PEERS` names a folder, and in it
stand `vectorbt/bin/python` and `backtesting/bin/python`; `run.py --setup` of `../shared/bench/peers` makes
such a folder. A peer that is not there is left out. Nothing is timed.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cryptai as ca
from benchmarks.one_run import peers
from cryptai.portfolio.rules import Rules
from cryptai.signals import EXIT_LONG, Signals
from cryptai.trading.costs import Costs
from cryptai.trading.market import Market
from cryptai.trading.markets import simulate_markets

if TYPE_CHECKING:
    from collections.abc import Iterator

NAN = float("nan")
SHORT = 200_000  # bars for the peer that calls Python once a bar


def measure() -> Iterator[dict[str, Any]]:
    """Yield for each peer and workload the number of trades and the relative difference of the equity."""
    common = peers()
    single, many = common.load_single(common.N_1M), common.load_portfolio()
    says, says_many = _says(common, single), np.stack([_says(common, one) for one in many], axis=1)
    given = {
        "open": single.o, "high": single.h, "low": single.l, "close": single.c, "says": says,
        "says_50": says_many, "short": SHORT, "places": common.MAX_POS, "stake": common.STAKE,
        "fee": common.FEE, "slippage": common.SLIP, "cash": common.CASH, "stop": common.SL,
        "target": common.TP,
        **{f"{name}_50": np.stack([getattr(one, name[0]) for one in many], axis=1)
           for name in ("open", "high", "low", "close")},
    }  # fmt: skip
    for peer in ("vectorbt", "backtesting"):
        for theirs in _run(peer, given):
            ours = _ours(common, peer, theirs["what"], single, many, says, says_many)
            yield _row(peer, theirs, ours)
    flags = ("tp_no_slip",)
    theirs = common.ref_portfolio(many, flags=flags, stake=common.STAKE * (1 + common.FEE))
    ours = _ours(common, "reference", "portfolio", single, many, says, says_many)
    yield _row("reference in C", theirs | {"what": "portfolio"}, ours)
    theirs = common.ref_single(single, flags=flags)
    ours = _ours(common, "reference", "bracket", single, many, says, says_many)
    yield _row("reference in C", theirs | {"what": "bracket"}, ours)


def _row(peer: str, theirs: dict[str, Any], ours: tuple[int, float]) -> dict[str, Any]:
    return {
        "benchmark": "peers",
        "peer": peer,
        "what": theirs["what"],
        "trades": int(theirs["trades"]),
        "our_trades": ours[0],
        "final_equity": theirs["final_equity"],
        "difference": abs(ours[1] / theirs["final_equity"] - 1),
    }


def _says(common: Any, bars: Any) -> Any:
    # 1 where the fast average crosses above the slow one, -1 below: the same bytes for everybody.
    up, down = common.cross_signals(_ema(bars.c, common.FAST), _ema(bars.c, common.SLOW))
    return up.astype(np.int8) - down.astype(np.int8)


def _ema(values: Any, span: int) -> Any:
    # Seeded with the first close, as the C reference does.
    share, found, out = 2.0 / (span + 1), float(values[0]), np.empty(len(values))
    for i, value in enumerate(values.tolist()):
        found += share * (value - found)
        out[i] = found
    return out


def _run(peer: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    python = Path(os.environ.get("PEERS", "")) / peer / "bin" / "python"
    if not python.exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "given.npz"
        np.savez(data, **given)
        script = Path(__file__).with_name(f"with_{peer}.py")
        out = subprocess.run([python, script, data], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def _ours(
    common: Any, peer: str, what: str, single: Any, many: Any, says: Any, says_many: Any
) -> tuple[int, float]:
    rules, costs = Rules(stop=NAN, target=NAN), Costs(common.FEE, common.SLIP)
    bars, decided, levels = [single], [says], {}
    if what != "signals":
        rules = Rules(stop=common.SL, target=common.TP)
    if what == "portfolio":
        bars, decided = many, list(says_many.T)
        rules = rules._replace(stake=common.STAKE, max_open=float(common.MAX_POS))
    if peer == "backtesting":
        # It knows no slippage for both sides, and hangs the bracket on the close that decided.
        costs = Costs(common.FEE + common.SLIP, 0.0)
        if what == "bracket":
            levels = {"stop": single.c * (1 - common.SL), "target": single.c * (1 + common.TP)}
        rules = rules._replace(stop=NAN, target=NAN)
    count = SHORT if peer == "backtesting" else len(single.c)
    pairs = enumerate(zip(bars, decided, strict=True))
    done = simulate_markets(
        [_market(one, said, count, levels, number) for number, (one, said) in pairs],
        capital=common.CASH, rules=rules, costs=costs, min_reward_risk=0.0, close_at_end=False,
    )  # fmt: skip
    return len(done.trades), float(done.equity[-1])


def _market(bars: Any, says: Any, count: int, levels: dict[str, Any], number: int) -> Market:
    columns = (array[:count] for array in (bars.ts, bars.o, bars.h, bars.l, bars.c, bars.v))
    signals = Signals(
        (says[:count] > 0).astype(np.int8), (says[:count] < 0).astype(np.int8) * np.int8(EXIT_LONG),
        **{name: np.ascontiguousarray(values[:count]) for name, values in levels.items()},
    )  # fmt: skip
    return Market(ca.Candles(*columns, f"M{number}/USDT", "1m" if levels or number == 0 else "1h"), signals)
