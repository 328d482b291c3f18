"""Monte-Carlo: the draws have the laws that their names promise."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.research.monte_carlo import mean_block, monte_carlo, of_days, of_trades, stationary

RETURNS = np.array([0.1, -0.05, 0.03, -0.2, 0.15, 0.02])


def fall(path):
    curve = np.r_[1.0, np.cumprod(1.0 + path)]
    return float((1.0 - curve / np.maximum.accumulate(curve)).max())


def test_another_order_ends_where_the_trades_end_and_falls_as_all_orders_do():
    found = of_trades(RETURNS, shuffle=True, draws=40_000)
    end = float(np.prod(1.0 + RETURNS)) - 1.0
    assert found.total_return.p05 == pytest.approx(end)
    assert found.total_return.p95 == pytest.approx(end)
    falls = [fall(RETURNS[list(order)]) for order in permutations(range(6))]
    for level, value in (
        (5, found.max_drawdown.p05),
        (50, found.max_drawdown.p50),
        (95, found.max_drawdown.p95),
    ):
        low, high = np.percentile(falls, [max(0, level - 2), min(100, level + 2)])
        assert low - 1e-12 <= value <= high + 1e-12


def test_drawing_again_has_the_mean_and_spread_of_independent_draws():
    found = of_trades(RETURNS, draws=40_000, seed=3)
    logs = np.log1p(RETURNS)
    middle, spread = 6 * logs.mean(), np.sqrt(6) * logs.std()
    assert np.log1p(found.total_return.p50) == pytest.approx(middle, abs=0.03)
    wide = np.log1p(found.total_return.p95) - np.log1p(found.total_return.p05)
    assert wide == pytest.approx(2 * 1.645 * spread, rel=0.1)
    assert 0.0 < found.loss < 1.0


def test_blocks_begin_anywhere_go_on_and_are_geometrically_long():
    rows = stationary(np.random.default_rng(5), 200, 10.0, 500)
    assert rows.min() == 0
    assert rows.max() == 199
    counts = np.bincount(rows.ravel(), minlength=200)
    assert counts.std() < 4 * np.sqrt(500 * 10), "every row as often as another"
    goes_on = np.diff(rows, axis=1) % 200 == 1
    # One in ten begins anew; of those one in two hundred goes on by chance.
    assert goes_on.mean() == pytest.approx(0.9 + 0.1 / 200, abs=0.005)
    assert set(np.unique(stationary(np.random.default_rng(5), 50, 50.0, 3)).tolist()) <= set(range(50))


def test_blocks_keep_what_days_have_to_do_with_each_other():
    rng = np.random.default_rng(8)
    # Ten days that go together, as many up as down.
    calm = np.repeat(rng.permutation(np.r_[np.full(30, -0.01), np.full(30, 0.01)]), 10)
    alone, together = of_days(calm, block=1.0), of_days(calm, block=20.0)
    assert together.max_drawdown.p50 > 1.5 * alone.max_drawdown.p50
    assert of_days(calm).block == mean_block(600) == 8.0


def test_the_same_seed_draws_the_same():
    assert of_days(RETURNS, seed=4) == of_days(RETURNS, seed=4)
    assert of_days(RETURNS, seed=4) != of_days(RETURNS, seed=5)


def test_a_run_is_told_by_its_trades_and_days():
    found = {"capital": 100.0, "trades": [{"pnl": 10.0}, {"pnl": -11.0}, {"pnl": 9.9}]}
    told = monte_carlo(found, np.array([0.1, -0.1, 0.1]), draws=500)
    assert set(told) == {"trades", "order", "blocks"}
    assert told["order"]["total_return"]["p50"] == pytest.approx(0.089)
    assert told["order"]["pieces"] == 3
    assert monte_carlo({"capital": 100.0, "trades": []}, None) == {
        "trades": None,
        "order": None,
        "blocks": None,
    }
    lost = {"capital": 100.0, "trades": [{"pnl": -100.0}, {"pnl": 5.0}]}
    assert monte_carlo(lost, None)["trades"] is None, "of a lost account nothing can be drawn"


def test_a_block_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="from 1 to 6 rows"):
        of_days(RETURNS, block=7.0)
