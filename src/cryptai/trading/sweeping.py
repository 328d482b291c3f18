"""Many parameter sets of one strategy over the same bars: the metrics of each, and nothing else kept.

Each set's metrics are those of `cryptai.trading.backtest.backtest` with the same arguments, to the last bit.
Where the rules are plain, sets run through `cryptai.trading.event_kernel`, from one event to the next; a
strategy that tells its decisions as comparisons of lines (`shared`) has each line computed once for all sets
that use it. Everything else runs as a whole backtest.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.market.timeframe import DAY_MS
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
    """Metrics and daily returns as they come in, from any thread."""

    def __init__(self, sets: int, keep: bool, on_done: Callable[[int, Metrics], object] | None) -> None:
        self.metrics: list[Metrics | None] = [None] * sets
        self.rows: list[NDArray[np.float64] | None] = [None] * sets
        self.keep, self.on_done = keep, on_done
        self.told = Lock()

    def __call__(self, index: int, metrics: Metrics, returns: NDArray[np.float64]) -> None:
        self.metrics[index] = metrics
        if self.keep:
            self.rows[index] = returns
        if self.on_done is not None:
            with self.told:
                self.on_done(index, metrics)

    def returns(self, days: int) -> NDArray[np.float64] | None:
        if not self.keep:
            return None
        found = np.zeros((days, len(self.rows)))
        for index, row in enumerate(self.rows):
            if row is not None:
                found[:, index] = row
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
    made = [build(strategy, one) for one in sets]
    whole = {"capital": capital, "start_ms": start_ms, "end_ms": end_ms, **options}
    found = _Found(len(made), returns, on_done)

    def stopped() -> bool:
        return stop is not None and stop.is_set()

    def run(index: int) -> Result | None:
        if stopped():
            return None
        result = backtest(candles, made[index], **whole)
        found(index, result.metrics, daily_returns(capital, result.equity[None, day_ends(result.ts)])[0])
        return result

    # The first one in full: what is refused for all of them is refused here, in its words.
    first = run(0) if made else None
    left: Sequence[int] = range(1, len(made))
    with ThreadPoolExecutor(threads) as pool:
        if first is not None and _plain(candles, strategy, first, options):
            market = Market(first, close_at_end=bool(options.get("close_at_end", True)))
            plain = Plain(market, made, found, pool, threads, stopped)
            if hasattr(strategy, "shared"):
                left = SharedRuns(plain, left, first.metrics).run()
            left = plain.by_signals(left)
        list(pool.map(run, left))
    days = np.empty(0, np.int64) if first is None else first.ts[day_ends(first.ts)] // DAY_MS * DAY_MS
    return Many(found.metrics, days, found.returns(len(days)))


def _plain(
    candles: Candles | Sequence[Candles], strategy: type[Strategy], first: Result, options: Mapping[str, Any]
) -> bool:
    # One market, the next open, and none of the rules, costs and options that only the full loop knows.
    others = (value for name, value in options.items() if name not in _PLAIN)
    return (
        isinstance(candles, Candles)
        and candles.funding is None
        and first.rules.plain()
        and first.costs.plain()
        and not hasattr(strategy, "signals_many")
        and all(not value or value == "open" for value in others)
    )
