"""One strategy over several markets, and every option of a run, through both doors."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import cryptai as ca
from cryptai.errors import DataError, InputError
from cryptai.market.candles import Candles
from cryptai.market.filters import Filters
from cryptai.market.funding import Funding
from cryptai.portfolio.rules import Rules
from cryptai.signals import COLUMNS, Signals
from cryptai.trading import backtest as door
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs
from cryptai.trading.given import paths, volatility

from .worlds import HOUR, random_candles, random_script

NAN = math.nan
T0 = 1_609_459_200_000  # 2021-01-01
FREE = Costs(0.0, 0.0)


def candles(*rows, symbol="BTC/USDT", start=0, holes=()):
    """Bars of (open, high, low, close), hourly, without those at `holes`."""
    kept = [(T0 + (start + i) * HOUR, *row, 100.0) for i, row in enumerate(rows) if i not in holes]
    return Candles(*map(np.array, zip(*kept, strict=True)), symbol=symbol, timeframe="1h")


def flat(n, price=100.0, symbol="BTC/USDT", start=0):
    return candles(*[(price, price, price, price)] * n, symbol=symbol, start=start)


@dataclass(frozen=True)
class Says:
    """A strategy that says what it was told: rows `{row: {column: value}}`, for each market or for all."""

    name: ClassVar[str] = "says"
    stop: ClassVar[float] = NAN
    target: ClassVar[float] = NAN
    allow_short: ClassVar[bool] = True

    def __init__(self, rows, exits=()):
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "leaves", exits)

    def signals(self, candles):
        n = len(candles)
        entry, exits = np.zeros(n, np.int8), np.zeros(n, np.int8)
        columns = {}
        rows = (
            self.rows.get(candles.symbol, {})
            if "BTC/USDT" in self.rows or "ETH/USDT" in self.rows
            else self.rows
        )
        for row, said in rows.items():
            entry[row] = said.get("entry", 1)
            for name, value in said.items():
                if name in COLUMNS:
                    columns.setdefault(name, np.full(n, NAN))[row] = value
        for row in self.leaves:
            exits[row] = 3
        return Signals(entry, exits, **columns)


# One engine, whichever road


def test_the_two_roads_give_the_same_to_the_last_bit(monkeypatch):
    rng = np.random.default_rng(5)
    for _ in range(40):
        bars = random_candles(rng, 300)
        script = random_script(rng, len(bars))
        options = {
            "rules": Rules(stop=float(rng.choice([NAN, 0.05])), target=float(rng.choice([NAN, 0.1]))),
            "close_at_end": bool(rng.integers(2)),
        }
        one = backtest(bars, script, **options)
        with monkeypatch.context() as patch:
            patch.setattr(door, "_plain", lambda *_: False)
            other = backtest(bars, script, **options)
        assert np.array_equal(one.equity, other.equity)
        assert np.array_equal(one.records, other.records)
        assert one.metrics == other.metrics
        assert np.array_equal(one.book, other.book, equal_nan=True)


def test_an_account_with_next_to_nothing_left_enters_no_more_by_either_road(monkeypatch):
    # Each round trip costs a fifth: after 93 of them less than a thousand-millionth is left.
    bars, rows = flat(400), {row: {"entry": 1} for row in range(0, 400, 2)}
    options = {"rules": Rules(stop=0.99, target=NAN), "costs": Costs(0.1, 0.0)}
    one = backtest(bars, Says(rows, exits=range(1, 400, 2)), **options)
    monkeypatch.setattr(door, "_plain", lambda *_: False)
    other = backtest(bars, Says(rows, exits=range(1, 400, 2)), **options)
    assert one.refused == other.refused == {"cash": 200 - len(one.records)}
    assert 80 < len(one.records) < 120
    assert np.array_equal(one.equity, other.equity)
    assert np.array_equal(one.records, other.records)
    assert one.metrics == other.metrics


def test_plain_rules_take_the_fast_road(monkeypatch):
    def full(*_args, **_kwargs):
        raise AssertionError("the loop over many markets was asked")

    monkeypatch.setattr(door, "run_full", full)
    rng = np.random.default_rng(6)
    bars = random_candles(rng, 100)
    backtest(bars, random_script(rng, len(bars)))
    with pytest.raises(AssertionError, match="many markets"):
        backtest(bars, random_script(rng, len(bars)), rules=Rules(max_bars=5.0))


# Several markets


def test_markets_share_the_cash_and_one_clock():
    btc, eth = flat(6), flat(4, 50.0, "ETH/USDT", start=3)
    found = backtest([btc, eth], Says({0: {}}), capital=1000.0, rules=Rules(NAN, NAN, 0.6), costs=FREE)
    assert found.ts.tolist() == [T0 + i * HOUR for i in range(7)]
    assert found.symbols == ("BTC/USDT", "ETH/USDT")
    assert [str(t.symbol) for t in found.trades] == ["BTC/USDT", "ETH/USDT"]
    # 60 % of the equity went into the first; of the second's 60 % only the 40 % left could be paid.
    assert [float(t.quantity) for t in found.trades] == [6.0, 8.0]
    assert found.equity.tolist() == [1000.0] * 7


def test_a_mapping_and_a_sequence_are_the_same_run_and_the_order_is_part_of_it():
    btc, eth = flat(6), flat(6, 50.0, "ETH/USDT")
    says, options = Says({0: {}}), {"rules": Rules(NAN, NAN), "costs": FREE}
    first = backtest([btc, eth], says, **options)
    assert first.run == backtest({"BTC/USDT": btc, "ETH/USDT": eth}, says, **options).run
    assert first.run != backtest([eth, btc], says, **options).run
    assert [str(t.symbol) for t in first.trades] == ["BTC/USDT"]  # all cash went into the first


def test_of_entries_at_one_moment_the_highest_score_comes_first():
    btc, eth = flat(4), flat(4, 50.0, "ETH/USDT")
    says = Says({"BTC/USDT": {0: {"score": 0.1}}, "ETH/USDT": {0: {"score": 0.9}}})
    found = backtest([btc, eth], says, rules=Rules(NAN, NAN, 0.5, max_open=1.0), costs=FREE)
    assert [str(t.symbol) for t in found.trades] == ["ETH/USDT"]
    assert found.refused == {"max_open": 1}


def test_a_group_holds_no_more_than_it_may():
    three = [flat(4), flat(4, 50.0, "ETH/USDT"), flat(4, 2.0, "XRP/USDT")]
    found = backtest(
        three, Says({0: {}}), rules=Rules(NAN, NAN, 0.3, max_per_group=1.0), costs=FREE,
        groups={"BTC/USDT": "majors", "ethusdt": "majors"},
    )  # fmt: skip
    assert [str(t.symbol) for t in found.trades] == ["BTC/USDT", "XRP/USDT"]
    assert found.refused == {"group": 1}


def test_the_result_of_several_markets_tells_each():
    btc, eth = flat(6), flat(4, 50.0, "ETH/USDT", start=3)
    found = backtest([btc, eth], Says({0: {}}), rules=Rules(NAN, NAN, 0.4), costs=FREE)
    told = json.loads(json.dumps(found.as_object(), allow_nan=False))
    assert told["symbols"] == ["BTC/USDT", "ETH/USDT"]
    assert [(one["symbol"], one["bars"]) for one in told["markets"]] == [("BTC/USDT", 6), ("ETH/USDT", 4)]
    assert {row["symbol"] for row in told["trades"]} == {"BTC/USDT", "ETH/USDT"}
    assert told["metrics"]["time_in_market"] == 6 / 7  # all but the first step
    with pytest.raises(InputError, match="over 2 markets"):
        _ = found.bars
    with pytest.raises(InputError, match="over 2 markets"):
        _ = found.book


def test_a_strategy_may_see_several_markets_together():
    @dataclass(frozen=True)
    class Weakest:
        """Be long of the market that fell most, as of each close."""

        name: ClassVar[str] = "weakest"

        def signals_many(self, markets):
            names = list(markets)
            closes = np.array([markets[name].close for name in names])
            worst = np.argmin(closes[:, 1:] / closes[:, :-1], axis=0)
            weights = {name: np.full(closes.shape[1], NAN) for name in names}
            for i, name in enumerate(names):
                weights[name][1:] = np.where(worst == i, 1.0, 0.0)
            none = np.zeros(closes.shape[1], np.int8)
            return {name: Signals(none, none, weight=weights[name]) for name in names}

    up = candles(*[(100.0 + i, 101.0 + i, 99.0 + i, 100.0 + i) for i in range(6)])
    down = candles(*[(100.0 - i, 101.0 - i, 99.0 - i, 100.0 - i) for i in range(6)], symbol="ETH/USDT")
    found = backtest([up, down], Weakest(), rules=Rules(NAN, NAN), costs=FREE)
    assert {str(t.symbol) for t in found.trades} == {"ETH/USDT"}
    alone = backtest(up, Weakest(), rules=Rules(NAN, NAN), costs=FREE)
    assert {str(t.symbol) for t in alone.trades} == {"BTC/USDT"}


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (lambda m: [], "signals of each market .BTC/USDT, ETH/USDT., gave list"),
        (lambda m: {"BTC/USDT": None}, r"gave \['BTC/USDT'\]"),
        (dict.fromkeys, "must give Signals, gave NoneType"),
        (lambda m: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_is_not_signals_of_each_market_is_refused(gives, words):
    class Wrong:
        name = "wrong"

        def signals_many(self, markets):
            return gives(markets)

    with pytest.raises(InputError, match=words) as refused:
        backtest([flat(3), flat(3, symbol="ETH/USDT")], Wrong())
    assert refused.value.field == "strategy"


@pytest.mark.parametrize(
    ("markets", "words", "field"),
    [
        ([], "one market at least", "symbols"),
        (["BTC/USDT"], "one market at least", "symbols"),
        ([flat(3), flat(3)], "two candles of BTC/USDT", "symbols"),
        ({"ETH/USDT": flat(3)}, "candles of ETH/USDT are of BTC/USDT", "symbols"),
        (
            [flat(3), Candles([T0], [1.0], [1.0], [1.0], [1.0], [1.0], "ETH/USDT", "1d")],
            "one timeframe, but ETH/USDT has 1d",
            "timeframe",
        ),
    ],
)
def test_markets_that_make_no_portfolio_are_refused(markets, words, field):
    with pytest.raises(InputError, match=words) as refused:
        backtest(markets, Says({}))
    assert refused.value.field == field


def test_a_market_without_a_bar_in_the_range_is_named():
    with pytest.raises(DataError, match="ETH/USDT"):
        backtest([flat(9), flat(2, symbol="ETH/USDT")], Says({}), start_ms=T0 + 5 * HOUR)


# Orders and terms by their options


@pytest.mark.parametrize(
    ("said", "kind", "price"),
    [
        ({}, "market", 100.0),
        ({"limit": 95.0}, "limit", 95.0),
        ({"trigger": 104.0}, "trigger", 104.0),
        ({"trigger": 104.0, "limit": 106.0}, "stop_limit", 104.0),
    ],
)
def test_each_kind_of_order_fills_as_its_columns_say(said, kind, price):
    bars = candles((100, 100, 100, 100), (100, 105, 94, 100), (100, 100, 100, 100))
    found = backtest(bars, Says({0: said}), rules=Rules(NAN, NAN), costs=FREE)
    (trade,) = found.trades
    assert (str(trade.entry_kind), float(trade.entry_price)) == (kind, price)
    (row,) = found.as_object()["trades"]
    assert row.get("entry_kind", "market") == kind


def test_a_bracket_of_the_columns_is_kept_and_one_that_pays_too_little_is_refused():
    bars = candles((100, 100, 100, 100), (100, 101, 99, 100), (100, 111, 99, 110), (110, 110, 110, 110))
    says = Says({0: {"stop": 95.0, "target": 110.0}})
    (trade,) = backtest(bars, says, rules=Rules(NAN, NAN), costs=FREE).trades
    assert (str(trade.exit_reason), float(trade.exit_price)) == ("target", 110.0)
    found = backtest(bars, Says({0: {"stop": 95.0, "target": 102.0}}), rules=Rules(NAN, NAN), costs=FREE)
    assert (len(found.trades), found.refused) == (0, {"reward_risk": 1})


def test_options_of_the_library_are_those_of_the_command():
    bars = candles(*[(100.0, 100.0 + i, 100.0, 100.0 + i) for i in range(9)])
    one = ca.backtest(bars, Says({0: {}}), trailing=0.05, max_bars="3", fee=0, slippage=0, stop="none")
    assert one.rules.told() | {"x": 0} == one.rules.told() | {"x": 0, "trailing": 0.05, "max_bars": 3.0}
    assert str(one.trades[0].exit_reason) == "time"
    steps = ca.backtest(
        bars, Says({0: {}}), target_steps={"0": 0.5, "2": 0.01}, stop="none", fee=0, slippage=0
    )
    assert str(steps.trades[0].exit_reason) == "target"
    assert steps.as_object()["target_steps"] == [[0, 0.5], [2, 0.01]]
    close = ca.backtest(bars, Says({1: {}}), fill="close", stop="none", target="none", fee=0, slippage=0)
    assert float(close.trades[0].entry_price) == 101.0
    per_cent = ca.backtest(bars, Says({0: {}}), stop_loss_percentage=8, take_profit_percentage=15)
    assert per_cent.run == ca.backtest(bars, Says({0: {}}), stop=0.08, target=0.15).run


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"stop": 0}, "stop"),
        ({"target": 0.001}, "target"),
        ({"leverage": 200}, "leverage"),
        ({"trailing_from": 0.1}, "trailing_from"),
        ({"fill": "later"}, "fill"),
        ({"target_steps": "5:0.1,5:0.05"}, "target_steps"),
        ({"target_steps": "-1:0.1"}, "target_steps"),
        ({"target_steps": "0.5:0.1"}, "target_steps"),
        ({"target_steps": "0:-2"}, "target_steps"),
        ({"target_steps": ",".join(f"{i}:0.1" for i in range(9))}, "target_steps"),
        ({"target_steps": "soon"}, "target_steps"),
        ({"group": ["majors=BTC/USDT"]}, "max_per_group"),
        ({"max_per_group": 1}, "group"),
        ({"max_per_group": 1, "group": ["x=DOGE/USDT"]}, "group"),
        ({"max_per_group": 1, "group": ["x=BTC/USDT", "y=BTC/USDT"]}, "group"),
        ({"stop": 0.1, "stop_loss_percentage": 10}, "stop_loss_percentage"),
        ({"fee": 0.001, "fee_tier": "binance:vip1"}, "fee_tier"),
        ({"fee_tier": "binance:vip77"}, "fee_tier"),
        ({"funding": "perhaps"}, "funding"),
        ({"cooldown": 0.5}, "cooldown"),
        ({"spread": "wide"}, "spread"),
        ({"traling": 0.1}, "param.traling"),
    ],
)
def test_options_that_cannot_be_are_refused_by_their_name(options, field):
    with pytest.raises(InputError) as refused:
        ca.backtest(flat(5), "ema_trend", **options)
    assert refused.value.field == field


def test_a_tier_says_both_fees():
    bars = flat(5)
    found = ca.backtest(bars, Says({0: {}}), fee_tier="binance:vip1", stop="none", target="none")
    assert found.costs[:1] + found.costs[2:3] == (0.001, 0.0009)


def test_a_column_that_cannot_be_is_refused_with_its_row():
    for name, value, words in (
        ("stop", -1.0, "says -1 in row 2, where above 0"),
        ("limit", 0.0, "says 0 in row 2"),
        ("limit", math.inf, "says inf in row 2"),
        ("size", 1.5, "says 1.5 in row 2"),
        ("size", 0.0, "says 0 in row 2"),
        ("weight", -1.1, "from -1 to 1"),
        ("reduce", 2.0, "from 0 to 1"),
        ("score", math.inf, "says inf"),
    ):
        with pytest.raises(InputError, match=words) as refused:
            backtest(flat(5), Says({2: {name: value}}))
        assert refused.value.field == "strategy"
        assert f"'{name}'" in str(refused.value)
    for column in (np.zeros(4), np.zeros(5, np.float32), [0.0] * 5):

        class Wrong:
            name = "wrong"

            def signals(self, candles, column=column):
                none = np.zeros(len(candles), np.int8)
                return Signals(none, none, weight=column)

        with pytest.raises(InputError, match="'weight' of"):
            backtest(flat(5), Wrong())


# What is known of the markets


def test_funding_is_paid_by_who_holds_at_its_time():
    bars = flat(6)
    funding = Funding("BTC/USDT", [T0, T0 + 2 * HOUR, T0 + 4 * HOUR], [0.5, 0.01, 0.02])
    found = backtest(
        bars, Says({0: {}}), capital=1000.0, rules=Rules(NAN, NAN, 0.5), costs=FREE,
        funding={"BTC/USDT": funding},
    )  # fmt: skip
    (trade,) = found.trades
    assert float(trade.funding) == 500.0 * 0.03  # the first was due before the entry
    assert found.equity[-1] == 1000.0 - 15.0
    (known,) = found.as_object()["markets"]
    assert known["knows"]["funding"] == {
        "symbol": "BTC/USDT:USDT", "rates": 3, "from": "2021-01-01T00:00:00Z", "to": "2021-01-01T04:00:00Z",
    }  # fmt: skip
    without = backtest(bars, Says({0: {}}), capital=1000.0, rules=Rules(NAN, NAN, 0.5), costs=FREE)
    assert without.run != found.run
    assert without.data_digest == bars.digest


def test_filters_round_and_refuse_from_the_day_they_hold():
    bars = flat(9)
    filters = Filters.of_rows([(T0, 0.0, 4.0, 0.0, 0.0), (T0 + 4 * HOUR, 0.0, 4.0, 0.0, 900.0)])
    found = backtest(
        bars, Says({0: {}, 5: {}}, exits=[2]), capital=1000.0, rules=Rules(NAN, NAN, 0.7), costs=FREE,
        filters={"BTC/USDT": filters},
    )  # fmt: skip
    assert [float(t.quantity) for t in found.trades] == [4.0]
    assert found.refused == {"min_notional": 1}


def test_finer_bars_tell_which_level_came_first():
    day = Candles(
        [T0, T0 + 24 * HOUR], [100.0, 100.0], [100.0, 112.0], [100.0, 90.0], [100.0, 100.0], [1.0, 1.0],
        "BTC/USDT", "1d",
    )  # fmt: skip
    hours = [(100.0, 100.0, 100.0, 100.0)] * 22 + [(100.0, 112.0, 100.0, 105.0), (105.0, 105.0, 90.0, 100.0)]
    inside = candles(*[(100.0, 100.0, 100.0, 100.0)] * 24, *hours)
    says, rules = Says({0: {}}), Rules(0.05, 0.1)
    worse = backtest(day, says, rules=rules, costs=FREE)
    assert (str(worse.trades[0].exit_reason), bool(worse.trades[0].undecided)) == ("stop", True)
    better = backtest(day, says, rules=rules, costs=FREE, finer={"BTC/USDT": inside})
    assert str(better.trades[0].exit_reason) == "target"
    told = better.as_object()["markets"][0]["knows"]["finer"]
    assert told == {"timeframe": "1h", "bars_with_path": 1.0}


def test_a_bar_has_a_path_only_where_all_its_finer_bars_are_there():
    day = Candles([T0, T0 + 24 * HOUR], *[[1.0, 1.0]] * 4, [1.0, 1.0], "BTC/USDT", "1d")
    offsets, inside = paths(day, flat(48))
    assert (offsets.tolist(), len(inside)) == ([0, 24, 48], 48)
    holed = candles(*[(1.0, 1.0, 1.0, 1.0)] * 60, holes=(3,))
    offsets, inside = paths(day, holed)
    assert offsets.tolist() == [0, 0, 24]
    assert inside.ts[0] == T0 + 24 * HOUR
    with pytest.raises(InputError, match="not made of whole bars of 1d"):
        paths(flat(5), day)
    with pytest.raises(InputError, match="of ETH/USDT, not of BTC/USDT"):
        paths(day, flat(48, symbol="ETH/USDT"))


def test_data_of_a_market_that_is_not_in_the_run_is_refused():
    with pytest.raises(InputError, match="funding of ETH/USDT, which is no market of this run"):
        backtest(flat(3), Says({}), funding={"ETH/USDT": Funding("ETH/USDT", [T0], [0.0])})


def test_volatility_is_that_of_thirty_returns_and_of_the_past_alone():
    rng = np.random.default_rng(8)
    bars = random_candles(rng, 200)
    found = volatility(bars)
    assert np.isnan(found[:30]).all()
    returns = np.log(bars.close[1:] / bars.close[:-1])
    for row in (30, 31, 150):
        expected = float(np.std(returns[row - 30 : row], ddof=1)) * math.sqrt(24 * 365)
        assert found[row] == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(volatility(bars[:100]), found[:100], equal_nan=True)


def test_what_fills_at_a_close_saw_none_of_its_own_bar():
    bars = candles(
        (100, 100, 100, 100),
        (100, 150, 50, 100),
        (100, 110, 90, 100),
        (100, 120, 95, 100),
        (100, 100, 100, 100),
    )
    says, plain = Says({1: {}}, exits=[3]), {"rules": Rules(NAN, NAN), "costs": FREE}
    (trade,) = backtest(bars, says, fill="close", **plain).trades
    assert (trade.entry_bar, trade.exit_bar) == (1, 3)
    assert (float(trade.mae), float(trade.mfe)) == (pytest.approx(0.1), pytest.approx(0.2))
    (later,) = backtest(bars, says, **plain).trades
    assert (later.entry_bar, later.exit_bar) == (2, 4)
    assert (float(later.mae), float(later.mfe)) == (pytest.approx(0.1), pytest.approx(0.2))


# Holes


def test_a_trade_held_through_a_hole_says_so_and_is_counted():
    bars = candles(*[(100.0, 100.0, 100.0, 100.0)] * 8, holes=(3, 4))
    found = backtest(bars, Says({0: {}}), rules=Rules(NAN, NAN), costs=FREE)
    told = found.as_object()
    assert [row["hole_bars"] for row in told["trades"]] == [2]
    assert told["held_through_holes"] == 1
    assert backtest(flat(8), Says({0: {}}), rules=Rules(NAN, NAN)).as_object()["held_through_holes"] == 0
