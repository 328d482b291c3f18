"""Options by name, as command, API and form give them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.trading.request import BacktestRequest


def test_text_and_numbers_say_the_same():
    a = BacktestRequest.parse(
        {"strategy": "ema_trend", "symbol": "btcusdt", "capital": "5000", "param": ["fast=9"]}
    )
    b = BacktestRequest.parse(
        {"strategy": "ema_trend", "symbol": "BTC/USDT", "capital": 5000, "params": {"fast": "9"}}
    )
    assert a == b
    assert a.capital == 5000.0


def test_numbers_of_numpy_are_numbers():
    request = BacktestRequest.parse({"strategy": "x", "capital": np.int64(5000), "fee": np.float32(0.5)})
    assert (request.capital, request.fee) == (5000.0, 0.5)
    assert {type(request.capital), type(request.fee)} == {float}


def test_absent_and_empty_are_the_defaults():
    assert BacktestRequest.parse({"strategy": "x", "stop": None, "fee": "", "from": ""}) == BacktestRequest(
        "x"
    )


def test_none_is_no_bracket():
    assert math.isnan(BacktestRequest.parse({"strategy": "x", "stop": "none"}).stop)


def test_options_come_back_as_they_went():
    asked = {
        "strategy": "ema_trend", "symbol": "ETH-USDT", "timeframe": "4h", "from": "20210101",
        "to": "2022-01-01T12:00",
        "risk": 0.01, "target": "none", "param": {"fast": 5},
    }  # fmt: skip
    request = BacktestRequest.parse(asked)
    again = BacktestRequest.parse(request.as_options())
    assert again.as_options() == request.as_options()
    assert request.as_options()["from"] == "2021-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({}, "strategy", "missing"),
        ({"strategy": "x", "stopp": 1}, "stopp", "did you mean stop"),
        ({"strategy": 5}, "strategy", "must be text"),
        ({"strategy": "x", "capital": "nan"}, "capital", "finite"),
        ({"strategy": "x", "fee": "inf"}, "fee", "finite"),
        ({"strategy": "x", "fee": True}, "fee", "number"),
        ({"strategy": "x", "stop": "8%"}, "stop", "number"),
        ({"strategy": "x", "stop": [1]}, "stop", "number"),
        ({"strategy": "x", "symbol": "?"}, "symbol", "BTC/USDT"),
        ({"strategy": "x", "timeframe": "7m"}, "timeframe", "did you mean|known are"),
        ({"strategy": "x", "from": "yesterday"}, "from", "2021-01-01"),
        ({"strategy": "x", "from": "0001-01-01"}, "from", "years"),
        ({"strategy": "x", "to": "99999-01-01"}, "to", "not a time"),
        ({"strategy": "x", "to": "2021-02-30"}, "to", "not a time"),
        ({"strategy": "x", "from": 2021}, "from", "text"),
        ({"strategy": "x", "param": ["fast"]}, "param", "name=value"),
        ({"strategy": "x", "param": 5}, "param", "name=value"),
        ({"strategy": "x", "capital": 10**400}, "capital", "number"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(options, field, words):
    with pytest.raises(InputError, match=words) as refused:
        BacktestRequest.parse(options)
    assert refused.value.field == field


@pytest.mark.parametrize("options", [[], "ema_trend", None])
def test_something_other_than_options_is_refused(options):
    with pytest.raises(InputError, match="object of options"):
        BacktestRequest.parse(options)
