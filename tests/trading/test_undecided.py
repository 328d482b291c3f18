"""The interval holds every order of events, and is not wider than they are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from cryptai.market.candles import Candles
from cryptai.market.files import read_candles
from cryptai.portfolio.rules import Rules
from cryptai.signals import Signals
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs
from cryptai.trading.undecided import BEST, Ending, interval, orders_for


class World:
    """A tree of readings: each reading leads to another number of further ones, and to another end."""

    def __init__(self, seed, depth):
        self.seed, self.depth, self.runs = seed, depth, 0

    def __call__(self, readings):
        self.runs += 1
        path = []
        while len(path) < self.depth and self.asks(path):
            path.append(readings >> len(path) & 1)
        return Ending(self.end(path), len(path), 1.0)

    def asks(self, path):
        return len(path) < 2 or np.random.default_rng([self.seed, *path, 7]).random() < 0.8

    def end(self, path):
        return float(np.random.default_rng([self.seed, len(path), *path]).normal(100, 20))

    def leaves(self, path=()):
        if len(path) < self.depth and self.asks(path):
            return self.leaves((*path, 0)) + self.leaves((*path, 1))
        return [self.end(path)]


@pytest.mark.parametrize("seed", range(40))
def test_every_path_of_diverging_readings_is_run_once_and_bounds_are_exact(seed):
    world = World(seed, 5)
    found = interval(world, world(0), trades=10, marked=4, rejoins=False)
    leaves = world.leaves()
    assert (found.worst, found.best, found.exact) == (min(leaves), max(leaves), True)
    # Each leaf once, and the best reading of all at the beginning.
    assert len(leaves) <= found.orders <= len(leaves) + 1
    assert world.runs == found.orders
    assert found.share == 0.4


def test_more_paths_than_may_be_run_are_said_not_to_be_exact():
    world = World(3, 12)
    leaves = world.leaves()
    found = interval(world, world(0), trades=10, marked=4, rejoins=False, most=30)
    assert len(leaves) > 100
    assert (found.exact, found.orders, world.runs) == (False, 30, 30)
    assert min(leaves) <= found.worst <= found.best <= max(leaves)
    assert interval(world, world(0), trades=1, marked=1, rejoins=False, most=10_000).worst == min(leaves)


@pytest.mark.parametrize(("bars", "orders"), [(0, 128), (55_000, 128), (1_000_000, 20), (10**8, 8)])
def test_long_runs_are_made_again_less_often(bars, orders):
    assert orders_for(bars) == orders


def test_nothing_open_is_free():
    def never(readings):
        raise AssertionError(readings)

    found = interval(never, Ending(90.0, 0, 80.0), trades=5, marked=0, rejoins=False)
    assert (found.worst, found.best, found.exact, found.share) == (90.0, 90.0, True, 0.0)


def test_outcomes_that_rejoin_need_one_run_more():
    asked = []

    def run(readings):
        asked.append(readings)
        return Ending(130.0, 40, 70.0)

    found = interval(run, Ending(90.0, 40, 60.0), trades=80, marked=40, rejoins=True)
    assert (asked, found.worst, found.best, found.exact) == ([BEST], 90.0, 130.0, True)


HOUR, QUARTER = 3_600_000, 900_000
RULES, COSTS = Rules(stop=0.02, target=0.03), Costs(0.001, 0.0005)


def continuous(rng, n, volatility=0.015):
    """Hourly bars of a price that never jumps: each opens where the one before closed."""
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, volatility, n)))
    opens = np.concatenate([[100.0], close[:-1]])
    spread = np.abs(rng.normal(0, volatility, (2, n)))
    high = np.maximum(opens, close) * np.exp(spread[0])
    low = np.minimum(opens, close) * np.exp(-spread[1])
    ts = 1_600_000_000_000 // HOUR * HOUR + np.arange(n) * HOUR
    return Candles(ts, opens, high, low, close, np.ones(n), "BTC/USDT", "1h")


def walked(candles, up_first):
    """The quarters of each hour on one path through its four prices: high before low, or after it."""
    first = np.where(up_first, candles.high, candles.low)
    second = np.where(up_first, candles.low, candles.high)
    points = np.stack([candles.open, first, second, candles.close, candles.close], axis=1)
    opens, close = points[:, :-1].ravel(), points[:, 1:].ravel()
    ts = (candles.ts[:, None] + np.arange(4) * QUARTER).ravel()
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    return Candles(ts, opens, high, low, close, np.ones(len(ts)), "BTC/USDT", "15m")


@dataclass(frozen=True, eq=False)
class Said:
    """Entries of one kind where it was told to; exits where it was told to."""

    name: ClassVar[str] = "said"
    allow_short: ClassVar[bool] = True
    side: np.ndarray
    leave: np.ndarray
    kind: str

    def signals(self, candles):
        away = candles.close * (1.0 - 0.01 * self.side if self.kind == "limit" else 1.0 + 0.01 * self.side)
        columns = {} if self.kind == "market" else {self.kind: np.where(self.side != 0, away, np.nan)}
        return Signals(self.side, self.leave, **columns)


def some(rng, n, kind):
    side = np.where(rng.random(n) < 0.3, np.where(rng.random(n) < 0.6, 1, -1), 0).astype(np.int8)
    return Said(side, np.where(rng.random(n) < 0.05, 3, 0).astype(np.int8), kind)


def by_path(candles, strategy, up_first):
    return backtest(
        candles, strategy, rules=RULES, costs=COSTS, finer={"BTC/USDT": walked(candles, up_first)}
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_bracket_ends_at_every_order_of_the_bars_that_matter_and_nowhere_else(seed):
    rng = np.random.default_rng(seed)
    candles = continuous(rng, 90)
    strategy = some(rng, 90, "market")
    whole = backtest(candles, strategy, rules=RULES, costs=COSTS)
    found = whole.undecided
    open_bars = [int(one["exit_bar"]) for one in whole.records if one["undecided"]]
    assert (found.trades, found.exact) == (len(open_bars), True)
    ends = []
    for order in product((False, True), repeat=min(len(open_bars), 6)):
        up_first = rng.random(90) < 0.5
        up_first[open_bars[: len(order)]] = order
        ends.append(float(by_path(candles, strategy, up_first).equity[-1]))
    slack = 1e-9 * found.best
    assert found.worst - slack <= min(ends)
    assert max(ends) <= found.best + slack
    if 0 < len(open_bars) <= 6:
        assert (min(ends), max(ends)) == pytest.approx((found.worst, found.best), rel=1e-12)


@pytest.mark.parametrize("kind", ["limit", "trigger"])
def test_entries_inside_a_bar_keep_every_path_within_the_interval(kind):
    open_trades = exact = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        candles = continuous(rng, 40)
        strategy = some(rng, 40, kind)
        found = backtest(candles, strategy, rules=RULES, costs=COSTS).undecided
        open_trades += found.trades
        exact += found.exact
        if not found.exact:
            continue
        for _ in range(12):
            # A quarter in which an order fills leaves something open, too, but less than the hour.
            path = by_path(candles, strategy, rng.random(40) < 0.5).undecided
            assert path.exact
            assert found.worst * (1 - 1e-9) <= path.worst
            assert path.best <= found.best * (1 + 1e-9)
    assert open_trades > 25
    assert exact > 15


@pytest.mark.parametrize("mistake", ["nothing is open", "outcomes rejoin"])
def test_an_interval_that_forgets_the_entrys_own_bar_does_not_hold_its_paths(mistake):
    missed = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        candles = continuous(rng, 40)
        strategy = some(rng, 40, "trigger")
        whole = backtest(candles, strategy, rules=RULES, costs=COSTS)

        def run(readings, whole=whole):
            outcome = whole.again(readings=readings)
            return Ending(float(outcome.equity[-1]), outcome.readings, 1.0)

        base = Ending(float(whole.equity[-1]), 0 if mistake == "nothing is open" else whole.readings, 1.0)
        found = interval(run, base, trades=1, marked=1, rejoins=True)
        for _ in range(12):
            end = float(by_path(candles, strategy, rng.random(40) < 0.5).equity[-1])
            worst, best = min(found.worst, found.best), max(found.worst, found.best)
            missed += not worst * (1 - 1e-9) <= end <= best * (1 + 1e-9)
    assert missed > 0


def without_jumps(minutes):
    """The same closes, each minute opening where the one before closed: levels then fill at their price."""
    opens = np.concatenate([minutes.open[:1], minutes.close[:-1]])
    high, low = np.maximum(minutes.high, opens), np.minimum(minutes.low, opens)
    return Candles(minutes.ts, opens, high, low, minutes.close, minutes.volume, minutes.symbol, "1m")


@pytest.mark.shared
@pytest.mark.parametrize("symbol", ["BTC", "ETH", "XRP", "ADA", "BNB"])
def test_real_hours_hold_what_their_minutes_show_and_minutes_leave_less_open(shared, symbol):
    minutes = without_jumps(read_candles(shared / f"data/candles/perp_1m/{symbol}USDT_1m.parquet"))
    minutes = minutes[int(np.argmax(minutes.ts % HOUR == 0)) :]
    hours = minutes.resample("1h")
    minutes = minutes.between(None, int(hours.ts[-1]) + HOUR)
    rules = Rules(stop=0.002, target=0.003)
    coarse_open = fine_open = 0
    for seed in range(20):
        strategy = some(np.random.default_rng(seed), len(hours), "market")
        whole = backtest(hours, strategy, rules=rules, costs=Costs(0.0004, 0.0001))
        found = whole.undecided
        inside = {hours.symbol: minutes}
        truth = backtest(hours, strategy, rules=rules, costs=Costs(0.0004, 0.0001), finer=inside)
        narrow = truth.undecided
        slack = 1e-9 * found.best
        assert found.exact
        assert found.worst - slack <= narrow.worst <= truth.equity[-1] + slack
        assert narrow.best <= found.best + slack
        coarse_open += found.trades
        fine_open += narrow.trades
    assert coarse_open > 20
    assert fine_open < coarse_open / 4
