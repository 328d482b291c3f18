"""Significance against the papers' examples, and calibrated on noise."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cryptai.analytics import significance as sig


def _published(shared, word):
    cases = json.loads((shared / "data/conformance/metrics/sharpe_statistics.json").read_text())
    found = [case for case in cases if word in case["quantity"]]
    assert found
    return found


@pytest.mark.shared
def test_the_published_examples(shared):
    for case in _published(shared, "expected maximum"):
        assert sig.expected_maximum(case["inputs"]["N"]) == pytest.approx(case["expected"], rel=1e-8)
    for case in _published(shared, "PSR"):
        given = case["inputs"]
        found = sig.probabilistic_sharpe(
            given["sr_per_period"], given["n"], given["skew"], given["kurtosis"], benchmark=given["benchmark"]
        )
        digits = {"abs": 5e-4} if "decimals" in case else {"rel": 1e-8}
        assert found == pytest.approx(case["expected"], **digits)
    for case in _published(shared, "DSR"):
        given = case["inputs"]
        year = math.sqrt(given["periods_per_year"])
        found = sig.deflated_sharpe(
            given["sr_annual"] / year, given["n"], given["n_trials"],
            math.sqrt(given["var_sr_annual"]) / year, given["skew"], given["kurtosis"],
        )  # fmt: skip
        assert found == pytest.approx(case["expected"], rel=1e-8)
    for case in _published(shared, "track record"):
        given = case["inputs"]
        year = given["periods_per_year"]
        found = sig.minimum_track_record(
            given["sr_annual"] / math.sqrt(year), given["skew"], given["kurtosis"],
            benchmark=given["benchmark_annual"] / math.sqrt(year), confidence=given["prob"],
        )  # fmt: skip
        assert found / year == pytest.approx(case["expected"], rel=1e-8)


def test_a_record_as_long_as_the_least_one_is_just_enough():
    needed = sig.minimum_track_record(0.1, -0.5, 5.0, benchmark=0.02)
    just = sig.probabilistic_sharpe(0.1, round(needed), -0.5, 5.0, benchmark=0.02)
    assert just == pytest.approx(0.95, abs=1e-3)
    assert sig.minimum_track_record(0.02, benchmark=0.02) is None


def test_more_trials_deflate():
    found = [sig.deflated_sharpe(0.1, 500, trials, sig.chance_deviation(500)) for trials in (1, 2, 10, 200)]
    assert found == sorted(found, reverse=True)
    assert found[0] == sig.probabilistic_sharpe(0.1, 500)
    assert found[-1] < 0.5 < found[0]


def test_the_best_of_many_searches_on_noise_rarely_passes():
    generator = np.random.default_rng(20_261_121)
    passed, searches, trials, days = 0, 400, 30, 250
    for _ in range(searches):
        ratios, best = [], None
        for column in generator.normal(0.0, 0.01, (trials, days)):
            found = sig.moments(column)
            assert found
            ratios.append(found[0])
            best = found if best is None or found[0] > best[0] else best
        spread = float(np.std(ratios, ddof=1))
        told = sig.deflated_sharpe(best[0], days, trials, spread, best[1], best[2])
        passed += told > 0.95
    assert passed / searches <= 0.05


def test_moments_of_known_series():
    assert sig.moments(np.array([1.0, 2.0])) is None
    assert sig.moments(np.full(9, 0.01)) is None
    ratio, skewness, kurtosis = sig.moments(np.array([-1.0, 0.0, 0.0, 1.0]))
    assert (ratio, skewness, kurtosis) == (0.0, 0.0, pytest.approx(2.0))


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (23, 41, 0.4104, 0.7011), (1, 1, 0.2065, 1.0)],
)
def test_wilsons_interval(hits, trials, low, high):
    assert sig.wilson(hits, trials) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert sig.wilson(0, 0) is None


def test_the_bootstrap_covers_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(3)
    covered = 0
    for seed in range(400):
        low, high = sig.bootstrap_mean(generator.normal(0.5, 1.0, 60), seed=seed, draws=400)
        covered += low <= 0.5 <= high
    # 95 %, within three standard errors of 400 tries and the percentile method's known shortfall.
    assert 0.90 <= covered / 400 <= 0.985
    assert sig.bootstrap_mean(np.array([1.0])) is None
