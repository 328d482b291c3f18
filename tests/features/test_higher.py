"""Coarser timeframes read closed bars only, and are told on the finer bars when they are closed."""

from __future__ import annotations

import numpy as np
import pytest
from tests.trading.worlds import random_candles

from cryptai.errors import InputError
from cryptai.features.events import Events, Structure
from cryptai.features.feature import features
from cryptai.features.higher import compute_at, memory_at, trend_rows

STRUCTURES = [one.name for one in features if isinstance(one, Structure)]
FEW = {"order_blocks": {"length": 1}, "liquidity_pools": {"length": 1, "tolerance": 1.0}}


@pytest.fixture(scope="module")
def hours():
    return random_candles(np.random.default_rng(11), 900, holes=0.1)


def rows(events: Events):
    figures = (events.at, events.known_at, events.kind, events.direction, events.top, events.level)
    return np.column_stack([np.asarray(one, float) for one in figures])


@pytest.mark.parametrize("name", ["swing_points", "order_blocks", "liquidity_pools", "fair_value_gaps"])
def test_events_of_coarse_bars_appear_when_these_are_closed(name, hours):
    found = compute_at(name, hours, "4h", **FEW.get(name, {}))
    coarse = hours.resample("4h")
    told = features.get(name).of(coarse, **FEW.get(name, {}))
    assert isinstance(found, Events)
    assert len(found) == len(told) > 5
    # Not before the coarse bar is closed, and at the first bar here that closes then or later.
    assert (found.known_at >= told.known_at).all()
    earlier = found.known_bar - 1
    assert (hours.close_ts[earlier[earlier >= 0]] < told.known_at[earlier >= 0]).all()
    # Drawn at the first bar here in the coarse bar.
    assert ((found.at >= told.at) & (found.at < told.at + coarse.timeframe.ms)).all()
    for cut in range(1, len(hours), 37):
        part = compute_at(name, hours[:cut], "4h", **FEW.get(name, {}))
        np.testing.assert_array_equal(rows(part), rows(found[found.known_bar < cut]))


def test_rows_of_coarse_bars_wait_for_their_close(hours):
    found = compute_at("ema", hours, "1d", period=3)["ema"]
    coarse = hours.resample("1d")
    whole = features.get("ema").of(coarse, period=3)["ema"]
    for t in range(len(hours)):
        closed = np.flatnonzero(coarse.close_ts <= hours.close_ts[t])
        wanted = whole[closed[-1]] if len(closed) else np.nan
        np.testing.assert_array_equal(found[t], wanted)


def test_a_bar_seen_before_its_close_would_be_caught(hours):
    """What shows that the test above can fail: rows shifted to the open of the coarse bar."""
    coarse, newest = hours.at("1d")
    early = np.minimum(newest + 1, len(coarse) - 1)
    honest = compute_at("ema", hours, "1d", period=3)["ema"]
    assert not np.array_equal(features.get("ema").of(coarse, period=3)["ema"][early], honest, equal_nan=True)


@pytest.mark.parametrize("name", ["market_structure", "fair_value_gaps"])
def test_its_memory_is_enough(name):
    candles = random_candles(np.random.default_rng(5), 1_500, holes=0.02)
    given = {"max_age": 12, **({"internal": 1, "external": 2} if name == "market_structure" else {})}
    window = memory_at(features.get(name), candles.timeframe, "4h", bitwise=True, **given)
    whole = compute_at(name, candles, "4h", **given)
    assert window is not None
    for cut in range(window + 1, len(candles), 61):
        part = compute_at(name, candles[cut - window : cut], "4h", **given)
        newest = part[part.known_bar == window - 1]
        np.testing.assert_array_equal(rows(newest), rows(whole[whole.known_bar == cut - 1]))


def test_the_trend_of_every_bar_is_that_of_the_newest_break_known(hours):
    given = {"timeframe": "4h", "length": 1, "max_age": 10}
    trend = trend_rows(hours, **given)
    events = features.get("higher_timeframe_trend").of(hours, **given)
    coarse = hours.resample("4h")
    assert set(trend.tolist()) == {-1, 0, 1}
    for t in range(len(hours)):
        known = np.flatnonzero(events.known_bar <= t)
        if not len(known):
            assert trend[t] == 0
            continue
        broke = int(np.searchsorted(coarse.close_ts, events.known_at[known[-1]], side="right")) - 1
        now = int(np.searchsorted(coarse.close_ts, hours.close_ts[t], side="right")) - 1
        assert trend[t] == (events.direction[known[-1]] if now - broke <= 10 else 0)


def test_bars_that_cannot_be_made_are_refused_by_name(hours):
    with pytest.raises(InputError) as refused:
        compute_at("ema", hours, "30m")
    assert refused.value.field == "timeframe"


def test_without_a_timeframe_above_there_are_no_events():
    week = random_candles(np.random.default_rng(1), 24 * 7 * 30).resample("1w")
    assert not len(features.get("higher_timeframe_trend").of(week))
    assert not trend_rows(week).any()
