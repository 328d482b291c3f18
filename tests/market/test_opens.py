"""Open times that are remembered: whatever is written in between, they are those of the store."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptai.market.candles import Candles
from cryptai.market.opens import Opens
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import HOUR_MS

SYMBOLS = ("BTC/USDT", "ETH/USDT")


def bars(symbol, hours):
    ts = np.array(sorted(hours), np.int64) * HOUR_MS
    ones = np.ones(len(ts))
    return Candles(ts, ones, ones, ones, ones, ones, symbol, "1h")


def as_lists(times):
    return {series: found.tolist() for series, found in times.items()}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SYMBOLS), st.sets(st.integers(0, 60), min_size=1), st.integers(0, 60)),
        min_size=1,
        max_size=6,
    )
)
def test_they_are_the_stores_after_every_write(tmp_path_factory, writes):
    store = CandleStore(tmp_path_factory.mktemp("opens"))
    opens = Opens(store, "venue")
    for symbol, hours, start in writes:
        store.write("venue", bars(symbol, hours), replace=True)
        since = {(name, "1h"): start * HOUR_MS for name in SYMBOLS}
        assert as_lists(opens.read(since)) == as_lists(store.opens("venue", since))


def test_what_was_not_written_to_is_not_read_again(tmp_path, monkeypatch):
    store = CandleStore(tmp_path)
    opens = Opens(store, "venue")
    since = {(name, "1h"): 0 for name in SYMBOLS}
    store.write("venue", *(bars(name, range(48)) for name in SYMBOLS))
    opens.read(since)
    store.write("venue", bars("BTC/USDT", [48]))
    asked = []
    read = store.opens
    monkeypatch.setattr(store, "opens", lambda name, wanted: asked.append(wanted) or read(name, wanted))
    found = opens.read(since)
    assert asked == [{("BTC/USDT", "1h"): 48 * HOUR_MS}]
    assert [len(found[name, "1h"]) for name in SYMBOLS] == [49, 48]


def test_another_store_in_its_place_is_read_anew(tmp_path):
    store = CandleStore(tmp_path / "first")
    opens = Opens(store, "venue")
    since = {("BTC/USDT", "1h"): 0}
    for hour in range(3):
        store.write("venue", bars("BTC/USDT", [hour]))
    opens.read(since)
    other = CandleStore(tmp_path / "second")
    other.write("venue", bars("BTC/USDT", [7]))
    opens._store = other
    assert as_lists(opens.read(since)) == {("BTC/USDT", "1h"): [7 * HOUR_MS]}


@pytest.mark.parametrize("folded", [False, True])
def test_the_store_tells_since_when_a_market_was_written_to(tmp_path, folded):
    store = CandleStore(tmp_path)
    store.write("venue", *(bars(name, range(10)) for name in SYMBOLS))
    number, markets = store.changed("venue", 0)
    assert {(one.symbol, first) for one, first in markets.items()} == {(name, 0) for name in SYMBOLS}
    store.write("venue", bars("ETH/USDT", [12]))
    store.write("venue", bars("ETH/USDT", range(11, 20_000) if folded else [11]))
    store.finish()
    newer, markets = store.changed("venue", number)
    assert newer > number
    ((market, first),) = markets.items()
    assert market.symbol == "ETH/USDT"
    assert first == (0 if folded else 11 * HOUR_MS)  # what was folded counts as one, from its first bar on
