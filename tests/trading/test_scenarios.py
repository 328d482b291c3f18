# ruff: noqa: E501 (a table reads by its columns)
"""Fills as tables: a few bars, what was decided, the trades that follow, and one line why.

Bars are (open, high, low, close), one an hour. Decisions are by bar: L enter long, S enter short, x leave. Costs are zero
unless said, stop 10 %, target 20 %, so that levels are round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from cryptai.errors import DataError, InputError
from cryptai.market.candles import Candles
from cryptai.portfolio.rules import Rules
from cryptai.signals import Signals
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs

from .worlds import HOUR, Scripted

START = 1_609_459_200_000
FLAT = (100, 100, 100, 100)


@dataclass(frozen=True)
class Scenario:
    why: str
    bars: tuple
    says: str
    trades: tuple  # (side, entry bar, entry price, exit bar, exit price, reason)
    fee: float = 0.0
    slippage: float = 0.0
    hours: tuple = ()


SCENARIOS = [
    Scenario("a signal fills at the next open", (FLAT, (101, 102, 100, 101), FLAT), "L..",
             (("long", 1, 101, 2, 100, "end"),)),
    Scenario("a signal on the last bar fills nothing", (FLAT, FLAT, FLAT), "..L", ()),
    Scenario("a signal exit fills at the next open", (FLAT, FLAT, (105, 106, 104, 105), (107, 108, 106, 107)), "L.x.",
             (("long", 1, 100, 3, 107, "signal"),)),
    Scenario("touching the stop fills it", (FLAT, FLAT, (99, 99, 90, 95), FLAT), "L...",
             (("long", 1, 100, 2, 90, "stop"),)),
    Scenario("a tick above the stop does not", (FLAT, FLAT, (99, 99, 90.01, 95), (95, 95, 95, 95)), "L...",
             (("long", 1, 100, 3, 95, "end"),)),
    Scenario("touching the target fills it", (FLAT, FLAT, (110, 120, 110, 112), FLAT), "L...",
             (("long", 1, 100, 2, 120, "target"),)),
    Scenario("a gap through the stop fills at the open", (FLAT, FLAT, (80, 85, 78, 82), FLAT), "L...",
             (("long", 1, 100, 2, 80, "stop"),)),
    Scenario("a gap through the target fills at the open", (FLAT, FLAT, (130, 131, 128, 129), FLAT), "L...",
             (("long", 1, 100, 2, 130, "target"),)),
    Scenario("stop and target in one bar: the stop came first", (FLAT, FLAT, (100, 125, 85, 110), FLAT), "L...",
             (("long", 1, 100, 2, 90, "stop"),)),
    Scenario("the bracket lives from the entry bar on", (FLAT, (100, 101, 89, 95), FLAT), "L..",
             (("long", 1, 100, 1, 90, "stop"),)),
    Scenario("the target too", (FLAT, (100, 121, 95, 95), FLAT), "L..", (("long", 1, 100, 1, 120, "target"),)),
    Scenario("a signal exit at the open precedes the bracket of that bar", (FLAT, FLAT, FLAT, (80, 82, 70, 75)), "L.x.",
             (("long", 1, 100, 3, 80, "signal"),)),
    Scenario("a new entry needs a new cross: the same row again is not one", (FLAT, FLAT, (99, 99, 89, 95), FLAT, FLAT), "LLLL.",
             (("long", 1, 100, 2, 90, "stop"),)),
    Scenario("a cross after a pause is a new one", (FLAT, FLAT, (99, 99, 89, 95), FLAT, FLAT, FLAT), "L..L..",
             (("long", 1, 100, 2, 90, "stop"), ("long", 4, 100, 5, 100, "end"))),
    Scenario("an entry while one is open is not taken", (FLAT, FLAT, (110, 111, 109, 110), (112, 112, 112, 112)), "L.L.",
             (("long", 1, 100, 3, 112, "end"),)),
    Scenario("leave and enter the other way at one open", (FLAT, FLAT, (110, 111, 109, 110), (108, 108, 108, 108)), "LR..",
             (("long", 1, 100, 2, 110, "signal"), ("short", 2, 110, 3, 108, "end"))),
    Scenario("an order fills at the next stored bar, whatever hole lies between", (FLAT, (103, 104, 102, 103), FLAT), "L..",
             (("long", 1, 103, 2, 100, "end"),), hours=(0, 50, 51)),
    Scenario("a short sells at the next open", (FLAT, (99, 100, 98, 99), (95, 95, 95, 95)), "S..",
             (("short", 1, 99, 2, 95, "end"),)),
    Scenario("a short's stop is above", (FLAT, FLAT, (101, 111, 100, 105), FLAT), "S...",
             (("short", 1, 100, 2, 110, "stop"),)),
    Scenario("a short's target is below", (FLAT, FLAT, (95, 96, 80, 85), FLAT), "S...",
             (("short", 1, 100, 2, 80, "target"),)),
    Scenario("a gap through a short's stop fills at the open", (FLAT, FLAT, (125, 126, 120, 122), FLAT), "S...",
             (("short", 1, 100, 2, 125, "stop"),)),
    Scenario("a gap through a short's target fills at the open", (FLAT, FLAT, (70, 75, 69, 72), FLAT), "S...",
             (("short", 1, 100, 2, 70, "target"),)),
    Scenario("both in one bar of a short: the stop came first", (FLAT, FLAT, (100, 112, 75, 100), FLAT), "S...",
             (("short", 1, 100, 2, 110, "stop"),)),
    Scenario("slippage is against us on entry, stop and end, and moves the bracket", (FLAT, FLAT, (99, 99, 80, 95), FLAT), "L...",
             (("long", 1, 101, 2, 90.9 * 0.99, "stop"),), slippage=0.01),
    Scenario("a target has no slippage", (FLAT, FLAT, (110, 125, 110, 112), FLAT), "L...",
             (("long", 1, 101, 2, 121.2, "target"),), slippage=0.01),
    Scenario("a position at the end closes at the last close with slippage", (FLAT, FLAT, (105, 105, 105, 105)), "L..",
             (("long", 1, 101, 2, 105 * 0.99, "end"),), slippage=0.01),
]  # fmt: skip


def _run(scenario, **rules):
    hours = scenario.hours or range(len(scenario.bars))
    columns = np.array(scenario.bars, float).T
    ts = START + np.array(hours) * HOUR
    candles = Candles(ts, *columns, np.ones(len(ts)), "BTC/USDT", "1h")
    said = scenario.says
    script = Scripted(
        tuple(c == "L" for c in said),
        tuple(c in "SR" for c in said),
        tuple(c in "xR" for c in said),
        tuple(c == "x" for c in said),
    )
    return backtest(
        candles, script, capital=1000.0, rules=Rules(**({"stop": 0.1, "target": 0.2} | rules)),
        costs=Costs(scenario.fee, scenario.slippage),
    )  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.why)
def test_fills(scenario):
    result = _run(scenario)
    got = [
        (t.side, t.entry_bar, t.entry_price, t.exit_bar, t.exit_price, t.exit_reason) for t in result.trades
    ]
    assert [(*g[:2], g[3], g[5]) for g in got] == [(*t[:2], t[3], t[5]) for t in scenario.trades]
    for g, t in zip(got, scenario.trades, strict=True):
        assert g[2] == pytest.approx(t[2], rel=1e-12)
        assert g[4] == pytest.approx(t[4], rel=1e-12)


def test_all_equity_buys_what_price_and_fee_together_allow():
    result = _run(Scenario("", (FLAT, FLAT, FLAT), "L..", (), fee=0.001))
    trade = result.trades[0]
    assert trade.quantity == pytest.approx(1000 / (100 * 1.001))
    assert trade.fees == pytest.approx(2 * trade.quantity * 100 * 0.001)
    assert trade.pnl == pytest.approx(-trade.fees)
    assert result.metrics.final_equity == pytest.approx(1000 - trade.fees)
    assert result.metrics.win_rate == 0.0


def test_a_fraction_and_a_risk_size_the_position():
    quarter = _run(Scenario("", (FLAT, FLAT, FLAT), "L..", (), fee=0.001), size=0.25)
    assert quarter.trades[0].quantity == pytest.approx(0.25 * 1000 / (100 * 1.001))
    risked = _run(Scenario("", (FLAT, FLAT, FLAT), "L..", ()), risk=0.01)
    # 1 % of 1000 lost over a stop 10 below: one unit.
    assert risked.trades[0].quantity == pytest.approx(1.0)
    capped = _run(Scenario("", (FLAT, FLAT, FLAT), "L..", ()), risk=0.5)
    assert capped.trades[0].quantity == pytest.approx(10.0)


def test_excursions_are_fractions_of_the_entry_and_end_at_the_exit():
    stopped = _run(Scenario("", (FLAT, (100, 104, 97, 100), (99, 130, 80, 95), FLAT), "L...", ())).trades[0]
    # The stop came first: what the bar did after it is not the trade's.
    assert stopped.mae == pytest.approx(0.10)
    assert stopped.mfe == pytest.approx(0.04)
    reached = _run(Scenario("", (FLAT, (100, 104, 97, 100), (99, 130, 95, 95), FLAT), "L...", ())).trades[0]
    assert reached.mfe == pytest.approx(0.20)
    assert reached.mae == pytest.approx(0.05)


def test_a_range_warms_with_earlier_bars_and_decides_on_none_of_them():
    bars = (FLAT,) * 6
    scenario = Scenario("", bars, "L.....", ())
    columns = np.array(bars, float).T
    candles = Candles(START + np.arange(6) * HOUR, *columns, np.ones(6), "BTC/USDT", "1h")
    script = Scripted((True,) + (False,) * 5, *(((False,) * 6,) * 3))
    assert len(_run(scenario).trades) == 1
    ranged = backtest(candles, script, start_ms=START + HOUR)
    assert len(ranged.trades) == 0
    assert len(ranged.equity) == 5


def test_the_first_row_of_a_range_is_a_new_cross_for_a_strategy_that_says_long_all_along():
    bars = (FLAT,) * 6
    candles = Candles(START + np.arange(6) * HOUR, *np.array(bars, float).T, np.ones(6), "BTC/USDT", "1h")
    script = Scripted((True,) * 6, *(((False,) * 6,) * 3))
    assert [t.entry_bar for t in backtest(candles, script, start_ms=START + 2 * HOUR).trades] == [1]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"capital": 0.0}, "capital"),
        ({"capital": float("nan")}, "capital"),
        ({"rules": Rules(stop=1.0)}, "stop"),
        ({"rules": Rules(stop=0.0)}, "stop"),
        ({"rules": Rules(target=-0.1)}, "target"),
        ({"rules": Rules(stop=0.1, target=0.1)}, "target"),
        ({"rules": Rules(size=1.5)}, "size"),
        ({"rules": Rules(risk=0.0)}, "risk"),
        ({"rules": Rules(stop=float("nan"), target=float("nan"), risk=0.01)}, "risk"),
        ({"costs": Costs(fee=1.0)}, "fee"),
        ({"costs": Costs(slippage=float("inf"))}, "slippage"),
        ({"min_reward_risk": -1.0}, "min_reward_risk"),
    ],
)
def test_impossible_rules_are_refused_by_name(options, field):
    candles = Candles(
        START + np.arange(3) * HOUR, *np.array((FLAT,) * 3, float).T, np.ones(3), "BTC/USDT", "1h"
    )
    with pytest.raises(InputError) as refused:
        backtest(candles, Scripted(*(((False,) * 3,) * 4)), **options)
    assert refused.value.field == field


def test_a_range_without_bars_is_refused():
    candles = Candles(
        START + np.arange(3) * HOUR, *np.array((FLAT,) * 3, float).T, np.ones(3), "BTC/USDT", "1h"
    )
    script = Scripted(*(((False,) * 3,) * 4))
    with pytest.raises(DataError, match=r"no bar in that range; those of BTC/USDT 1h are .*Z to "):
        backtest(candles, script, start_ms=START + 100 * HOUR)
    with pytest.raises(DataError, match="range is empty"):
        backtest(candles, script, start_ms=START + HOUR, end_ms=START)


def test_a_strategy_of_the_wrong_length_or_that_raises_is_a_sentence():
    candles = Candles(
        START + np.arange(3) * HOUR, *np.array((FLAT,) * 3, float).T, np.ones(3), "BTC/USDT", "1h"
    )

    class Short(Scripted):
        def signals(self, candles):
            return super().signals(candles[:2])

    class Raising(Scripted):
        def signals(self, candles):
            return 1 / 0

    with pytest.raises(InputError, match=r"shape \(2,\) for 3 bars"):
        backtest(candles, Short(*(((False,) * 2,) * 4)))
    with pytest.raises(InputError, match="ZeroDivisionError"):
        backtest(candles, Raising(*(((False,) * 3,) * 4)))


def test_a_strategy_that_ends_the_process_is_a_sentence():
    candles = Candles(
        START + np.arange(3) * HOUR, *np.array((FLAT,) * 3, float).T, np.ones(3), "BTC/USDT", "1h"
    )

    class Leaving(Scripted):
        def signals(self, candles):
            raise SystemExit(0)

    with pytest.raises(InputError, match="SystemExit"):
        backtest(candles, Leaving(*(((False,) * 3,) * 4)))


def test_amounts_beyond_floating_point_are_refused():
    tiny = np.array((FLAT,) * 3, float).T * 1e-312
    candles = Candles(START + np.arange(3) * HOUR, *tiny, np.ones(3), "BTC/USDT", "1h")
    entering = Scripted((True, False, False), *(((False,) * 3,) * 3))
    with pytest.raises(InputError, match="range of numbers") as refused:
        backtest(candles, entering)
    assert refused.value.field == "capital"


@pytest.mark.parametrize(
    ("entry", "exits", "words"),
    [
        (np.array([1, 0, 0]), np.zeros(3, np.int8), "'entry' of int64, where int8"),
        (np.array([1.0, 0.5, 0.25]), np.zeros(3, np.int8), "'entry' of float64"),
        ([1, 0, 0], np.zeros(3, np.int8), "'entry' of list"),
        (np.array([3, 0, 0], np.int8), np.zeros(3, np.int8), "'entry' with values outside -1 to 1"),
        (np.zeros(3, np.int8), np.array([0, -1, 0], np.int8), "'exits' with values outside 0 to 3"),
        (np.zeros((3, 1), np.int8), np.zeros(3, np.int8), "'entry' of shape"),
    ],
)
def test_columns_that_the_kernel_would_misread_are_refused(entry, exits, words):
    candles = Candles(
        START + np.arange(3) * HOUR, *np.array((FLAT,) * 3, float).T, np.ones(3), "BTC/USDT", "1h"
    )

    class Raw(Scripted):
        def signals(self, candles):
            return Signals(entry, exits)

    with pytest.raises(InputError, match=words):
        backtest(candles, Raw(*(((False,) * 3,) * 4)))
