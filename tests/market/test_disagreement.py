"""Bars of which two sources said different things are told, by pair, count and size."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai import seams
from cryptai.market.candles import Candles
from cryptai.market.disagreement import Conflict, conflicts
from cryptai.market.quality_report import quality_report
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import HOUR_MS

T0 = 1_609_459_200_000  # 2021-01-01


@pytest.fixture
def store(tmp_path):
    made = CandleStore(tmp_path)
    with seams.replaced(now_ns=lambda: next(_TICKS)):
        yield made


_TICKS = iter(range(1_700_000_000_000_000_000, 1_800_000_000_000_000_000, 1_000_000))


def bars(places, close=None, volume=1.0):
    n = len(places)
    ts = [T0 + i * HOUR_MS for i in places]
    closes = np.full(n, 1.0) if close is None else np.asarray(close)
    return Candles(ts, [1.0] * n, [2.0] * n, [0.5] * n, closes, [volume] * n, "BTC/USDT", "1h")


def told(store):
    return conflicts(store, "binance", "BTC/USDT", "1h")


def test_a_series_of_one_source_contradicts_nobody_not_even_where_it_corrects_itself(store):
    store.write("binance", bars(range(5)), source="binance")
    store.write("binance", bars(range(2), [1.5, 1.5]), replace=True, source="binance")
    assert told(store) == ()


def test_a_second_source_that_only_fills_holes_contradicts_nobody(store):
    store.write("binance", bars([0, 1, 4, 5]), source="binance")
    store.write("binance", bars([2, 3]), source="kraken")
    assert told(store) == ()


def test_bars_corrected_by_another_source_are_counted_with_the_largest_difference(store):
    store.write("binance", bars(range(6)))
    store.write("binance", bars(range(1, 4), [1.25, 1.0, 1.6]), replace=True, source="binance")
    store.write("binance", bars([5], volume=2.0), replace=True, source="kraken")
    assert told(store) == (
        Conflict("unknown", "binance", 2, T0 + HOUR_MS, pytest.approx(0.6 / 1.6)),
        Conflict("unknown", "kraken", 1, T0 + 5 * HOUR_MS, 0.0),
    )


def test_the_pair_is_that_of_the_two_who_spoke_of_the_bar(store):
    store.write("binance", bars(range(4)), source="binance")
    store.write("binance", bars([4, 5]), source="kraken")
    store.write("binance", bars([5], [1.5]), replace=True, source="binance")
    assert told(store) == (Conflict("kraken", "binance", 1, T0 + 5 * HOUR_MS, pytest.approx(1 / 3)),)


def test_a_bar_that_its_own_source_corrects_beside_anothers_is_no_contradiction(store):
    store.write("binance", bars([0, 1, 3, 4]), source="binance")
    store.write("binance", bars([2]), source="kraken")
    store.write("binance", bars([1, 2, 3], [1.5, 1.0, 1.5]), replace=True, source="binance")
    assert told(store) == ()


def test_the_report_of_a_series_carries_them(store):
    store.write("binance", bars(range(4)))
    store.write("binance", bars([2], [1.5]), replace=True, source="binance")
    report = quality_report(store, "binance", "BTC/USDT", "1h", now_ms=T0 + 4 * HOUR_MS)
    assert report.conflicts == told(store)
    assert report.as_object()["between_sources"] == [
        {
            "before": "unknown",
            "after": "binance",
            "differ": 1,
            "first": "2021-01-01T02:00:00Z",
            "largest": pytest.approx(1 / 3),
        }
    ]
