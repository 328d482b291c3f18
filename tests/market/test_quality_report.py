"""What is known of a stored series: holes and their causes, how new it is, and whether finer bars agree."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.errors import DataError
from cryptai.market.candles import Candles
from cryptai.market.newness import Stop
from cryptai.market.quality_report import Hole, quality_report
from cryptai.market.spans import count, missing, pieces, without
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import HOUR_MS, WEEK_MS, Timeframe

T0 = 1_609_459_200_000  # 2021-01-01
HOUR = Timeframe("1h")


@pytest.fixture
def store(tmp_path):
    return CandleStore(tmp_path)


def bars(places, timeframe="1h", *, close=1.0, volume=1.0):
    n = len(places)
    ts = [T0 + i * Timeframe(timeframe).ms for i in places]
    return Candles(ts, [1.0] * n, [2.0] * n, [0.5] * n, [close] * n, [volume] * n, "BTC/USDT", timeframe)


def report(store, timeframe="1h", hours_later=10):
    return quality_report(store, "binance", "BTC/USDT", timeframe, now_ms=T0 + hours_later * HOUR_MS)


def test_a_whole_series_is_complete_and_fresh(store):
    store.write("binance", bars(range(10)))
    told = report(store)
    assert (told.bars, told.expected, told.completeness, told.gaps, told.missing) == (10, 10, 1.0, 0, 0)
    assert (told.freshness, told.behind, told.holes, told.agreements) == ("fresh", 0, (), ())


def test_each_missing_bar_is_counted_once_with_its_cause(store):
    store.write("binance", bars([0, 1, 4, 5, 9]))
    store.absences.add("binance", "BTC/USDT", "1h", [(T0 + 6 * HOUR_MS, T0 + 8 * HOUR_MS)])
    told = report(store, hours_later=15)
    assert told.holes == (
        Hole(T0 + 2 * HOUR_MS, 2, "not fetched yet"),
        Hole(T0 + 6 * HOUR_MS, 2, "the venue has none"),
        Hole(T0 + 8 * HOUR_MS, 1, "not fetched yet"),
    )
    assert (told.gaps, told.missing, told.unfetched, told.completeness) == (2, 5, 3, 0.5)
    assert (told.freshness, told.behind) == ("stale", 5)


def test_a_market_that_its_venue_halted_is_not_called_stale(store):
    store.write("binance", bars(range(5)))
    now, stop = T0 + 15 * HOUR_MS, Stop("halted", T0 + 6 * HOUR_MS)
    told = quality_report(store, "binance", "BTC/USDT", "1h", stop=stop, now_ms=now)
    assert (told.freshness, told.behind, told.missing) == ("halted", 10, 0)


def test_a_bar_that_came_after_its_absence_was_recorded_is_no_hole(store):
    store.absences.add("binance", "BTC/USDT", "1h", [(T0 + HOUR_MS, T0 + 3 * HOUR_MS)])
    store.write("binance", bars(range(10)))
    assert report(store).missing == 0


def test_coarser_bars_are_held_against_those_made_of_finer_ones_where_all_of_these_are_there(store):
    store.write("binance", bars([i for i in range(16) if i != 5]))
    store.write("binance", bars(range(4), "4h", volume=4.0))
    (told,) = report(store, "4h").agreements
    assert (told.finer, told.compared, told.differ, told.first_ts) == ("1h", 3, 0, None)


@pytest.mark.parametrize("wrong", [{"close": 1.25, "volume": 4.0}, {"volume": 4.001}])
def test_a_coarser_bar_that_differs_is_told(store, wrong):
    store.write("binance", bars(range(8)))
    store.write("binance", bars([0], "4h", volume=4.0), bars([1], "4h", **wrong))
    (told,) = report(store, "4h").agreements
    assert (told.compared, told.differ, told.first_ts) == (2, 1, T0 + 4 * HOUR_MS)


def test_nothing_stored_has_no_quality(store):
    with pytest.raises(DataError, match="No bars"):
        report(store)


def test_spans_are_cut_counted_and_taken_away():
    ts = np.array([T0 + i * HOUR_MS for i in (1, 2, 5)])
    lacking = missing(ts, HOUR, T0 - 1, T0 + 7 * HOUR_MS + 1)
    hours = [tuple((edge - T0) // HOUR_MS for edge in span) for span in lacking]
    assert hours == [(0, 1), (3, 5), (6, 8)]
    assert count(lacking, HOUR) == 5
    assert missing(ts, HOUR, T0 + HOUR_MS, T0) == []
    assert list(pieces([(0, 5 * HOUR_MS)], HOUR, 2)) == [
        (0, 2 * HOUR_MS), (2 * HOUR_MS, 4 * HOUR_MS), (4 * HOUR_MS, 5 * HOUR_MS)
    ]  # fmt: skip
    assert without([(0, 10), (20, 30)], [(8, 22), (2, 4), (3, 5), (29, 40)]) == [(0, 2), (5, 8), (22, 29)]
    week = Timeframe("1w")
    (only,) = missing(np.empty(0, np.int64), week, 0, WEEK_MS)
    assert only[0] == week.origin_ms
