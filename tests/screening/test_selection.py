"""The few best: one idea once, markets that move alike once, what the evidence speaks against last."""

from __future__ import annotations

import pytest

import cryptai as ca
from cryptai.errors import InputError
from cryptai.market.opening import open_store
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

    def alike(a, b):
        return 0.9 if {a, b} == {"BTC/USDT", "ETH/USDT"} else 0.0

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
    found = correlations(store, "binance", until)
    assert found("BTC/USDT", "COPY/USDT") == found("COPY/USDT", "BTC/USDT") == pytest.approx(1.0)
    assert 0.0 < abs(found("BTC/USDT", "OTHER/USDT")) < 0.5
    assert found("BTC/USDT", "NONE/USDT") == 0.0


def test_a_negative_number_is_refused():
    with pytest.raises(InputError, match="top must be 0 or more, was -1"):
        top([], -1)


def test_the_librarys_best_are_those_that_the_command_chooses(workspace):
    store = open_store(workspace)
    one, other = walk(1, 24 * 120), walk(2, 24 * 120)
    # The second market moves as the first one does.
    for symbol, of in (("A/USDT", one), ("B/USDT", one), ("C/USDT", other)):
        ohlcv = (of.open, of.high, of.low, of.close, of.volume)
        store.write("binance", type(of)(of.ts, *ohlcv, symbol, "1h").resample("1d"))
    newest = int(one.close_ts[-1])
    found = [
        signal(symbol=symbol, score=score, decided_at_ms=newest)
        for symbol, score in (("A/USDT", 0.9), ("B/USDT", 0.8), ("C/USDT", 0.1))
    ]
    assert [s.symbol for s in ca.top(found, 2)] == ["A/USDT", "C/USDT"]
    unlike = ca.top(found, 2, correlation=lambda _one, _other: 0.0)
    assert [s.symbol for s in unlike] == ["A/USDT", "B/USDT"]
    assert ca.top([], 5) == []
