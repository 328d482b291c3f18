"""Many sets at once give what each gives alone."""

from __future__ import annotations

import math
import threading
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pytest

from cryptai.analytics.returns import daily_returns
from cryptai.errors import DataError, InputError
from cryptai.features.crosses import before, crosses_above, crosses_below
from cryptai.features.shared import Line, Shared, line
from cryptai.market.funding import Funding
from cryptai.portfolio.rules import Rules
from cryptai.signals import Signals
from cryptai.strategies.breakout import Breakout
from cryptai.strategies.buy_and_hold import BuyAndHold
from cryptai.strategies.ema_trend import EmaTrend
from cryptai.strategies.rsi_reversal import RsiReversal
from cryptai.strategies.strategy import build, param, strategies
from cryptai.trading import room, shared_runs, sweeping, tallied
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs
from cryptai.trading.sweeping import run_many
from cryptai.trading.tallied import daily_returns as daily_returns_of
from tests.trading.worlds import random_candles, random_script

SETS = [{"fast": fast, "slow": slow} for fast in (3, 5, 8) for slow in (13, 21)]


@pytest.fixture(scope="module")
def candles():
    return random_candles(np.random.default_rng(5), 3_000)


@pytest.mark.parametrize("threads", [1, 2])
def test_each_set_has_the_metrics_and_daily_returns_of_its_own_backtest(candles, threads):
    rules, costs = Rules(stop=0.04, target=0.09, size=0.7), Costs(0.0007, 0.0002)
    many = run_many(candles, EmaTrend, SETS, rules=rules, costs=costs, threads=threads, returns=True)
    for index, one in enumerate(SETS):
        alone = backtest(candles, build(EmaTrend, one), rules=rules, costs=costs)
        assert asdict(many.metrics[index]) == asdict(alone.metrics)
        assert (many.returns[:, index] == daily_returns(alone.capital, alone.ts, alone.equity)).all()


def test_a_part_of_the_candles_is_run_with_the_bars_before_as_warm_up(candles):
    start, end = int(candles.ts[700]), int(candles.ts[2200])
    many = run_many(candles, EmaTrend, SETS, start_ms=start, end_ms=end, returns=True)
    for one, metrics in zip(SETS, many.metrics, strict=True):
        assert metrics == backtest(candles, build(EmaTrend, one), start_ms=start, end_ms=end).metrics
    assert many.returns.shape == (len(many.days), len(SETS))


def test_what_is_done_is_told_once_for_each_set(candles):
    told = {}
    many = run_many(candles, EmaTrend, SETS, threads=2, on_done=told.__setitem__)
    assert [told[index] for index in range(len(SETS))] == many.metrics


def test_a_stopped_sweep_begins_no_further_set(candles):
    stop = threading.Event()
    many = run_many(candles, EmaTrend, SETS, on_done=lambda *_: stop.set(), stop=stop, returns=True)
    assert many.metrics[0] is not None
    assert many.metrics[-1] is None
    assert not many.returns[:, -1].any()


def test_a_set_that_cannot_be_is_refused(candles):
    with pytest.raises(InputError, match="fast"):
        run_many(candles, EmaTrend, [{"fast": 30, "slow": 20}])
    with pytest.raises(InputError, match="threads"):
        run_many(candles, EmaTrend, SETS, threads=0)


def test_an_empty_list_of_sets_gives_nothing(candles):
    assert run_many(candles, EmaTrend, []).metrics == []


WORLDS = 60
GRIDS = {
    EmaTrend: [{"fast": f, "slow": s} for f in (2, 5, 9) for s in (11, 20, 45)],
    RsiReversal: [
        {"period": p, "low": low, "high": high} for p in (2, 9) for low in (20, 40) for high in (55, 80)
    ],
    Breakout: [{"period": p, "exit_period": e} for p in (5, 20) for e in (3, 20, 40)],
    BuyAndHold: [{}, {}],
}


def some_rules(rng):
    """Brackets near and far, none, parts of the equity, and risks."""
    stop = float(rng.choice([0.01, 0.04, 0.3, math.nan]))
    target = float(rng.choice([0.02, 0.1, 0.6, math.nan]))
    risk = 0.01 if rng.random() < 0.2 and not math.isnan(stop) else math.nan
    return Rules(stop, target, float(rng.choice([1.0, 0.35])), risk)


@pytest.mark.parametrize("seed", range(WORLDS))
def test_every_metric_of_every_set_is_its_backtests_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    cls = list(GRIDS)[seed % len(GRIDS)]
    length = int(rng.choice([70, 400, 3_000]))
    candles = random_candles(rng, length, volatility=float(rng.choice([0.004, 0.02, 0.08])))
    n = len(candles)
    sets = [dict(one) for one in GRIDS[cls]]
    if cls is not BuyAndHold:
        sets += [{**one, "allow_short": True} for one in sets]
    options = {
        "rules": some_rules(rng),
        "costs": Costs(float(rng.choice([0.0, 0.001])), float(rng.choice([0.0, 0.002]))),
        "min_reward_risk": 0.0,
        "capital": float(rng.choice([1_000.0, 1e-3, 7e8])),
        "close_at_end": bool(rng.random() < 0.7),
        "start_ms": int(candles.ts[n // 3]) if rng.random() < 0.5 else None,
        "end_ms": int(candles.ts[-n // 5]) if rng.random() < 0.3 else None,
    }
    many = run_many(candles, cls, sets, returns=True, threads=1 + seed % 2, **options)
    for index, one in enumerate(sets):
        alone = backtest(candles, build(cls, one), **options)
        assert asdict(many.metrics[index]) == asdict(alone.metrics), (one, options)
        daily = daily_returns(alone.capital, alone.ts, alone.equity)
        if daily is not None:
            assert (many.returns[:, index] == daily).all()


def scripted(scripts):
    """A strategy whose one parameter chooses what it says."""

    @dataclass(frozen=True)
    class Chosen:
        name: ClassVar[str] = "chosen"
        which: int = param(0, low=0, high=1000)
        allow_short: ClassVar[bool] = True

        def signals(self, candles):
            return scripts[self.which].signals(candles)

    return Chosen


@pytest.mark.parametrize("seed", range(30))
def test_decisions_of_any_shape_run_from_event_to_event(seed):
    rng = np.random.default_rng(seed)
    candles = random_candles(rng, int(rng.choice([3, 64, 65, 500])))
    made = scripted([random_script(rng, len(candles)) for _ in range(20)])
    options = {"rules": some_rules(rng), "min_reward_risk": 0.0, "close_at_end": seed % 2 == 0}
    if len(candles) > 60:
        options["start_ms"] = int(candles.ts[7 * (seed % 3)])
    many = run_many(candles, made, [{"which": i} for i in range(20)], **options)
    for index, metrics in enumerate(many.metrics):
        assert metrics == backtest(candles, made(index), **options).metrics


def test_a_set_that_ruins_the_account_is_run_by_the_loop_that_knows_of_it(candles):
    # Each round trip costs a third: fifty of them leave less than any entry is made with.
    costs, sets = (
        Costs(0.2, 0.0),
        [{"fast": 2, "slow": 30}, {"fast": 3, "slow": 30}, {"fast": 100, "slow": 900}],
    )
    many = run_many(candles, EmaTrend, sets, rules=Rules(stop=0.5, target=math.nan), costs=costs)
    alone = [
        backtest(candles, build(EmaTrend, one), rules=Rules(stop=0.5, target=math.nan), costs=costs)
        for one in sets
    ]
    assert [one.refused.get("cash", 0) > 0 for one in alone] == [True, True, False]
    assert many.metrics == [one.metrics for one in alone]


@pytest.mark.parametrize("name", [n for n in strategies.names() if hasattr(strategies.get(n), "shared")])
def test_what_a_strategy_shares_says_the_same_as_its_signals(name):
    for seed in range(8):
        candles = random_candles(np.random.default_rng(seed), 1_500, volatility=0.01)
        for short in (False, True):
            made = build(strategies.get(name), {"allow_short": short})
            signals, shared = made.signals(candles), made.shared()
            said = signals.entry == 1, signals.exits & 1 > 0, signals.entry == -1, signals.exits & 2 > 0
            for terms, rows in zip(shared, said, strict=True):
                assert (held_by_definition(terms, candles) == rows).all()


def held_by_definition(terms, candles):
    """Row by row, in plain Python: where all terms hold."""
    lines = [(term.a.over(candles), term.b.over(candles), term.how) for term in terms]
    return np.array([bool(lines) and all(holds(*one, t) for one in lines) for t in range(len(candles))])


def holds(a, b, how, t):
    if how == 0:
        return a[t] > b[t]
    if how == 1:
        return a[t] < b[t]
    if t == 0:
        return False
    return (a[t] > b[t] and a[t - 1] <= b[t - 1]) if how == 2 else (a[t] < b[t] and a[t - 1] >= b[t - 1])


def test_lines_that_do_not_fit_together_are_held_portion_by_portion(candles, monkeypatch):
    sets = [{"fast": f, "slow": s} for f in range(2, 9) for s in range(10, 30)]
    wanted = run_many(candles, EmaTrend, sets).metrics
    for lines in (2, 3, 7):
        monkeypatch.setattr(shared_runs, "_LINES_BYTES", lines * 8 * len(candles))
        assert run_many(candles, EmaTrend, sets, threads=2).metrics == wanted


def test_each_line_is_computed_once_where_there_is_room(candles, monkeypatch):
    computed = []
    compute = room.compute
    monkeypatch.setattr(
        room, "compute", lambda lines, *more: (computed.extend(lines), compute(lines, *more))[1]
    )
    sets = [{"fast": f, "slow": s} for f in range(2, 9) for s in range(10, 30)]
    for threads in (1, 3):
        computed.clear()
        run_many(candles, EmaTrend, sets, threads=threads)
        assert len(computed) == len(set(computed)) == 7 + 20


def test_plain_sets_need_one_whole_backtest(candles, monkeypatch):
    whole = []
    monkeypatch.setattr(sweeping, "backtest", lambda *a, **k: (whole.append(a), backtest(*a, **k))[1])
    run_many(candles, EmaTrend, SETS)
    assert len(whole) == 1
    run_many(candles, EmaTrend, SETS, rules=Rules(max_bars=5.0))
    assert len(whole) == 1 + len(SETS)


def test_what_is_refused_after_lines_were_begun_is_told_to_nobody(candles):
    told = []
    options = {"threads": 3, "on_done": lambda *one: told.append(one)}
    with pytest.raises(InputError, match="fast"):
        run_many(candles, EmaTrend, [*SETS * 20, {"fast": 30, "slow": 20}], **options)
    with pytest.raises(DataError, match="no bar"):
        run_many(candles, EmaTrend, SETS * 20, start_ms=int(candles.ts[-1]) + 1, **options)
    with pytest.raises(InputError, match="capital"):
        run_many(candles, EmaTrend, SETS * 20, capital=-1.0, **options)
    assert not told


def test_lines_that_were_begun_in_vain_are_left_where_a_strategys_own_rules_are_not_plain(candles):
    class Soon(EmaTrend):
        rules: ClassVar = {"max_bars": 5.0}

    metrics = run_many(candles, Soon, SETS, threads=3).metrics
    assert metrics == [backtest(candles, build(Soon, one)).metrics for one in SETS]
    assert metrics != run_many(candles, EmaTrend, SETS).metrics


def test_a_strategys_own_steps_of_its_target_are_those_of_its_backtests(candles):
    class Steps(EmaTrend):
        target: ClassVar[float] = math.nan

        def target_steps(self, timeframe):
            return ((0, 0.02), (self.fast, 0.01)) if self.fast > 3 else ()

    sets = [{"fast": fast, "slow": 30} for fast in (3, 5, 8)]
    alone = [backtest(candles, build(Steps, one)).metrics for one in sets]
    assert run_many(candles, Steps, sets).metrics == alone
    unshared = type("Unshared", (Steps,), {"shared": lambda self: Shared()})
    assert run_many(candles, unshared, sets).metrics == alone
    assert alone[1] != run_many(candles, EmaTrend, sets, rules=Rules(stop=0.08, target=math.nan)).metrics[1]


def test_a_set_that_shorts_is_refused_a_target_that_no_short_reaches(candles):
    sets = [{"fast": 3, "slow": 30}, {"fast": 3, "slow": 30, "allow_short": True}]
    with pytest.raises(InputError, match="shorts are allowed"):
        run_many(candles, EmaTrend, sets, rules=Rules(stop=0.5, target=1.5))


def test_candles_that_come_with_funding_pay_it_in_every_set(candles):
    every = 8 * 3_600_000
    due = np.arange(int(candles.ts[0]) // every + 1, int(candles.ts[-1]) // every + 1) * every
    paying = candles.with_funding(Funding(candles.symbol, due, np.full(len(due), 0.0003)))
    metrics = run_many(paying, EmaTrend, SETS).metrics
    assert metrics == [backtest(paying, build(EmaTrend, one)).metrics for one in SETS]
    assert metrics != run_many(candles, EmaTrend, SETS).metrics


@dataclass(frozen=True)
class Terms:
    """Long where both hold; a state, so that rows in a row are one entry."""

    name: ClassVar[str] = "terms"
    lie: ClassVar[bool] = False
    period: int = param(5, low=2, high=50)

    def shared(self):
        close, middle = line("close"), line("sma", period=self.period)
        high = line("high").before()
        leave = close.above(middle) if self.lie else close.crosses_below(middle)
        return Shared((close.above(middle), close.above(high)), (leave,))

    def signals(self, candles):
        close, middle = candles.close, line("sma", period=self.period).over(candles)
        long = (close > middle) & (close > before(candles.high))
        return Signals.entries(candles, long=long, exit_long=crosses_below(close, middle))


class Liar(Terms):
    name: ClassVar[str] = "liar"
    lie: ClassVar[bool] = True


def test_conditions_of_several_terms_and_states_are_understood(candles):
    many = run_many(candles, Terms, [{"period": p} for p in (3, 5, 20)])
    for period, metrics in zip((3, 5, 20), many.metrics, strict=True):
        assert metrics.trades > 10
        assert metrics == backtest(candles, Terms(period)).metrics


def test_a_strategy_that_shares_something_else_than_it_signals_is_refused(candles):
    with pytest.raises(InputError, match="says one thing by `shared`"):
        run_many(candles, Liar, [{"period": p} for p in (3, 5, 20)])


def test_what_a_strategy_says_wrongly_is_told_to_nobody(candles):
    told = []
    with pytest.raises(InputError, match="says one thing by `shared`"):
        run_many(
            candles, Liar, [{"period": p} for p in range(2, 51)], threads=2, on_done=lambda *a: told.append(a)
        )
    assert [index for index, _ in told] == [0]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("period", [3, 40], ids=["begun ahead", "among the others"])
def test_a_set_that_fails_ends_the_others_too(candles, threads, period):
    class Broken(Terms):
        name: ClassVar[str] = "broken"

        def shared(self):
            if self.period == period:
                return Shared((line("close").above(Line("sma", "value", (("period", 0),))),))
            return super().shared()

    with pytest.raises(InputError, match="period"):
        run_many(candles, Broken, [{"period": p} for p in range(2, 51)], threads=threads)


@pytest.mark.parametrize("mistake", ["lines swapped", "days miscounted", "a bar late"])
def test_a_mistake_on_the_shared_road_is_caught_by_the_first_set(candles, monkeypatch, mistake):
    if mistake == "lines swapped":
        encoded = shared_runs.encoded

        def swapped(told, slots, first):
            pairs, terms = encoded(told, slots, first)
            return pairs.reshape(-1, 3)[:, [1, 0, 2]].ravel(), terms

        monkeypatch.setattr(shared_runs, "encoded", swapped)
    elif mistake == "days miscounted":
        longest = tallied._longest
        monkeypatch.setattr(tallied, "_longest", lambda under: [days + 1 for days in longest(under)])
    else:
        compute = room.compute

        def late(lines, bars, rows, slots):
            first = compute(lines, bars, rows, slots)
            for slot in slots:
                rows[slot] = before(rows[slot])
            return [row + 1 for row in first]

        monkeypatch.setattr(room, "compute", late)
    with pytest.raises(InputError, match="says one thing by `shared`"):
        run_many(candles, EmaTrend, SETS)


@pytest.mark.parametrize(
    ("gives", "told"), [(lambda self: 1 // 0, "ZeroDivisionError"), (lambda self: 7, "gave int")]
)
def test_what_shares_nothing_that_can_be_read_is_told_in_a_sentence(candles, gives, told):
    broken = type("Broken", (Terms,), {"name": "broken", "shared": gives})
    with pytest.raises(InputError, match=told):
        run_many(candles, broken, [{"period": p} for p in (3, 5)])


def test_both_sides_at_once_are_refused_in_the_words_of_a_backtest(candles):
    @dataclass(frozen=True)
    class Both:
        name: ClassVar[str] = "both"
        allow_short: ClassVar[bool] = True
        period: int = param(5, low=2, high=5000)

        def shared(self):
            rises = (line("close").above(line("sma", period=self.period)),)
            return Shared(rises, (), rises)

        def signals(self, candles):
            rises = candles.close > line("sma", period=self.period).over(candles)
            return Signals.entries(candles, long=rises, short=rises)

    with pytest.raises(InputError, match="long and short at once"):
        # Nothing is known of the first set's average, so only the second one says anything.
        run_many(candles, Both, [{"period": 4000}, {"period": 5}])


def test_a_line_with_holes_goes_by_its_signals(candles):
    @dataclass(frozen=True)
    class Holes:
        name: ClassVar[str] = "holes"
        period: int = param(5, low=2, high=50)

        def shared(self):
            middle = line("dealing_range", "equilibrium")
            return Shared((line("close").crosses_above(middle),), (line("close").crosses_below(middle),))

        def signals(self, candles):
            middle = line("dealing_range", "equilibrium").over(candles)
            assert np.isnan(middle[np.argmin(np.isnan(middle)) :]).any()
            up, down = crosses_above(candles.close, middle), crosses_below(candles.close, middle)
            return Signals.entries(candles, long=up, exit_long=down)

    many = run_many(candles, Holes, [{"period": p} for p in (3, 5)])
    assert many.metrics[1].trades > 3
    assert many.metrics[1] == backtest(candles, Holes(5)).metrics


def test_an_account_that_is_lost_has_returns_that_can_be_compared():
    daily = np.array([[90.0, 0.0, -5.0], [110.0, 121.0, 60.5]])
    assert daily_returns_of(100.0, daily).tolist() == [[-0.1, -1.0, 0.0], [0.1, 0.1, -0.5]]
