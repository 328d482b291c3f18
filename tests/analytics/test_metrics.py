"""Metrics against published cases and by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cryptai.analytics.metrics import measure, sharpe_ratio
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
    assert sharpe_ratio(np.array(equity)) is None


def test_equal_returns_have_no_deviation_whatever_rounding_leaves():
    assert sharpe_ratio(100.0 * 1.01 ** np.arange(50)) is None


@pytest.mark.shared
def test_sharpe_agrees_with_empyrical_and_quantstats_on_ltc(shared):
    told = json.loads((shared / "data/conformance/metrics/generated_LTCUSDT_daily.json").read_text())
    from cryptai.market.files import read_candles

    closes = read_candles(shared / "data/candles/spot/LTCUSDT_1d.parquet").close
    want = [v for k, v in _walk(told) if "sharpe" in k.lower() and isinstance(v, float)]
    assert want
    # Both take √252 or √365 and the sample deviation; ours is √365.
    ours = sharpe_ratio(closes)
    assert any(ours == pytest.approx(v * f, rel=1e-6) for v in want for f in (1.0, math.sqrt(365 / 252)))


def _walk(node, path=""):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, f"{path}/{key}")
    else:
        yield path, node
