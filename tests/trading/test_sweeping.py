"""Many sets at once give what each gives alone."""

from __future__ import annotations

import threading
from dataclasses import asdict

import numpy as np
import pytest

from cryptai.analytics.returns import daily_returns
from cryptai.errors import InputError
from cryptai.portfolio.rules import Rules
from cryptai.strategies.ema_trend import EmaTrend
from cryptai.strategies.strategy import build
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs
from cryptai.trading.sweeping import run_many
from tests.trading.worlds import random_candles

SETS = [{"fast": fast, "slow": slow} for fast in (3, 5, 8) for slow in (13, 21)]


@pytest.fixture(scope="module")
def candles():
    return random_candles(np.random.default_rng(5), 3_000)


@pytest.mark.parametrize("threads", [1, 2])
def test_each_set_has_the_metrics_and_daily_returns_of_its_own_backtest(candles, threads):
    rules, costs = Rules(stop=0.04, target=0.09, size=0.7), Costs(0.0007, 0.0002)
    many = run_many(candles, EmaTrend, SETS, rules=rules, costs=costs, threads=threads, returns=True)
    for index, one in enumerate(SETS):
        alone = backtest(candles, build(EmaTrend, one), rules=rules, costs=costs)
        assert asdict(many.metrics[index]) == asdict(alone.metrics)
        assert (many.returns[:, index] == daily_returns(alone.capital, alone.ts, alone.equity)).all()


def test_a_part_of_the_candles_is_run_with_the_bars_before_as_warm_up(candles):
    start, end = int(candles.ts[700]), int(candles.ts[2200])
    many = run_many(candles, EmaTrend, SETS, start_ms=start, end_ms=end, returns=True)
    for one, metrics in zip(SETS, many.metrics, strict=True):
        assert metrics == backtest(candles, build(EmaTrend, one), start_ms=start, end_ms=end).metrics
    assert many.returns.shape == (len(many.days), len(SETS))


def test_what_is_done_is_told_once_for_each_set(candles):
    told = {}
    many = run_many(candles, EmaTrend, SETS, threads=2, on_done=told.__setitem__)
    assert [told[index] for index in range(len(SETS))] == many.metrics


def test_a_stopped_sweep_begins_no_further_set(candles):
    stop = threading.Event()
    many = run_many(candles, EmaTrend, SETS, on_done=lambda *_: stop.set(), stop=stop, returns=True)
    assert many.metrics[0] is not None
    assert many.metrics[-1] is None
    assert not many.returns[:, -1].any()


def test_a_set_that_cannot_be_is_refused(candles):
    with pytest.raises(InputError, match="fast"):
        run_many(candles, EmaTrend, [{"fast": 30, "slow": 20}])
    with pytest.raises(InputError, match="threads"):
        run_many(candles, EmaTrend, SETS, threads=0)


def test_an_empty_list_of_sets_gives_nothing(candles):
    assert run_many(candles, EmaTrend, []).metrics == []
