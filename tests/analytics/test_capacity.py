"""Capacity by hand, and verified: at that size the mean trade has nothing left."""

from __future__ import annotations

import numpy as np
import pytest
from tests.analytics.test_report import JAN, ran, row

from cryptai.analytics.capacity import capacity, impact
from cryptai.analytics.round_trips import of_rows
from cryptai.market.candles import Candles

HOUR = 3_600_000


def market(bars=24 * 40, move=0.01, volume=10.0):
    close = 100.0 * np.where(np.arange(bars) % 2, np.exp(move), 1.0)
    ts = JAN + HOUR * np.arange(bars, dtype=np.int64)
    return Candles(ts, close, close, close, close, np.full(bars, volume), "A/B", "1h")


def test_by_hand():
    candles, entry = market(), JAN + 35 * 24 * HOUR
    trips = of_rows([row(entry, entry + HOUR, 2.0)], "A/B")
    found = capacity(trips, {"A/B": candles})
    # Each hour moves 1 %, so a day has √24 %; it trades about 24 × 10 × 100.5.
    volatility, traded = 0.01 * np.sqrt(24), 240.0 * candles.close.mean()
    assert found == pytest.approx((0.02 / (2 * volatility)) ** 2 * traded, rel=1e-2)
    assert impact(trips, {"A/B": candles}, found) == pytest.approx([0.02])


@pytest.mark.parametrize("seed", range(6))
def test_at_that_size_the_mean_trade_earns_nothing(seed):
    result = ran(seed)
    trips, markets = result.report.trips, {result.symbol: result.candles}
    found = capacity(trips, markets)
    left = trips.returns - impact(trips, markets, found or 0.0)
    known = np.isfinite(left)
    if found is None:
        assert trips.returns[known].mean() <= 0.0
    else:
        assert left[known].mean() == pytest.approx(0.0, abs=1e-12)
        assert (trips.returns - impact(trips, markets, found / 2))[known].mean() > 0.0


def test_only_bars_that_had_closed_are_seen():
    candles, entry = market(), JAN + 35 * 24 * HOUR
    trips = of_rows([row(entry, entry + HOUR, 2.0)], "A/B")
    known = capacity(trips, {"A/B": candles.between(None, entry)})
    assert capacity(trips, {"A/B": candles}) == known


def test_what_is_not_known_is_none():
    entry = JAN + 35 * 24 * HOUR
    trips = of_rows([row(entry, entry + HOUR, 2.0)], "A/B")
    assert capacity(trips, {}) is None
    assert capacity(trips, {"A/B": market(volume=0.0)}) is None
    assert capacity(trips, {"A/B": market(move=0.0)}) is None
    assert capacity(of_rows([row(JAN, JAN + HOUR, 2.0)], "A/B"), {"A/B": market()}) is None
    assert capacity(of_rows([row(entry, entry + HOUR, -2.0)], "A/B"), {"A/B": market()}) is None
    assert capacity(of_rows([], "A/B"), {"A/B": market()}) is None
