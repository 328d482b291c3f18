"""Empyrical's own cases: each one is ours too, or stands in the table of differences with its reason."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cryptai.analytics import returns as stats

# Metric and series: why it is None here. So it stands in docs/guide/results.md.
DIFFERENT = {
    ("annual_ret", "mixed_returns"): "nine days are no year",
    ("cagr", "mixed_returns"): "nine days are no year",
    ("cagr", "one_return"): "one day is no year",
    ("sharpe_ratio", "flat_line_1"): "without a deviation there is no ratio; it says infinite",
}
PERIODS = {"daily": 252, "weekly": 52, "monthly": 12, "yearly": 1}


@pytest.fixture
def cases(shared):
    told = json.loads((shared / "data/conformance/metrics/empyrical_cases.json").read_text())
    series = {
        name: np.array([np.nan if one is None else one for one in given["values"]])
        for name, given in told["series"].items()
    }
    return told["cases"], series


def grown(returns):
    return np.cumprod(np.append(1.0, 1.0 + np.nan_to_num(returns)))


def ours(case, series):
    metric, returns = case["metric"], series[case.get("returns", case.get("prices"))]
    known = returns[np.isfinite(returns)]
    if metric == "simple_returns":
        with np.errstate(divide="ignore"):
            return (np.diff(returns) / returns[:-1]).tolist()
    if metric.startswith("cum_returns"):
        start = case["starting_value"]
        path = grown(returns)[1:] * (start or 1.0) - (0.0 if start else 1.0)
        return path.tolist() if metric == "cum_returns" else float(path[-1]) if len(path) else None
    if metric == "max_drawdown":
        return -float(stats.drawdowns(grown(returns)).max()) if len(returns) else None
    if metric in ("annual_ret", "cagr"):
        days = len(returns) / PERIODS[case["period"]] * 365.0
        return stats.cagr(float(grown(returns)[-1]), days) if len(returns) else None
    if metric == "annual_volatility":
        return stats.volatility(known, PERIODS[case["period"]])
    free = case["risk_free"]
    return stats.sharpe(known - (series[free][np.isfinite(returns)] if isinstance(free, str) else free), 252)


@pytest.mark.shared
def test_each_case_is_ours_too_or_a_difference_with_a_reason(cases):
    table, series = cases
    assert len(table) == 39
    met = set()
    for case in table:
        found, expected = ours(case, series), case["expected"]
        key = case["metric"], case.get("returns", case.get("prices"))
        if isinstance(expected, list):
            wanted = [math.inf if one == "inf" else math.nan if one is None else one for one in expected]
            # Where a return is missing there is no growth: empyrical tells NaN for 0 here and there.
            assert np.nan_to_num(found) == pytest.approx(np.nan_to_num(wanted), abs=2e-5), (
                key
            )  # told with five or six digits
        elif key in DIFFERENT and case.get("risk_free", 0.0) == 0.0:
            assert found is None, key
            met.add(key)
        elif expected is None:
            assert found is None, key
        else:
            # Some are told with five digits, the others in full.
            exact = {"abs": 1e-4} if case["metric"] == "cum_returns_final" else {"rel": 1e-7, "abs": 1e-9}
            assert found == pytest.approx(expected, **exact), key
    assert met == DIFFERENT.keys()


@pytest.mark.shared
def test_where_quantstats_differs_it_is_by_the_convention_that_is_told(shared):
    import polars as pl

    closes = pl.read_parquet(shared / "data/candles/spot/LTCUSDT_1d.parquet")["close"].to_numpy()
    told = json.loads((shared / "data/conformance/metrics/generated_LTCUSDT_daily.json").read_text())
    found, other = np.diff(closes) / closes[:-1], told["quantstats_0.0.86"]
    assert stats.expected_shortfall_normal(found) == pytest.approx(other["cvar_95"], rel=1e-9)
    assert stats.expected_shortfall(found) != pytest.approx(other["cvar_95"], rel=0.05)
    won, lost = found[found > 0], found[found < 0]
    assert len(won) / (len(won) + len(lost)) == pytest.approx(other["win_rate"], rel=1e-12)
    assert won.sum() / -lost.sum() == pytest.approx(other["profit_factor"], rel=1e-12)
    assert stats.omega(found) == pytest.approx(other["omega"], rel=1e-12)
    rate, ratio = len(won) / (len(won) + len(lost)), won.mean() / -lost.mean()
    assert rate - (1 - rate) / ratio == pytest.approx(other["kelly"], rel=1e-9)


@pytest.mark.shared
def test_the_expectancy_of_freqtrades_case(shared):
    told = json.loads((shared / "data/conformance/metrics/freqtrade_small_cases.json").read_text())
    (case,) = [one for one in told if one["metric"] == "expectancy"]
    from tests.analytics.test_metrics import _trades

    from cryptai.analytics.metrics import measure

    pnl = case["profits"]
    table = _trades(*pnl, bars=tuple((2 * i, 2 * i + 1) for i in range(len(pnl))))
    found = measure(1_000.0, 1_450.0, 0.1, 40, np.array([1_450.0]), table)
    assert found.expectancy == pytest.approx(case["expected"])
    # Its ratio is the Kelly fraction times the average win over the average loss.
    ratio = found.kelly * found.average_win / -found.average_loss
    assert ratio == pytest.approx(case["expectancy_ratio"], abs=1e-8)
