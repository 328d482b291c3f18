"""Metrics against published cases and by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cryptai.analytics.metrics import measure, time_in_market
from cryptai.analytics.returns import sharpe
from cryptai.ledger.book import TRADE


def _trades(*pnl, bars=((0, 1), (1, 3), (5, 6))):
    table = np.zeros(len(pnl), TRADE)
    table["pnl"] = pnl
    table["fees"] = 1.0
    for i in range(len(pnl)):
        table["entry_bar"][i], table["exit_bar"][i] = bars[i]
    return table


def test_metrics_by_hand():
    found = measure(100.0, 130.0, 0.1, 10, np.array([110.0, 130.0]), _trades(40.0, -20.0, 10.0))
    assert found.total_return == pytest.approx(0.3)
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.profit_factor == pytest.approx(2.5)
    assert found.trades == 3
    assert found.fees == 3.0
    returns = [0.1, 130 / 110 - 1]
    mean = sum(returns) / 2
    deviation = math.sqrt(sum((r - mean) ** 2 for r in returns))
    assert found.sharpe_ratio == pytest.approx(mean / deviation * math.sqrt(365))
    # Bars 0..3 and 5..6, bar 1 shared by two trades: six of ten.
    assert found.time_in_market == pytest.approx(0.6)


def test_what_is_undefined_is_none():
    found = measure(100.0, 100.0, 0.0, 5, np.array([100.0, 100.0, 100.0]), _trades())
    assert (found.sharpe_ratio, found.win_rate, found.profit_factor) == (None, None, None)
    assert measure(100.0, 110.0, 0.0, 5, np.array([110.0]), _trades(10.0)).profit_factor is None
    assert measure(100.0, 110.0, 0.0, 5, np.array([110.0]), _trades(10.0)).sharpe_ratio is None


def test_a_trade_without_profit_is_no_win():
    assert measure(100.0, 100.0, 0.0, 5, np.array([100.0]), _trades(0.0)).win_rate == 0.0


@pytest.mark.parametrize("equity", [[100.0, 0.0, 5.0], [100.0, -5.0, 5.0]])
def test_sharpe_of_a_lost_account_is_undefined(equity):
    found = measure(100.0, equity[-1], 1.0, 3, np.array(equity[1:]), _trades())
    assert (found.sharpe_ratio, found.sortino_ratio, found.volatility) == (None, None, None)


def test_equal_returns_have_no_deviation_whatever_rounding_leaves():
    equity = 100.0 * 1.01 ** np.arange(50)
    assert sharpe(np.diff(equity) / equity[:-1]) is None


@pytest.mark.shared
def test_sharpe_agrees_with_empyrical_and_quantstats_on_ltc(shared):
    told = json.loads((shared / "data/conformance/metrics/generated_LTCUSDT_daily.json").read_text())
    from cryptai.market.files import read_candles

    closes = read_candles(shared / "data/candles/spot/LTCUSDT_1d.parquet").close
    want = [v for k, v in _walk(told) if "sharpe" in k.lower() and isinstance(v, float)]
    assert want
    # Both take √252 or √365 and the sample deviation; ours is √365.
    ours = sharpe(np.diff(closes) / closes[:-1])
    assert any(ours == pytest.approx(v * f, rel=1e-6) for v in want for f in (1.0, math.sqrt(365 / 252)))


def _walk(node, path=""):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, f"{path}/{key}")
    else:
        yield path, node


def test_the_fuller_metrics_by_hand():
    table = _trades(40.0, -20.0, 10.0)
    table["quantity"], table["entry_price"], table["exit_price"] = [1.0, -2.0, 1.0], 50.0, 60.0
    daily = np.array([110.0, 99.0, 130.0])
    found = measure(100.0, 130.0, 0.1, 10, daily, table, span_ms=365 * 86_400_000, held=0.25)
    assert found.cagr == pytest.approx(0.3)
    assert found.calmar_ratio == pytest.approx(3.0)
    assert (found.expectancy, found.average_win, found.average_loss) == (10.0, 25.0, -20.0)
    assert found.kelly == pytest.approx(2 / 3 - (1 / 3) / (25 / 20))
    assert found.sqn == pytest.approx(math.sqrt(3) * 10.0 / 30.0)
    assert found.turnover == pytest.approx(4 * 110.0 / 109.75)
    assert found.max_drawdown_days == 1
    assert found.ulcer_index == pytest.approx(math.sqrt(0.01 / 4))
    assert found.omega_ratio == pytest.approx((0.1 + (130 / 99 - 1)) / 0.1)
    assert found.var_95 == pytest.approx(-0.1 + 0.1 * 0.2)
    assert found.cvar_95 == pytest.approx(-0.1)
    assert found.buy_and_hold_return == 0.25


def test_a_yearly_rate_of_a_day_is_not_told():
    found = measure(100.0, 130.0, 0.1, 10, np.array([130.0]), _trades(30.0), span_ms=86_400_000)
    assert (found.cagr, found.calmar_ratio, found.kelly, found.sqn) == (None, None, None, None)


def test_numbers_beyond_the_range_warn_nobody():
    found = measure(1e-300, 1e300, 0.0, 3, np.array([1.0, 1e300]), _trades(1e300, -1e300))
    assert found.trades == 2


def test_the_time_in_market_counts_each_bar_once_with_holes_and_without():
    rng = np.random.default_rng(4)
    for seed in range(100):
        clock = 3_600_000 * (7 + np.arange(60))
        if seed % 2:
            clock = np.sort(rng.choice(clock, 40, replace=False))
        trades = np.zeros(int(rng.integers(0, 12)), TRADE)
        begins = rng.integers(0, len(clock), len(trades))
        ends = np.minimum(begins + rng.integers(0, 9, len(trades)), len(clock) - 1)
        trades["entry_time"], trades["exit_time"] = clock[begins], clock[ends]
        held = {bar for first, last in zip(begins, ends, strict=True) for bar in range(first, last + 1)}
        for step_ms in (0, 3_600_000):
            assert time_in_market(clock, trades, step_ms) == len(held) / len(clock)
