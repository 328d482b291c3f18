"""Many parameter sets of one strategy over the same bars: the metrics of each, and nothing else kept.

Each set's metrics are those of `cryptai.trading.backtest.backtest` with the same arguments, to the last bit.
Where the rules are plain, sets run through `cryptai.trading.event_kernel`, from one event to the next; a
strategy that tells its decisions as comparisons of lines (`shared`) has each line computed once for all sets
that use it. Everything else runs as a whole backtest.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.market.timeframe import DAY_MS
from cryptai.portfolio.rules import MIN_REWARD_RISK, check_rules
from cryptai.strategies.strategy import build
from cryptai.trading.backtest import backtest
from cryptai.trading.plain_runs import Market, Plain
from cryptai.trading.shared_runs import SharedRuns
from cryptai.trading.tallied import daily_returns, day_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.result import Result

# Sets whose lines are computed while the others are made.
_AHEAD = 16
_PLAIN = ("rules", "costs", "min_reward_risk", "close_at_end", "exchange")


@dataclass(frozen=True, eq=False)
class Many:
    """What a sweep leaves.

    Attributes
    ----------
    metrics
        One a set, in the order the sets were given; None where `stop` came first.
    days
        The UTC days that have bars in the range, ms of their beginning.
    returns
        float64 of shape (days, sets): each set's daily returns from the capital on, for the probability of
        overfitting. A lost account has -1 on the day its equity reached zero, and 0 after it; a set without
        metrics has 0 throughout. None unless asked for.
    """

    metrics: list[Metrics | None]
    days: NDArray[np.int64]
    returns: NDArray[np.float64] | None


class _Found:
    """Metrics and daily equities as they come in, from any thread."""

    def __init__(self, sets: int, keep: bool, on_done: Callable[[int, Metrics], object] | None) -> None:
        self.metrics: list[Metrics | None] = [None] * sets
        self.rows: list[NDArray[np.float64] | None] = [None] * sets
        self.keep, self.on_done = keep, on_done
        self.told = Lock()

    def __call__(self, index: int, metrics: Metrics, daily: NDArray[np.float64]) -> None:
        self.metrics[index] = metrics
        if self.keep:
            self.rows[index] = daily
        if self.on_done is not None:
            with self.told:
                self.on_done(index, metrics)

    def returns(self, capital: float, days: int) -> NDArray[np.float64] | None:
        if not self.keep:
            return None
        found = np.zeros((days, len(self.rows)))
        known = [index for index, row in enumerate(self.rows) if row is not None]
        if known:
            found[:, known] = daily_returns(capital, np.array([self.rows[index] for index in known])).T
        return found


def run_many(
    candles: Candles | Sequence[Candles],
    strategy: type[Strategy],
    sets: Sequence[Mapping[str, object]],
    *,
    capital: float = 10_000.0,
    threads: int = 1,
    returns: bool = False,
    on_done: Callable[[int, Metrics], object] | None = None,
    stop: Event | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
    **options: Any,
) -> Many:
    """Run a strategy over candles once for each set of parameters.

    Parameters
    ----------
    sets
        Parameters by name, as `cryptai.strategies.strategy.build` takes them. The more at once, the more is
        shared.
    threads
        How many sets are run at a time; the result is the same for any number.
    returns
        Whether to keep the daily returns.
    on_done
        Called with a set's index and its metrics when it is done: one call at a time, from any thread, in
        any order.
    stop
        Once set, no further set is begun, those under way excepted.
    options
        `rules`, `costs`, `min_reward_risk`, `close_at_end` and whatever else `backtest` takes; so are
        `capital`, `start_ms` and `end_ms`.

    Raises
    ------
    InputError
        Whatever `build` or `backtest` would raise for one of the sets; nothing is returned then.
    """
    if threads < 1:
        raise InputError(f"threads must be 1 or more, was {threads}.", field="threads")
    whole = {"capital": capital, "start_ms": start_ms, "end_ms": end_ms, **options}
    found = _Found(len(sets), returns, on_done)

    def stopped() -> bool:
        return stop is not None and stop.is_set()

    def run(index: int) -> Result | None:
        if stopped():
            return None
        result = backtest(candles, made[index], **whole)
        found(index, result.metrics, result.equity[day_ends(result.ts)])
        return result

    left: Sequence[int] = range(1, len(sets))
    with ThreadPoolExecutor(threads) as pool, ExitStack() as begun:
        made = [build(strategy, one) for one in sets[:_AHEAD]]
        shared = None
        if made and hasattr(strategy, "shared") and _may_be_plain(candles, strategy, options):
            known = candles.between(None, end_ms)
            if len(known):
                shared = begun.enter_context(SharedRuns(made, known, pool, threads, stopped))
        made += [build(strategy, one) for one in sets[_AHEAD:]]
        if shared is not None:
            shared.begin(made)
        # The first one in full: what is refused for all of them is refused here, in its words.
        first = run(0) if made else None
        if first is not None and _may_be_plain(candles, strategy, options) and _plain(first, strategy):
            market = _market(first, made, options)
            if shared is not None:
                left = shared.run(market, first.metrics, found)
            left = Plain(market, made, found, pool, stopped).by_signals(left)
        begun.close()
        list(pool.map(run, left))
    days = np.empty(0, np.int64) if first is None else first.ts[day_ends(first.ts)] // DAY_MS * DAY_MS
    return Many(found.metrics, days, found.returns(capital, len(days)))


def _may_be_plain(
    candles: Candles | Sequence[Candles], strategy: type[Strategy], options: Mapping[str, Any]
) -> TypeGuard[Candles]:
    # One market, the next open, and none of the rules, costs and options that only the full loop knows.
    others = (value for name, value in options.items() if name not in _PLAIN)
    asked = (options.get("rules"), options.get("costs"))
    return (
        isinstance(candles, Candles)
        and candles.funding is None
        and not hasattr(strategy, "signals_many")
        and all(one is None or one.plain() for one in asked)
        and all(not value or value == "open" for value in others)
    )


def _plain(first: Result, strategy: type[Strategy]) -> bool:
    # A strategy's own rules count as well, and so do its own steps, which a backtest asks for where there is
    # no target: another set may have others than set 0.
    steps = hasattr(strategy, "target_steps") and math.isnan(first.rules.target)
    return first.rules.plain() and first.costs.plain() and not steps


def _market(first: Result, made: Sequence[Strategy], options: Mapping[str, Any]) -> Market:
    # Set 0 need not allow shorts where others do, and their rules are refused for that alone.
    if any(getattr(one, "allow_short", False) for one in made):
        least = float(options.get("min_reward_risk", MIN_REWARD_RISK))
        check_rules(first.rules, min_reward_risk=least, shorts=True, own_stops=True)
    return Market(first, close_at_end=bool(options.get("close_at_end", True)))
