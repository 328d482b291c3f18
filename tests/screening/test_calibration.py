"""Confidence: a probability only where it was found to be one, else a rank."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cryptai.screening.calibration import FEWEST, calibrate, isotonic
from cryptai.screening.outcomes import STOP, TARGET
from cryptai.screening.past import ROW, PastSetups

from .made import HOUR


def world(seed, n=1_200, *, true=lambda q: q, later=None):
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
    for seed in range(10):
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


def test_the_test_may_begin_at_a_day_and_sees_nothing_it_was_fitted_on():
    past = world(2)
    start = 600 * 10 * HOUR
    made = calibrate([past], test_from_ms=start)
    assert (made.fitted, made.tested) == (600, 600)
    assert calibrate([past], test_from_ms=0).error is None
    assert calibrate([past], test_from_ms=1_190 * 10 * HOUR).error is None
    # What was still under way when the test begins is in neither.
    long = past.rows.copy()
    long["resolved_ms"][590:600] = start + HOUR
    long["resolved_ms"][:590] = long["decided_ms"][:590]
    late = calibrate([PastSetups({}, past.symbols, long)], test_from_ms=start)
    assert late.fitted < 600


def test_nothing_that_ended_later_is_seen():
    past = world(3)
    until = 900 * 10 * HOUR
    known = PastSetups({}, past.symbols, past.rows[past.rows["resolved_ms"] <= until])
    assert calibrate([past], until_ms=until).as_object() == calibrate([known]).as_object()
