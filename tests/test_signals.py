"""Signals as columns, and the choice of the best."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.signals import EXIT_LONG, EXIT_SHORT, Signal, Signals, top


def _candles(n=4):
    ones = np.full(n, 100.0)
    return Candles(np.arange(n) * 3_600_000, ones, ones, ones, ones, ones, "BTC/USDT", "1h")


def _signal(symbol="BTC/USDT", score=0.5, timeframe="1h", strategy="ema_trend"):
    return Signal(
        exchange="binance", symbol=symbol, timeframe=timeframe, side="long", strategy=strategy, entry=100.0,
        stop=92.0, target=115.0, price=100.0, reward_risk=1.875, reward_risk_now=1.875, score=score,
        factors={},
        reason="", decided_at_ms=1_609_459_200_000, age_bars=0, stale=False, practice=False, data_digest="",
    )  # fmt: skip


def test_conditions_become_columns():
    told = [np.array(x, bool) for x in ([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1])]
    signals = Signals.entries(_candles(), long=told[0], short=told[1], exit_long=told[2], exit_short=told[3])
    assert signals.entry.tolist() == [1, -1, 0, 0]
    assert signals.exits.tolist() == [0, 0, EXIT_LONG | EXIT_SHORT, EXIT_SHORT]


def test_what_is_not_said_is_never():
    signals = Signals.entries(_candles())
    assert not signals.entry.any()
    assert not signals.exits.any()
    assert Signals.entries(_candles(), short=np.array([True, False, False, False])).entry.tolist() == [
        -1,
        0,
        0,
        0,
    ]


@pytest.mark.parametrize("wrong", [np.ones(3, bool), np.ones(4), np.ones((4, 1), bool)])
def test_a_condition_of_another_shape_is_refused_by_name(wrong):
    with pytest.raises(InputError, match="long must be one boolean a bar") as refused:
        Signals.entries(_candles(), long=wrong)
    assert refused.value.field == "long"


def test_long_and_short_at_once_is_refused_with_the_row():
    both = np.array([False, False, True, False])
    with pytest.raises(InputError, match="Row 2"):
        Signals.entries(_candles(), long=both, short=both)


def test_top_takes_each_symbol_once_before_any_twice():
    found = [
        _signal("BTC/USDT", 0.9), _signal("BTC/USDT", 0.8, "4h"),
        _signal("ETH/USDT", 0.3), _signal("XRP/USDT", 0.2),
    ]  # fmt: skip
    assert [s.symbol for s in top(found, 3)] == ["BTC/USDT", "ETH/USDT", "XRP/USDT"]
    assert [s.score for s in top(found, 4)] == [0.9, 0.8, 0.3, 0.2]


def test_top_does_not_depend_on_the_order_it_is_given():
    found = [_signal(s, 0.5) for s in ("ETH/USDT", "BTC/USDT", "XRP/USDT")]
    assert top(found, 2) == top(found[::-1], 2)
    assert [s.symbol for s in top(found, 2)] == ["BTC/USDT", "ETH/USDT"]


def test_a_signal_as_json_says_when_in_utc():
    told = _signal().as_object()
    assert told["decided_at"] == "2021-01-01T00:00:00Z"
    assert "decided_at_ms" not in told
