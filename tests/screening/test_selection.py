"""The few best: one idea once, markets that move alike once, what the evidence speaks against last."""

from __future__ import annotations

import pytest

from cryptai.errors import InputError
from cryptai.market.store import CandleStore
from cryptai.screening.selection import clusters, correlations, top

from .made import signal, walk


def test_each_symbol_comes_once_before_any_comes_twice():
    found = [
        signal(score=0.9), signal(score=0.8, side="short"), signal(symbol="ETH/USDT", score=0.3),
        signal(symbol="XRP/USDT", score=0.2),
    ]  # fmt: skip
    assert [s.symbol for s in top(found, 3)] == ["BTC/USDT", "ETH/USDT", "XRP/USDT"]
    assert [s.score for s in top(found, 4)] == [0.9, 0.8, 0.3, 0.2]


def test_two_that_say_the_same_are_one_idea():
    found = clusters([signal(score=0.4), signal(score=0.6, strategy="breakout", timeframe="4h")])
    assert [(s.strategy, s.also) for s in found] == [("breakout", ["ema_trend 1h"])]


def test_it_does_not_depend_on_the_order_it_is_given():
    found = [signal(symbol=s) for s in ("ETH/USDT", "BTC/USDT", "XRP/USDT")]
    assert top(found, 2) == top(found[::-1], 2)
    assert [s.symbol for s in top(found, 2)] == ["BTC/USDT", "ETH/USDT"]


def test_what_the_evidence_speaks_against_comes_after_the_others_and_stale_last():
    against = signal(symbol="A/USDT", score=0.9, evidence={"status": "not_supported"})
    stale = signal(symbol="B/USDT", score=1.0, stale=True)
    weak = signal(symbol="C/USDT", score=0.1)
    assert top([against, stale, weak], 3) == [weak, against, stale]


def test_markets_that_move_alike_are_one_bet_on_one_side():
    found = [signal(score=0.9), signal(symbol="ETH/USDT", score=0.8), signal(symbol="XRP/USDT", score=0.1)]
    alike = {("BTC/USDT", "ETH/USDT"): 0.9, ("ETH/USDT", "BTC/USDT"): 0.9}
    assert [s.symbol for s in top(found, 2, correlation=alike)] == ["BTC/USDT", "XRP/USDT"]
    assert [s.symbol for s in top(found, 3, correlation=alike)] == ["BTC/USDT", "ETH/USDT", "XRP/USDT"]
    short = [found[0], signal(symbol="ETH/USDT", side="short", score=0.8), found[2]]
    assert [s.symbol for s in top(short, 2, correlation=alike)] == ["BTC/USDT", "ETH/USDT"]


def test_correlation_is_of_daily_returns(tmp_path):
    store = CandleStore(tmp_path)
    one = walk(1, 24 * 100)
    columns = (one.ts, one.open, one.high, one.low, one.close, one.volume)
    store.write("binance", one.resample("1d"))
    store.write("binance", type(one)(*columns, "COPY/USDT", "1h").resample("1d"))
    store.write("binance", walk(2, 24 * 100, "OTHER/USDT").resample("1d"))
    until = int(one.close_ts[-1])
    found = correlations(store, "binance", ["BTC/USDT", "COPY/USDT", "OTHER/USDT", "NONE/USDT"], until)
    assert found["BTC/USDT", "COPY/USDT"] == pytest.approx(1.0)
    assert abs(found["BTC/USDT", "OTHER/USDT"]) < 0.5
    assert not any("NONE/USDT" in pair for pair in found)


def test_a_negative_number_is_refused():
    with pytest.raises(InputError, match="top must be 0 or more, was -1"):
        top([], -1)
