"""Options by name, as command, API and form give them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.portfolio.rules import Rules
from cryptai.trading.costs import Costs
from cryptai.trading.options import NUMBERS
from cryptai.trading.request import BacktestRequest, with_defaults


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


FULL = {
    "strategy": "ema_trend", "symbols": ["BTC/USDT", "ETH/USDT"], "timeframe": "1h", "trailing": 0.05,
    "max_open": 2, "maker": "none", "spread": "0.0002", "target_steps": {"0": 0.1, "24": 0.02},
    "fill": "close", "group": {"majors": ["BTCUSDT", "ETHUSDT"]}, "max_per_group": 1, "funding": True,
    "filters": "yes", "finer": 1, "stop_loss_percentage": 6,
}  # fmt: skip


def test_every_option_comes_back_as_it_went():
    request = BacktestRequest.parse(FULL)
    assert request.markets == ("BTC/USDT", "ETH/USDT")
    assert request.stop == 0.06
    assert request.rules == {"trailing": 0.05, "max_open": 2.0, "max_per_group": 1.0}
    assert math.isnan(request.costs["maker"])
    assert request.target_steps == ((0, 0.1), (24, 0.02))
    assert request.groups == {"BTC/USDT": "majors", "ETH/USDT": "majors"}
    assert (request.funding, request.filters, request.finer) == (True, True, True)
    told = json.loads(json.dumps(request.as_options(), allow_nan=False))
    assert BacktestRequest.parse(told).as_options() == request.as_options()


def test_options_are_read_alike_from_text_and_from_json():
    text = {
        "strategy": "ema_trend", "symbols": "btcusdt, ETH-USDT", "timeframe": "1h", "trailing": "0.05",
        "max-open": "2", "maker": "none", "spread": "0.0002", "target-steps": "0:0.1,24:0.02",
        "fill": "close", "group": ["majors=BTC/USDT,ETH/USDT"], "max_per_group": "1", "funding": "true",
        "filters": "on", "finer": "1", "stop_loss_percentage": "6",
    }  # fmt: skip
    assert BacktestRequest.parse(text).as_options() == BacktestRequest.parse(FULL).as_options()


def test_a_plain_request_tells_no_more_than_it_did():
    told = BacktestRequest.parse({"strategy": "x", "symbols": "BTCUSDT", "fill": "open"}).as_options()
    assert set(told) == {
        "strategy", "exchange", "symbol", "timeframe", "from", "to", "param", "capital", "fee", "slippage",
        "stop", "target", "size", "risk", "min_reward_risk",
    }  # fmt: skip
    assert told["symbol"] == "BTC/USDT"


def test_a_tier_takes_the_place_of_the_fee():
    told = BacktestRequest.parse({"strategy": "x", "fee_tier": "binance:vip1"}).as_options()
    assert "fee" not in told
    assert BacktestRequest.parse(told).fee_tier == "binance:vip1"


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({"symbols": []}, "symbols", "1 to 1,000 markets, was 0"),
        ({"symbols": [f"A{i}/USDT" for i in range(1001)]}, "symbols", "was 1001"),
        ({"symbols": ["BTC/USDT", 7]}, "symbols", "text"),
        ({"symbols": "BTCUSDT,BTC/USDT"}, "symbols", "BTC/USDT twice"),
        ({"symbols": 7}, "symbols", "list of markets"),
        ({"symbol": "BTCUSDT", "symbols": "ETHUSDT,XRPUSDT"}, "symbols", "give one of them"),
        ({"target_steps": 5}, "target_steps", "pairs"),
        ({"target_steps": [[1, 2, 3]]}, "target_steps", "pairs"),
        ({"target_steps": "0:x"}, "target_steps", "number"),
        ({"group": 5}, "group", "object of lists"),
        ({"group": "majors"}, "group", "NAME=SYMBOL"),
        ({"group": {"a": ["BTCUSDT"], "b": ["BTCUSDT"]}}, "group", "two groups, a and b"),
        ({"finer": 2}, "finer", "true or false"),
        ({"funding": []}, "funding", "true or false"),
        ({"fill": 1}, "fill", "open or close"),
        ({"size": "none"}, "size", "number"),
        ({"stop_loss_percentage": "8%"}, "stop_loss_percentage", "number"),
        ({"take_profit_percentage": 15, "target": 0.15}, "take_profit_percentage", "give one"),
        ({"fee_tier": "binance:vip1", "maker": 0}, "fee_tier", "fee and maker"),
        ({"max_opne": 1}, "max_opne", "did you mean max_open"),
    ],
)
def test_what_of_these_cannot_be_read_is_refused_by_name(options, field, words):
    with pytest.raises(InputError, match=words) as refused:
        BacktestRequest.parse({"strategy": "x", **options})
    assert refused.value.field == field


def test_defaults_fill_what_is_not_said_under_any_name():
    fixed = {"stop": 0.08, "target": 0.15}
    assert with_defaults({"stop": 0.1}, fixed) == {"stop": 0.1, "target": 0.15}
    assert with_defaults({"stop": None, "take_profit_percentage": 9}, fixed) == {
        "stop": 0.08, "take_profit_percentage": 9,
    }  # fmt: skip
    assert with_defaults([1], fixed) == [1]


def test_every_rule_and_every_cost_is_an_option():
    named = {option.name for option in NUMBERS}
    assert {*Rules._fields, *Costs._fields, "capital", "min_reward_risk"} == named
    defaults = {**Rules()._asdict(), **Costs()._asdict()}
    off = {name for name, value in defaults.items() if math.isnan(value)} | {"stop", "target"}
    assert {option.name for option in NUMBERS if option.off} == off
