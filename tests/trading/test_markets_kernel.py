"""The loop over many markets: with one market and plain rules it is the plain kernel, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cryptai.analytics.metrics import measure
from cryptai.market.candles import Candles
from cryptai.portfolio.rules import Rules
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs
from cryptai.trading.market import Market
from cryptai.trading.markets import simulate_markets

from .worlds import random_candles, random_script


def _plain_world(seed):
    rng = np.random.default_rng([5, seed])
    candles = random_candles(
        rng, int(rng.integers(2, 400)), volatility=float(rng.choice([0.002, 0.01, 0.03]))
    )
    nan = float("nan")
    stop = nan if rng.random() < 0.15 else float(rng.uniform(0.005, 0.12))
    rules = Rules(
        stop,
        nan if rng.random() < 0.15 else float(rng.uniform(0.03, 0.2)),
        float(rng.choice([0.25, 1.0])),
        float(rng.uniform(0.002, 0.05)) if not np.isnan(stop) and rng.random() < 0.3 else nan,
    )
    costs = Costs(float(rng.choice([0.0, 0.001, 0.01])), float(rng.choice([0.0, 0.0005, 0.005])))
    return candles, random_script(rng, len(candles)), rules, costs, bool(rng.random() < 0.5)


def test_one_market_by_plain_rules_is_the_plain_kernel_to_the_last_bit():
    undecided = 0
    for seed in range(300):
        candles, script, rules, costs, ends = _plain_world(seed)
        plain = backtest(candles, script, rules=rules, costs=costs, min_reward_risk=0, close_at_end=ends)
        full = simulate_markets(
            [Market(candles, script.signals(candles))], rules=rules, costs=costs, close_at_end=ends
        )
        assert full.equity.tobytes() == plain.equity.tobytes(), seed
        assert full.trades.tobytes() == plain.records.tobytes(), seed
        metrics = measure(
            10_000.0, float(full.equity[-1]), full.max_drawdown, len(candles), full.daily, full.trades,
            span_ms=int(candles.ts[-1] - candles.ts[0]) + candles.timeframe.ms,
            held=float(candles.close[-1] / candles.open[0] - 1.0),
        )  # fmt: skip
        assert metrics == plain.metrics, seed
        undecided += int(full.trades["undecided"].sum())
    assert undecided > 10  # a test of the test


def _portfolio(seed, count=4):
    rng = np.random.default_rng([6, seed])
    markets = []
    for i in range(count):
        candles = random_candles(rng, int(rng.integers(50, 250)), volatility=0.02)
        candles = replace(candles, symbol=f"M{i}/USDT")
        markets.append(Market(candles, random_script(rng, len(candles)).signals(candles)))
    return markets


def test_a_calm_bar_passed_unseen_is_the_bar_that_was_looked_at():
    never = 1e7  # a time stop that no bar reaches, but that every bar must be held against
    for seed in range(60):
        markets, rules = _portfolio(seed), Rules(size=0.4, stop=0.1, target=0.15, max_open=3.0)
        seen = simulate_markets(markets, rules=rules._replace(max_bars=never), fills=True)
        passed = simulate_markets(markets, rules=rules, fills=True)
        for name in ("equity", "daily", "trades", "fills"):
            assert getattr(seen, name).tobytes() == getattr(passed, name).tobytes(), (seed, name)
        assert seen.refused == passed.refused
        assert seen.account.tobytes() == passed.account.tobytes()


def test_the_order_of_markets_decides_between_equal_entries_and_nothing_else():
    for seed in range(20):
        markets = _portfolio(seed)
        plenty = Rules(size=0.01, stop=0.1, target=0.15)
        there, back = (simulate_markets(some, rules=plenty) for some in (markets, markets[::-1]))
        assert len(there.trades) == len(back.trades) > 0
        assert np.allclose(there.equity, back.equity, rtol=1e-12, atol=0)


def test_nothing_to_run_is_an_empty_run():
    empty = simulate_markets([])
    assert (len(empty.clock), len(empty.equity), len(empty.trades), empty.refused) == (0, 0, 0, {})


def test_markets_that_begin_and_end_together_may_miss_other_bars():
    rng = np.random.default_rng(9)
    whole = random_candles(rng, 100, holes=0.0)
    found = []
    for missing in (40, 60):
        rows = np.delete(np.arange(100), missing)
        columns = [getattr(whole, name)[rows] for name in ("ts", "open", "high", "low", "close", "volume")]
        candles = Candles(*columns, f"M{missing}/USDT", "1h")
        found.append(Market(candles, random_script(rng, 99).signals(candles)))
    both = simulate_markets(found)
    assert both.clock.tolist() == whole.ts.tolist()
    assert simulate_markets(found[:1]).clock.tolist() == found[0].candles.ts.tolist()
    assert simulate_markets([found[1], found[1]]).clock.tolist() == found[1].candles.ts.tolist()
