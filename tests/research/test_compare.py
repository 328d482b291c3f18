"""A comparison: each run's own figures and evidence, and no winner where chance makes one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.research.compare import compare
from cryptai.research.trials import tried
from cryptai.research.worlds import walk
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on

ASKED = [
    {"strategy": "ema_trend"}, {"strategy": "rsi_reversal"}, {"strategy": "buy_and_hold"},
    {"strategy": "ema_trend", "param": {"fast": 20, "slow": 60}},
]  # fmt: skip


def runs(bars, **options):
    return [run_on(BacktestRequest.parse({**one, **options}), bars) for one in ASKED]


@pytest.fixture(scope="module")
def bars():
    return walk(11, 3, 3_000)


def test_each_run_keeps_its_own_figures_and_counts_once(bars, workspace):
    results = runs(bars)
    told = compare(results, workspace).as_object()
    assert [row["run"] for row in told["strategies"]] == [one.run for one in results]
    assert told["strategies"][1]["metrics"] == results[1].as_object()["metrics"]
    assert told["strategies"][0]["evidence"]["trials"] == 1
    assert tried(workspace, "ema_trend").trials == 2
    assert compare(results, workspace).as_object()["best_by_luck"] == told["best_by_luck"]


def test_on_noise_nobody_wins(bars, workspace):
    told = compare(runs(bars), workspace).as_object()
    assert told["best_by_luck"]["over_cash"] > 0.05
    assert told["reasons"][0].startswith("None is better than nothing: the best of 4 looks as good as this")
    assert all(row["over_holding"]["holm"] > 0.05 for row in told["strategies"])


def test_a_rising_market_makes_holding_better_than_cash_and_nobody_better_than_holding(bars, workspace):
    rise = np.geomspace(1.0, 60.0, len(bars))
    columns = [getattr(bars, name) * rise for name in ("open", "high", "low", "close")]
    up = Candles(bars.ts, *columns, bars.volume, bars.symbol, bars.timeframe)
    told = compare(runs(up, stop="none", target="none"), workspace).as_object()
    holding = told["strategies"][2]
    assert holding["over_cash"]["holm"] <= 0.05
    assert holding["over_holding"]["holm"] > 0.05
    assert "buy_and_hold" in told["reasons"][0]


def test_other_bars_one_run_and_few_days_are_told(bars, workspace):
    results = runs(bars)
    with pytest.raises(InputError, match="two strategies"):
        compare(results[:1], workspace)
    other = run_on(BacktestRequest.parse({"strategy": "ema_trend"}), bars[:2_000])
    with pytest.raises(InputError, match="same bars"):
        compare([results[0], other], workspace)
    few = compare(runs(bars[:240]), workspace)
    assert few.over_cash is None
    assert few.reasons == ("Nothing can be told of so few days, or of an account that was lost.",)


def test_the_order_of_the_strategies_changes_nothing(bars, workspace):
    results = runs(bars)
    one = compare(results, workspace)
    two = compare(list(reversed(results)), workspace)
    assert one.over_cash.best == pytest.approx(two.over_cash.best, abs=1e-12)
    assert one.over_cash.adjusted == pytest.approx(tuple(reversed(two.over_cash.adjusted)))
    assert replace(one.over_cash, best=0.0) != one.over_cash
