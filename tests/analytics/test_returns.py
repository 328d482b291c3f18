"""Statistics of returns against other libraries' numbers, published examples, and by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from cryptai.analytics import returns as stats


@pytest.fixture
def ltc(shared):
    closes = pl.read_parquet(shared / "data/candles/spot/LTCUSDT_1d.parquet")["close"].to_numpy()
    told = json.loads((shared / "data/conformance/metrics/generated_LTCUSDT_daily.json").read_text())
    found = np.diff(closes) / closes[:-1]
    assert len(found) == told["n_returns"]
    return closes, found, told["quantstats_0.0.86"], told["empyrical_reloaded_0.7.1"]


@pytest.mark.shared
def test_ratios_of_ltc_are_those_of_empyrical_and_quantstats(ltc):
    closes, found, quantstats, empyrical = ltc
    assert stats.sharpe(found) == pytest.approx(empyrical["sharpe_ratio"], rel=1e-12)
    assert stats.sortino(found) == pytest.approx(empyrical["sortino_ratio"], rel=1e-12)
    assert stats.omega(found) == pytest.approx(empyrical["omega_ratio"], rel=1e-12)
    assert stats.volatility(found) == pytest.approx(empyrical["annual_volatility"], rel=1e-12)
    assert stats.value_at_risk(found) == pytest.approx(empyrical["var_95_historical"], rel=1e-12)
    assert stats.expected_shortfall(found) == pytest.approx(empyrical["cvar_95"], rel=1e-12)
    assert stats.value_at_risk_normal(found) == pytest.approx(quantstats["var_95_normal"], rel=1e-9)
    growth = stats.cagr(closes[-1] / closes[0], len(found))
    assert growth == pytest.approx(empyrical["annual_return"], rel=1e-12)
    worst = float(stats.drawdowns(closes).max())
    assert -worst == pytest.approx(empyrical["max_drawdown"], rel=1e-12)
    assert growth / worst == pytest.approx(empyrical["calmar_ratio"], rel=1e-12)


@pytest.mark.shared
def test_the_ulcer_index_differs_from_quantstats_by_its_denominator_alone(ltc):
    closes, _, quantstats, _ = ltc
    n = len(closes)
    ours = stats.ulcer_index(closes)
    assert ours * math.sqrt(n / (n - 2)) == pytest.approx(quantstats["ulcer_index"], rel=1e-9)


@pytest.mark.shared
def test_cagr_is_freqtrades_on_its_cases_but_for_what_is_too_short_to_say(shared):
    cases = json.loads((shared / "data/conformance/metrics/freqtrade_small_cases.json").read_text())
    (table,) = [one for one in cases if one["metric"] == "cagr"]
    for case in table["cases"]:
        found = stats.cagr(case["end"] / case["start"], case["days"])
        assert found == pytest.approx(case["expected"], abs=1e-4)


@pytest.mark.parametrize(
    ("growth", "days", "expected"),
    [(2.0, 365, 1.0), (1.0, 1000, 0.0), (0.0, 400, -1.0), (-3.0, 400, -1.0), (2.0, 29.9, None),
     (1e300, 30, None), (math.nan, 365, None)],
)  # fmt: skip
def test_a_yearly_rate_is_told_only_where_there_is_one(growth, days, expected):
    found = stats.cagr(growth, days)
    assert found is expected if expected is None else found == pytest.approx(expected, abs=1e-12)


def test_what_is_undefined_is_none():
    nothing, one, same = np.array([]), np.array([0.01]), np.full(50, 0.01)
    for function in (
        stats.sharpe, stats.sortino, stats.omega, stats.volatility, stats.value_at_risk,
        stats.value_at_risk_normal, stats.expected_shortfall, stats.expected_shortfall_normal,
    ):  # fmt: skip
        assert function(nothing) is None
    assert stats.sharpe(one) is None
    assert stats.sharpe(same) is None
    assert stats.sortino(same) is None
    assert stats.omega(same) is None
    assert stats.ulcer_index(nothing) is None
    assert stats.longest_drawdown(nothing) == 0


def test_drawdowns_by_hand():
    equity = np.array([100.0, 120.0, 90.0, 108.0, 120.0, 130.0, 117.0])
    assert stats.drawdowns(equity) == pytest.approx([0, 0, 0.25, 0.1, 0, 0, 0.1])
    assert stats.longest_drawdown(equity) == 2
    assert stats.ulcer_index(equity) == pytest.approx(math.sqrt((0.0625 + 0.01 + 0.01) / 7))


def test_the_normal_shortfall_is_that_of_the_normal_distribution():
    draws = np.random.default_rng(5).normal(0.001, 0.02, 400_000)
    assert stats.expected_shortfall_normal(draws) == pytest.approx(stats.expected_shortfall(draws), abs=2e-4)
    assert stats.value_at_risk_normal(draws) == pytest.approx(stats.value_at_risk(draws), abs=2e-4)


def test_what_is_taken_once_is_what_numpy_takes_each_time_to_the_last_bit():
    rng = np.random.default_rng(8)
    for count in (1, 2, 3, 20, 21, 22, 365, 700):
        for returns in (rng.normal(0.0, 0.02, count), np.round(rng.normal(0.0, 0.02, count), 2)):
            sample = stats.Sample(returns)
            assert sample.mean == returns.mean()
            if count > 1:
                assert sample.spread == returns.std(ddof=1)
            for level in (0.5, 0.9, 0.95, 0.99):
                assert stats.value_at_risk(sample, level) == np.quantile(returns, 1.0 - level), count
            assert stats.sharpe(sample) == stats.sharpe(returns)
            assert stats.expected_shortfall(sample) == stats.expected_shortfall(returns)
    assert np.isnan(stats.value_at_risk(np.array([0.1, np.nan])))
