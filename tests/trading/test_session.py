"""Sessions: what they tell, what they refuse. That they do what a backtest does: the bed `parity`."""

from __future__ import annotations

import math

import pytest

from cryptai.errors import InputError
from cryptai.ledger.book import LIMIT, MARKET, STOP, TARGET
from cryptai.portfolio.rules import Rules
from cryptai.trading.costs import Costs
from cryptai.trading.session import Said, Session

FREE = Costs(fee=0.0, slippage=0.0)
RULES = Rules(stop=0.1, target=0.2, size=0.5)


def _bar(ts, open_, high, low, close, volume=1.0):
    return (ts, open_, high, low, close, volume)


def _flat(ts, price):
    return _bar(ts, price, price, price, price)


def test_what_a_row_decides_fills_at_the_next_bar_and_is_told():
    session = Session(["BTC/USDT"], capital=1000.0, rules=RULES, costs=FREE)
    quiet = session.on_bars({"BTC/USDT": _flat(0, 100.0)}, {"BTC/USDT": Said(entry=1)})
    assert (len(quiet.fills), len(quiet.trades), quiet.equity) == (0, 0, 1000.0)
    told = session.on_bars({"BTC/USDT": _bar(1, 101.0, 102.0, 100.0, 102.0)}, {})
    (fill,) = told.fills
    assert (fill["time"], fill["price"], fill["entered"], fill["why"]) == (1, 101.0, 1, MARKET)
    assert fill["quantity"] == pytest.approx(500 / 101)
    assert told.equity == pytest.approx(1000 + 500 / 101)
    assert session.equity == told.equity
    assert session.markets["entry_price"][0] == 101.0


def test_two_markets_share_the_cash_and_take_turns_by_score():
    session = Session(["A/USDT", "B/USDT"], capital=100.0, rules=Rules(size=1.0), costs=FREE)
    both = {name: _flat(0, 10.0) for name in session.symbols}
    session.on_bars(both, {"A/USDT": Said(entry=1, score=1.0), "B/USDT": Said(entry=1, score=2.0)})
    told = session.on_bars({name: _flat(1, 10.0) for name in session.symbols}, {})
    assert [int(fill["market"]) for fill in told.fills] == [1]
    assert told.refused == {"cash": 1}
    assert session.account["cash"][0] == 0.0


def test_an_order_rests_through_a_hole_and_its_bracket_is_told_apart():
    session = Session(["A/USDT", "B/USDT"], capital=100.0, rules=RULES, costs=FREE)
    session.on_bars({"A/USDT": _flat(0, 10.0)}, {"A/USDT": Said(entry=1, limit=9.0, stop=8.0)})
    for ts in (1, 2):
        assert not len(session.on_bars({"B/USDT": _flat(ts, 5.0)}, {}).fills)
    told = session.on_bars({"A/USDT": _bar(3, 9.5, 9.6, 7.9, 8.5)}, {})
    assert [(int(f["entered"]), int(f["why"])) for f in told.fills] == [(1, LIMIT), (0, STOP)]
    (trade,) = told.trades
    assert (trade["entry_price"], trade["exit_price"]) == (9.0, 8.0)


def test_finer_bars_tell_which_level_came_first():
    def run(finer):
        session = Session(["A/USDT"], capital=100.0, rules=RULES, costs=FREE)
        session.on_bars({"A/USDT": _flat(0, 10.0)}, {"A/USDT": Said(entry=1)})
        return session.on_bars({"A/USDT": _bar(60, 10.0, 12.5, 8.5, 10.0)}, {}, finer=finer).trades[0]

    coarse = run(None)
    assert (coarse["exit_reason"], coarse["undecided"]) == (STOP, 1)
    up_first = [_bar(60, 10.0, 12.5, 10.0, 12.0), _bar(90, 12.0, 12.0, 8.5, 10.0)]
    fine = run({"A/USDT": up_first})
    assert (fine["exit_reason"], fine["undecided"]) == (TARGET, 0)


def test_funding_is_paid_by_what_is_held():
    session = Session(["A/USDT"], capital=100.0, rules=RULES, costs=FREE)
    session.on_bars({"A/USDT": _flat(0, 10.0)}, {"A/USDT": Said(entry=1)})
    session.on_bars({"A/USDT": _flat(1, 10.0)}, {}, funding={"A/USDT": [(1, 0.01)]})
    told = session.on_bars({"A/USDT": _flat(2, 10.0)}, {}, funding={"A/USDT": [(2, 0.01)]})
    assert told.equity == pytest.approx(100.0 - 50.0 * 0.01)
    assert session.markets["funding"][0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("bars", "words"),
    [
        ({"X/USDT": _flat(5, 1.0)}, "does not hold X/USDT"),
        ({}, "was given 0"),
        ({"A/USDT": _flat(5, 1.0), "B/USDT": _flat(6, 1.0)}, "was given 2"),
        ({"A/USDT": _flat(4, 1.0)}, "not later"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(bars, words):
    session = Session(["A/USDT", "B/USDT"], rules=RULES, costs=FREE)
    session.on_bars({"A/USDT": _flat(4, 10.0)}, {"A/USDT": Said(entry=1)})
    before = session.account.tobytes(), session.markets.tobytes()
    with pytest.raises(InputError, match=words):
        session.on_bars(bars, {})
    assert (session.account.tobytes(), session.markets.tobytes()) == before
    assert len(session.on_bars({"A/USDT": _flat(5, 10.0)}, {}).fills) == 1
    assert not math.isnan(session.equity)
