"""Odd bars: none, two, all alike, huge, silent, outside bars: stated behaviour, no crash, no warning."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.features.events import Structure
from cryptai.features.feature import features
from cryptai.market.candles import Candles

STRUCTURES = [one.name for one in features if isinstance(one, Structure)]


def bars(close, span=0.0, volume=1.0, timeframe="1h") -> Candles:
    close = np.asarray(close, float)
    n = len(close)
    step = {"1h": 3_600_000, "1w": 604_800_000}[timeframe]
    ts = 345_600_000 + np.arange(n) * step
    spread = np.broadcast_to(np.asarray(span, float), n)
    opens = np.r_[close[:1], close[:-1]]
    high, low = np.maximum(opens, close) + spread, np.minimum(opens, close) - spread
    return Candles(ts, opens, high, low, close, np.full(n, volume), "BTC/USDT", timeframe)


WAVE = 100.0 + 10.0 * np.sin(np.arange(300) / 5.0) + np.arange(300) % 7
ODD = {
    "none": bars([]),
    "one": bars([5.0]),
    "two": bars([5.0, 6.0]),
    "all alike": bars(np.full(300, 7.0)),
    "all alike with wicks": bars(np.full(300, 7.0), 1.0),
    "silent": bars(WAVE, 1.0, volume=0.0),
    "huge": bars(WAVE * 1e298, 1e299),
    "at the end of the numbers": bars(WAVE * 1e306, 1e306, volume=1e307),
    "tiny": bars(WAVE * 1e-320, 1e-321),
    "only up": bars(np.arange(1.0, 301.0)),
    "only down": bars(np.arange(301.0, 1.0, -1.0)),
    "wider and wider": bars(np.full(300, 1_000.0), np.arange(300.0)),
    "narrower and narrower": bars(np.full(300, 1_000.0), np.arange(300.0, 0.0, -1.0)),
    "weeks": bars(WAVE, 1.0, timeframe="1w"),
}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("odd", ODD)
def test_odd_bars_are_no_surprise(name, odd):
    made = features.get(name)
    shorter = {
        one.name: int(max(one.low, 2)) for one in made.parameters if one.name in {"length", "internal"}
    }
    for given in ({}, shorter):
        candles = ODD[odd]
        events = made.of(candles, **given)
        assert (np.diff(events.known_bar) >= 0).all()
        assert (events.at_bar <= events.known_bar).all()
        assert (events.at_bar >= 0).all()
        assert (events.known_bar < len(candles)).all()
        assert (events.kind < len(made.kinds)).all()
        assert np.isin(events.direction, (-1, 0, 1)).all()
        assert not (events.top < events.bottom).any()


@pytest.mark.parametrize("name", ["fair_value_gaps", "order_blocks", "market_structure", "liquidity_sweeps"])
def test_where_nothing_moves_nothing_is_told(name):
    assert not len(features.get(name).of(ODD["all alike"]))
    assert not len(features.get(name).of(ODD["all alike with wicks"]))


def test_bars_all_alike_have_one_swing_on_each_side():
    found = features.get("swing_points").of(ODD["all alike with wicks"])
    assert found.at_bar.tolist() == [4, 4]
    assert sorted(found.direction.tolist()) == [-1, 1]
