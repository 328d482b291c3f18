"""The front door: lazy, and every name behind it stays what it is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import cryptai as ca
from cryptai.cli.main import main
from cryptai.features import sma
from cryptai.research.trials import tried
from cryptai.research.worlds import walk
from cryptai.strategies.strategy import build
from cryptai.strategies.user import find_strategy

HEAVY = ("django", "numba", "polars", "talib", "llvmlite", "httpx", "typer", "rich")


def test_importing_it_imports_nothing_heavy():
    code = f"import sys, cryptai; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


def test_a_backtest_needs_neither_django_nor_numba_once_it_is_compiled(tmp_path):
    code = (
        "import sys, numpy as np, cryptai as ca\n"
        "c = ca.Candles(np.arange(60) * 60_000, *[np.ones(60)] * 5, symbol='BTC/USDT', timeframe='1m')\n"
        "ca.backtest(c, 'ema_trend')\n"
        "print([m for m in ('django', 'numba') if m in sys.modules])"
    )
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in "ab"
    ]
    assert told[-1] == b"[]\n"


@pytest.mark.parametrize("name", [name for name in ca.__all__ if name != "__version__"])
def test_no_folder_of_the_package_hides_a_public_name(name):
    # A subpackage of the same name takes the name's place as soon as anything imports it.
    code = (
        "import cryptai as ca, cryptai.front, cryptai.cli.main\n"
        f"assert getattr(ca, {name!r}).__name__.rpartition('.')[2] == {name!r}\n"
        f"assert not isinstance(getattr(ca, {name!r}), type(ca)), 'a module'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_strategies_are_named():
    named = ca.strategy_names()
    assert named == sorted(named)
    assert {"breakout", "buy_and_hold", "ema_trend", "rsi_reversal"} <= set(named)


def test_evidence_is_the_commands_and_counts_for_the_owner(workspace, tmp_path, capsys):
    rng = np.random.default_rng(6)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.003, 2_000)))
    columns = [3_600_000 * np.arange(2_000), close, close, close, close, np.ones(2_000)]
    file = tmp_path / "BTCUSDT_1h.csv"
    rows = [",".join(map(repr, row)) for row in zip(*(c.tolist() for c in columns), strict=True)]
    file.write_text("\n".join(["ts,open,high,low,close,volume", *rows]))
    assert main(["backtest", "ema_trend", "--candles", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    result = ca.backtest(ca.read_candles(file), "ema_trend")
    assert ca.evidence(result) == told["evidence"]
    assert ca.evidence(ca.backtest(ca.read_candles(file), "ema_trend", fast=5))["trials"] == 2
    assert tried(workspace, "ema_trend").trials == 2


def test_arrays_are_taken_without_a_copy_and_given_back_as_they_were():
    rng = np.random.default_rng(5)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.003, 2_000)))
    open_ = np.concatenate([[100.0], close[:-1]])
    ts = np.arange(2_000, dtype=np.int64) * 60_000
    given = (ts, open_, np.maximum(open_, close), np.minimum(open_, close), close, np.ones(2_000))
    before = [column.copy() for column in given]
    c = ca.Candles(*given, symbol="BTC/USDT", timeframe="1m")
    r = ca.backtest(
        c, "ema_trend", fast=12, slow=26, capital=10_000, fee=0.001, slippage=0.0005, stop=0.08, target=0.15
    )
    kept = (c.ts, c.open, c.high, c.low, c.close, c.volume)
    assert all(np.shares_memory(mine, theirs) for mine, theirs in zip(given, kept, strict=True))
    assert all(
        mine.flags.writeable and not theirs.flags.writeable for mine, theirs in zip(given, kept, strict=True)
    )
    assert all(np.array_equal(mine, old) for mine, old in zip(given, before, strict=True))
    assert isinstance(r.trades, np.recarray)
    assert len(r.equity) == len(c)
    assert r.equity[-1] == r.metrics.final_equity
    assert isinstance(r.metrics.sharpe_ratio, float)


def test_a_strategy_already_made_asks_for_no_workspace(workspace):
    (workspace.root / "version").write_text("999")
    flat = np.ones(60)
    candles = ca.Candles(np.arange(60) * 60_000, flat, flat, flat, flat, flat, "BTC/USDT", "1m")
    assert ca.backtest(candles, build(find_strategy("ema_trend"), {})).metrics.trades == 0
    for asked in (
        {"strategy": "ema_trend"},
        {"strategy": build(find_strategy("ema_trend"), {}), "finer": True},
    ):
        with pytest.raises(ca.CryptaiError, match="newer than this CryptAI understands"):
            ca.backtest(candles, **asked)


def test_a_scan_by_name_of_what_has_no_setups_says_why():
    with pytest.raises(ca.InputError, match="pairs_spread gives no signals to the scan: its stop and its"):
        ca.scan(names=["pairs_spread"])


CELL = """
@ca.strategy
@dataclass(frozen=True)
class WhileAbove:
    period: int = ca.param(20, low=2, high=500)

    def signals(self, candles):
        above = candles.close > sma(candles.close, self.period) * FACTOR
        return ca.Signals.entries(candles, long=above, exit_long=~above)
"""


def cell(factor: float) -> type:
    room = {"__name__": "notebook", "ca": ca, "dataclass": dataclass, "sma": sma, "FACTOR": factor}
    exec(compile(CELL, "cell", "exec", dont_inherit=True), room)  # noqa: S102 (what a notebook does)
    made: type = room["WhileAbove"]  # type: ignore[assignment]
    return made


def test_a_strategy_that_was_changed_in_a_notebook_is_another(workspace):
    bars = walk(3, 0, 2_000)
    first, again, other = (ca.backtest(bars, cell(factor)()) for factor in (1.0, 1.0, 1.01))
    assert first.run == again.run
    assert first.metrics != other.metrics
    assert first.run != other.run
    assert [ca.evidence(one)["trials"] for one in (first, again, other)] == [1, 1, 2]


def test_a_search_of_a_changed_strategy_takes_nothing_of_the_one_before(workspace):
    bars = walk(3, 0, 2_000)
    swept = [ca.sweep(bars, cell(factor), period=[20, 50], held_out=0) for factor in (1.0, 1.01)]
    for found, factor in zip(swept, (1.0, 1.01), strict=True):
        alone = ca.backtest(bars, cell(factor)(**found.best.params))
        assert found.best.run == alone.run
        assert found.best.metrics["total_return"] == alone.metrics.total_return
    assert [found.evidence["trials"] for found in swept] == [2, 4]
