"""The front door: lazy, and every name behind it stays what it is."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import cryptai as ca
from cryptai.cli.main import main
from cryptai.research.trials import tried

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


def test_a_scan_by_name_of_what_has_no_setups_says_why():
    with pytest.raises(ca.InputError, match="pairs_spread gives no signals to the scan: its stop and its"):
        ca.scan(names=["pairs_spread"])
