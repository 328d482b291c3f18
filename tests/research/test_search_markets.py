"""Searches over several markets: each set is one portfolio, and a market takes part where it is there."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import cryptai as ca
from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.research.folds import Folds
from cryptai.research.measured import without_open
from cryptai.research.plans import Plan, WalkPlan
from cryptai.research.sweep import sweep
from cryptai.research.trials import tried
from cryptai.research.walkforward import walkforward
from cryptai.research.worlds import walk
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on

DAY = 86_400_000
REQUEST = BacktestRequest.parse({"strategy": "ema_trend", "size": 0.4, "max_open": 2})
SPACE = {"fast": "5,10,20", "slow": "40,80"}


def named(bars, symbol):
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return Candles(*columns, symbol, bars.timeframe)


@pytest.fixture(scope="module")
def markets():
    """Three of them: one is listed later, and one ends earlier."""
    names = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
    btc, eth, sol = (named(walk(11, i, 3_000), name) for i, name in enumerate(names))
    return [btc, eth[1_300:], sol[:2_000]]


def test_every_set_has_the_figures_of_its_own_portfolio(markets, workspace):
    found = sweep(REQUEST, Plan(SPACE), markets, workspace)
    cut = int(markets[0].ts[2_250])
    for one in found.results:
        own = run_on(replace(REQUEST, params=one.params, end_ms=cut), markets)
        assert one.run == own.run
        assert one.metrics == own.as_object()["metrics"]
    told = found.as_object()
    assert told["symbols"] == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    assert told["trials"] == tried(workspace, "ema_trend").trials == 6
    assert 0.0 <= told["evidence"]["pbo"] <= 1.0
    # SOL had ended before what was held out.
    later = run_on(replace(REQUEST, params=found.best.params, start_ms=cut), markets[:2])
    assert told["best"]["held_out"] == later.as_object()["metrics"]
    again = sweep(REQUEST, Plan(SPACE), markets, workspace, threads=1).as_object()
    assert again == told, "what is kept is not run again, and is not another try"


def test_one_market_in_a_list_is_that_market(markets, workspace):
    one, same = (sweep(REQUEST, Plan(SPACE), given, workspace) for given in (markets[0], markets[:1]))
    assert one.as_object() == same.as_object()


def test_each_test_is_the_portfolio_on_what_the_one_before_left(markets, workspace):
    plan = WalkPlan(Plan(SPACE), train_ms=40 * DAY, test_ms=20 * DAY)
    found = walkforward(REQUEST, plan, markets, workspace)
    capital, seen = REQUEST.capital, set()
    for fold in found.folds.folds:
        window = fold.window
        there = [one for one in markets if len(one.between(window.test_from, window.test_to))]
        seen.add(len(there))
        own = run_on(
            replace(
                REQUEST, params=fold.params, capital=capital,
                start_ms=window.test_from, end_ms=window.test_to,
            ),
            there,
        )  # fmt: skip
        assert fold.out_of_sample == own.as_object()["metrics"]
        assert [one.pnl for one in fold.trades] == own.trades.pnl.tolist()
        assert [one.symbol for one in fold.trades] == own.trades.symbol.tolist()
        capital = float(own.equity[-1])
    assert seen == {2, 3}, "a market takes part where it is there"
    assert found.metrics.final_equity == capital
    assert 0.0 < found.metrics.time_in_market <= 1.0
    earns = found.evidence["mean_trade"]["value"] > 0.0
    assert (found.evidence["break_even"]["size"] is not None) == earns
    told = json.loads(json.dumps(found.as_object()))
    assert told["symbols"] == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    assert Folds.from_object(told) == found.folds


def test_held_is_an_equal_share_of_each(markets, workspace):
    plan = WalkPlan(Plan({"fast": "5", "slow": "40"}), train_ms=40 * DAY, test_ms=20 * DAY)
    found = walkforward(REQUEST, plan, markets[:1] + markets[2:], workspace)
    start, end = int(found.ts[0]), int(found.ts[-1]) + 3_600_000
    parts = [one.between(start, end) for one in (markets[0], markets[2])]
    held = np.mean([part.close[-1] / part.open[0] - 1.0 for part in parts])
    assert found.metrics.buy_and_hold_return == pytest.approx(held)


def test_what_is_open_at_the_end_of_training_is_no_trade_of_it(markets):
    checked = 0
    for end in range(1_500, 1_900, 50):
        run = run_on(
            replace(REQUEST, params={"fast": 5, "slow": 40}, end_ms=int(markets[0].ts[end])), markets
        )
        equity, records = without_open(run)
        assert np.array_equal(equity, run.equity), "its marks were known"
        left = np.count_nonzero(run.trades.exit_reason == "end")
        assert len(records) == len(run.records) - left
        checked += left > 0
    assert checked > 3


def test_the_library_takes_a_list(markets, workspace):
    found = ca.sweep(markets, "ema_trend", size=0.4, max_open=2, fast=[5, 10, 20], slow=[40, 80])
    assert found.as_object() == sweep(REQUEST, Plan(SPACE), markets, workspace).as_object()
    with pytest.raises(InputError, match="a list of several, was dict"):
        ca.sweep({}, "ema_trend", fast=5)
    with pytest.raises(InputError, match="two candles of BTC/USDT"):
        ca.walkforward([markets[0]] * 2, "ema_trend", fast=5, train="40d", test="20d")
