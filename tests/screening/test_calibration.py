"""Confidence: a probability only where it was found to be one, else a rank."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cryptai.screening.calibration import FEWEST, FINE, as_told, calibrate, isotonic, together
from cryptai.screening.outcomes import STOP, TARGET
from cryptai.screening.past import ROW, PastSetups

from .made import HOUR


def world(seed, n=6_000, *, true=lambda q: q, later=None):
    """Return setups whose target comes first with a probability that is a function of their quality."""
    random = np.random.default_rng([31, seed])
    rows = np.zeros(n, ROW)
    rows["decided_ms"] = np.arange(n) * 10 * HOUR
    rows["resolved_ms"] = rows["decided_ms"] + 5 * HOUR
    rows["side"], rows["quality"] = 1, random.uniform(0.3, 0.9, n)
    chance = true(rows["quality"]).copy()
    if later is not None:
        chance[n * 3 // 4 :] = later(rows["quality"][n * 3 // 4 :])
    rows["outcome"] = np.where(random.random(n) < chance, TARGET, STOP)
    return PastSetups({}, ("BTC/USDT",), rows)


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_the_nearest_that_never_falls(seed):
    random = np.random.default_rng(seed)
    x, y = np.sort(random.random(6)), random.integers(0, 2, 6).astype(float)
    knots, values = isotonic(x, y)
    told = values[np.minimum(np.searchsorted(knots, x), len(values) - 1)]
    assert (np.diff(told) >= 0).all()
    # Every curve of steps whose values are means of some of these is no nearer.
    means = sorted({float(np.mean(y[i:j])) for i in range(6) for j in range(i + 1, 7)})
    best = min(
        sum((a - b) ** 2 for a, b in zip(curve, y, strict=True))
        for curve in itertools.combinations_with_replacement(means, 6)
    )
    assert float(np.square(told - y).sum()) == pytest.approx(best)


def test_what_stays_as_it_was_is_called_a_probability():
    made = [calibrate([world(seed)]) for seed in range(12)]
    # The bound is of chance alone, at 95 of 100; that the curve was fitted itself takes a little of that.
    assert sum(one.trusted for one in made) >= 9
    told = made[0].confidence(0.7)
    assert told["kind"] == "probability"
    assert told["value"] == pytest.approx(0.7, abs=0.12)


def test_what_has_changed_since_is_a_rank():
    for seed in range(4):
        made = calibrate([world(seed, later=lambda q: 0.4 * q)])
        assert not made.trusted
        assert made.error > made.bound
        assert made.confidence(0.6) == {"kind": "rank", "value": pytest.approx(0.5, abs=0.06)}


def test_too_few_are_a_rank_and_none_at_all_nothing():
    few = calibrate([world(1, FEWEST - 1)])
    assert few.error is None
    assert few.confidence(0.95)["value"] == 1.0
    assert calibrate([]).confidence(0.5) == {"kind": "rank", "value": None}
    assert few.confidence(float("nan")) == {"kind": "rank", "value": None}


def test_a_test_too_coarse_to_have_found_an_error_is_not_believed():
    made = [calibrate([world(seed, 800)]) for seed in range(4)]
    assert all(one.bound > FINE and not one.trusted for one in made)
    assert any(one.error <= one.bound for one in made)


def test_what_was_still_under_way_when_the_test_began_is_in_neither():
    past = world(2)
    rows = past.rows.copy()
    rows["resolved_ms"][:4_500] = rows["decided_ms"][:4_500]
    rows["resolved_ms"][4_490:4_500] = rows["decided_ms"][4_500] + HOUR
    # Ten of one market overlap: the first of them is kept, and had not ended.
    made = calibrate([PastSetups({}, past.symbols, rows)])
    assert made.fitted < calibrate([past]).fitted


@pytest.mark.parametrize("seed", range(3))
def test_what_is_told_month_by_month_holds_in_a_world_that_stays(seed):
    told = as_told(world(seed, 8_000), 6_000 * 10 * HOUR).probabilities()
    assert len(told.forecast) > 1_500
    error, bound = told.tested()
    assert error < bound * 1.5


def test_a_world_that_changes_is_told_of_no_more():
    # The promise breaks at the change; once the test has seen it, no probability is told.
    changed = world(1, 8_000, later=lambda q: 0.3 * q)
    told = as_told(changed, 6_000 * 10 * HOUR)
    assert len(told.forecast) == 2_000
    assert 0 < told.told.sum() < 1_000
    error, bound = told.probabilities().tested()
    assert error > bound


def test_nothing_is_told_by_what_came_later():
    past = world(4, 6_000)
    start, until = 5_000 * 10 * HOUR, 5_500 * 10 * HOUR
    known = PastSetups({}, past.symbols, past.rows[past.rows["resolved_ms"] <= until])
    whole, early = as_told(past, start), as_told(known, start)
    assert len(early.forecast) > 100
    assert (whole.forecast[: len(early.forecast)] == early.forecast).all()
    assert together([whole, early]).forecast.size == len(whole.forecast) + len(early.forecast)
    assert together([]).tested() is None


def test_nothing_that_ended_later_is_seen():
    past = world(3)
    until = 4_500 * 10 * HOUR
    known = PastSetups({}, past.symbols, past.rows[past.rows["resolved_ms"] <= until])
    assert calibrate([past], until_ms=until).as_object() == calibrate([known]).as_object()
