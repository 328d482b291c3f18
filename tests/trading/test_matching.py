"""Single rules of execution, where random scripts seldom come: what a bar makes of one order or position."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryptai.ledger.book import EXIT_REASONS, Book
from cryptai.market.candles import Candles
from cryptai.portfolio.rules import Rules
from cryptai.signals import Signals
from cryptai.trading.costs import Costs
from cryptai.trading.market import Finer, Market
from cryptai.trading.markets import simulate_markets
from cryptai.trading.matching import (
    CAPPED,
    EXACT,
    NOT,
    SLIPS,
    WAITS,
    bracket_reached,
    fill_price,
    liquidation_price,
    opens,
    touches,
)

MARKET, LIMIT, TRIGGER, STOP_LIMIT = range(4)
HOUR = 3_600_000


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("kind", "open_", "how"),
    [
        (MARKET, 100.0, SLIPS), (LIMIT, 95.0, EXACT), (LIMIT, 94.0, EXACT), (LIMIT, 96.0, NOT),
        (TRIGGER, 104.0, NOT), (TRIGGER, 105.0, SLIPS), (TRIGGER, 107.0, SLIPS),
        (STOP_LIMIT, 104.0, NOT), (STOP_LIMIT, 105.0, CAPPED), (STOP_LIMIT, 106.0, CAPPED),
        (STOP_LIMIT, 107.0, WAITS),
    ],
)  # fmt: skip
def test_what_an_open_makes_of_an_order(side, kind, open_, how):
    # To sell, the same around 100.
    limit, trigger = (95.0 if kind == LIMIT else 106.0), 105.0
    if side < 0:
        open_, limit, trigger = 200.0 - open_, 200.0 - limit, 200.0 - trigger
    assert opens(side, kind, limit, trigger, 0, open_).how == how


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("kind", "triggered", "high", "low", "close", "how", "base"),
    [
        (LIMIT, 0, 101.0, 95.0, 99.0, EXACT, 95.0), (LIMIT, 0, 101.0, 95.5, 99.0, NOT, None),
        (TRIGGER, 0, 105.0, 99.0, 101.0, SLIPS, 105.0), (TRIGGER, 0, 104.5, 99.0, 101.0, NOT, None),
        (STOP_LIMIT, 1, 99.0, 95.0, 98.0, EXACT, 95.0), (STOP_LIMIT, 0, 106.0, 94.0, 94.5, EXACT, 95.0),
        (STOP_LIMIT, 0, 106.0, 94.0, 96.0, WAITS, None), (STOP_LIMIT, 2, 99.0, 94.0, 96.0, WAITS, None),
        (STOP_LIMIT, 0, 104.0, 94.0, 94.5, NOT, None),
    ],
)  # fmt: skip
def test_what_the_inside_of_a_bar_makes_of_an_order(side, kind, triggered, high, low, close, how, base):
    limit, trigger = 95.0, 105.0
    if side < 0:
        high, low, close = 200.0 - low, 200.0 - high, 200.0 - close
        limit, trigger, base = 200.0 - limit, 200.0 - trigger, None if base is None else 200.0 - base
    met = touches(side, kind, limit, trigger, triggered, high, low, close)
    assert met.how == how
    if base is not None:
        assert met.base == base


def test_a_stop_limit_order_pays_no_more_than_its_limit():
    assert fill_price(CAPPED, 1, 100.0, 100.2, 0.01) == 100.2
    assert fill_price(CAPPED, 1, 100.0, 102.0, 0.01) == pytest.approx(101.0)
    assert fill_price(CAPPED, -1, 100.0, 99.8, 0.01) == 99.8
    assert fill_price(EXACT, 1, 100.0, 100.0, 0.01) == 100.0


@pytest.mark.parametrize(
    ("low", "high", "stop", "policy", "reason", "both"),
    [
        (84.0, 105.0, math.nan, 0, "liquidation", False),
        (84.0, 115.0, math.nan, 0, "liquidation", True),
        (84.0, 115.0, math.nan, 1, "target", True),
        (84.0, 105.0, 90.0, 0, "stop", False),  # the stop is nearer
        (84.0, 105.0, 80.0, 0, "liquidation", False),
        (90.0, 115.0, 88.0, 0, "target", False),
    ],
)
def test_liquidation_stop_and_target_of_one_bar(low, high, stop, policy, reason, both):
    long = Book(0.0, 1.0, 100.0, stop, 110.0, 0.0, 0, 0)
    left, chosen = bracket_reached(long, 85.0, 80.0, 100.0, high, low, 0.0, policy)
    assert (EXIT_REASONS[left.reason], chosen) == (reason, both)


def test_the_margin_ends_where_maintenance_says():
    assert liquidation_price(1, 100.0, 10.0, 0.0) == pytest.approx(90.0)
    assert liquidation_price(1, 100.0, 10.0, 0.01) == pytest.approx(90.0 / 0.99)
    assert liquidation_price(-1, 100.0, 10.0, math.nan) == pytest.approx(110.0)
    assert math.isnan(liquidation_price(1, 100.0, 1.0, math.nan))


def _market(bars, entry, *, finer=None, **columns):
    values = np.array(bars, np.float64)
    candles = Candles(
        np.arange(len(bars), dtype=np.int64) * HOUR, *(np.ascontiguousarray(c) for c in values.T),
        np.ones(len(bars)), "A/USDT", "1h",
    )  # fmt: skip
    said = {name: np.array(column, np.float64) for name, column in columns.items()}
    signals = Signals(np.array(entry, np.int8), np.zeros(len(bars), np.int8), **said)
    return Market(candles, signals, finer=finer)


def test_a_stake_risks_no_more_than_asked():
    flat = [(100.0, 100.0, 100.0, 100.0)] * 3
    free = Costs(0.0, 0.0)
    rules = Rules(stop=0.1, target=math.nan, stake=500.0, risk=0.01)
    found = simulate_markets([_market(flat, [1, 0, 0])], capital=1000.0, rules=rules, costs=free)
    assert found.trades["quantity"].tolist() == [pytest.approx(1.0)]  # 1 % of 1,000 over a distance of 10


def test_a_finer_bar_that_opens_beyond_a_stop_limit_triggers_it_and_a_later_one_fills_it():
    nan = math.nan
    bars = [(100.0, 100.0, 100.0, 100.0), (100.0, 108.0, 100.0, 101.0), (101.0, 101.0, 101.0, 101.0)]
    path = [(100.0, 101.0, 100.0, 101.0), (107.0, 108.0, 106.0, 106.5), (106.5, 106.5, 101.0, 101.0)]
    finer = Finer(np.array([0, 0, 3, 3]), *(np.ascontiguousarray(c) for c in np.array(path).T))
    market = _market(bars, [1, 0, 0], finer=finer, trigger=[105.0, nan, nan], limit=[103.0, nan, nan])
    rules = Rules(stop=nan, target=nan)
    found = simulate_markets([market], capital=1000.0, rules=rules, costs=Costs(0.0, 0.0))
    (trade,) = found.trades
    assert (trade["entry_price"], trade["entry_bar"], trade["entry_kind"]) == (103.0, 1, STOP_LIMIT)
