"""Several tests at once: Holm by hand, Hansen's test calibrated on noise and sharp on an edge."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.analytics.several import holm, superior
from cryptai.errors import InputError
from cryptai.research.monte_carlo import stationary


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.6, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


def tried(seed, edge=0.0, columns=8, rows=250, spread=0.01):
    rng = np.random.default_rng([seed, 81])
    common = rng.normal(0.0, spread / 2, (rows, 1))
    returns = rng.normal(0.0, spread, (rows, columns)) + common
    returns[:, 0] += edge
    return superior(returns, stationary(rng, rows, 4.0, 400))


def test_on_noise_the_best_of_many_is_seldom_called_superior():
    found = [tried(seed) for seed in range(200)]
    bound = 0.05 * 200 + 3 * np.sqrt(200 * 0.05 * 0.95)
    assert sum(one.best <= 0.05 for one in found) <= bound
    assert sum(min(one.adjusted) <= 0.05 for one in found) <= bound
    # A test of the test: without the correction noise is called superior far too often.
    assert sum(min(one.chances) <= 0.05 for one in found) > 2 * bound


def test_a_true_edge_is_found_and_only_that_one():
    found = [tried(seed, edge=0.004) for seed in range(20)]
    assert all(one.best < 0.05 for one in found)
    assert all(one.adjusted[0] < 0.05 for one in found)
    assert np.mean([sum(p <= 0.05 for p in one.adjusted[1:]) for one in found]) < 0.2


def test_hopeless_candidates_do_not_hide_a_good_one():
    rng = np.random.default_rng(3)
    returns = rng.normal(0.0, 0.01, (250, 2))
    returns[:, 0] += 0.0012
    draws = stationary(rng, 250, 4.0, 2_000)
    alone = superior(returns[:, :1], draws).best
    many = np.hstack([returns[:, :1], rng.normal(-0.02, 0.01, (250, 60))])
    assert superior(many, draws).best == pytest.approx(alone, abs=0.01)


def test_what_does_not_move_is_nobodys_best():
    found = superior(np.zeros((30, 2)), stationary(np.random.default_rng(1), 30, 3.0, 50))
    assert found.chances == (1.0, 1.0)
    assert found.best == 1.0


def test_draws_of_another_length_are_refused():
    with pytest.raises(InputError, match="30 rows"):
        superior(np.zeros((30, 2)), np.zeros((5, 31), np.int64))
