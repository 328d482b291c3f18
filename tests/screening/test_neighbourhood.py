"""The neighbourhood of a strategy's parameters, and the probability that the best of it is luck."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.screening.neighbourhood import MOST_MARKETS, TRY, neighbours, overfitting, tries
from cryptai.screening.past import past_setups
from cryptai.strategies.compose import Blend
from cryptai.strategies.strategy import build, parameters, strategies, values_of
from cryptai.trading.costs import Costs

from .made import HOUR, Scripted, walk

DAY = 24 * HOUR
EMA = strategies.get("ema_trend")


def rows(edges, *, n=600, seed=0):
    """Return so many setups a set, one a day, each set with its own mean return."""
    random = np.random.default_rng([91, seed])
    found = np.zeros(n * len(edges), TRY)
    found["set"] = np.repeat(np.arange(len(edges)), n)
    found["decided_ms"] = np.tile(np.arange(n) * DAY, len(edges))
    found["resolved_ms"] = found["decided_ms"] + HOUR
    found["net"] = random.normal(np.repeat(edges, n), 0.05)
    return found


@pytest.mark.parametrize("name", strategies.names())
def test_every_strategy_is_first_among_its_neighbours(name):
    made = build(strategies.get(name), {})
    found = neighbours(made)
    assert found[0] is made
    assert 1 <= len(found) <= 9
    told = [values_of(one) for one in found]
    assert all(a != b for i, a in enumerate(told) for b in told[:i])
    for one in told:
        for declared in parameters(type(made)):
            assert isinstance(one[declared.name], declared.type) or declared.type is float
            if declared.type is not bool:
                assert declared.low <= one[declared.name] <= declared.high


def test_sets_that_do_not_go_together_are_left_out():
    # Half of the slow average is not slower than twice the fast one.
    assert {(one.fast, one.slow) for one in neighbours(EMA(fast=12, slow=26))} == {
        (12, 26), (6, 13), (6, 26), (6, 52), (12, 13), (12, 52), (24, 26), (24, 52),
    }  # fmt: skip


def test_what_is_no_number_has_no_neighbours():
    blend = Blend((EMA(), strategies.get("breakout")()), (0.5, 0.5))
    assert neighbours(blend) == [blend]
    assert neighbours(Scripted((1, 2))) == [Scripted((1, 2))]


def test_a_set_that_is_better_everywhere_is_no_luck():
    assert overfitting(rows([0.0, 0.0, 0.03, 0.0]), 10**15) == 0.0


def test_among_equal_sets_the_best_is_luck_half_of_the_time():
    told = [overfitting(rows([0.0] * 8, n=300, seed=seed), 10**15) for seed in range(60)]
    error = float(np.std(told)) / np.sqrt(len(told))
    assert abs(float(np.mean(told)) - 0.5) < 3 * error


def test_too_little_says_nothing():
    assert overfitting(np.empty(0, TRY), 10**15) is None
    assert overfitting(rows([0.0, 0.1], n=29), 10**15) is None
    assert overfitting(rows([0.0], n=600), 10**15) is None
    together = rows([0.0, 0.1], n=60)
    together["decided_ms"] = 0
    assert overfitting(together, 10**15) is None


def test_it_knows_nothing_that_ended_later():
    made = rows([0.0, 0.01, 0.02])
    middle = 300 * DAY
    known = made[made["resolved_ms"] <= middle]
    assert overfitting(made, middle) == overfitting(known, 10**15)
    assert overfitting(made, middle) != overfitting(made, 10**15)


def test_setups_of_a_set_are_followed_as_the_strategys_own_and_do_not_overlap():
    candles = walk(1, 3_000)
    made = tries([EMA(), EMA(fast=6)], {"BTC/USDT": [candles]}, Costs())
    past = past_setups(EMA(), {"BTC/USDT": [candles]}, exchange="binance").rows
    own = made[made["set"] == 0]
    assert np.isin(own["net"], past["net"]).all()
    assert set(made["set"]) == {0, 1}
    for number in (0, 1):
        mine = made[made["set"] == number]
        assert (mine["decided_ms"][1:] >= mine["resolved_ms"][:-1]).all()


def test_only_the_markets_with_most_history_are_looked_at():
    markets = {f"C{i:02d}/USDT": [walk(i, 400 + i, f"C{i:02d}/USDT")] for i in range(MOST_MARKETS + 3)}
    longest = {name: markets[name] for name in sorted(markets)[3:]}
    one = Scripted((50, 200))
    assert (np.sort(tries([one], markets, Costs())) == np.sort(tries([one], longest, Costs()))).all()
