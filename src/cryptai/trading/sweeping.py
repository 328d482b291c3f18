"""Many parameter sets of one strategy over the same bars: the metrics of each, and nothing else kept.

Each set's metrics are those of `cryptai.trading.backtest.backtest` with the same arguments, to the last bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.errors import InputError
from cryptai.market.timeframe import DAY_MS
from cryptai.strategies.strategy import build
from cryptai.trading.backtest import backtest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.market.candles import Candles
    from cryptai.strategies.strategy import Strategy


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


def run_many(
    candles: Candles,
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
        Parameters by name, as `cryptai.strategies.strategy.build` takes them.
    threads
        How many sets are run at a time; the result is the same for any number.
    returns
        Whether to keep the daily returns.
    on_done
        Called with a set's index and its metrics when it is done: one call at a time, from any thread, in
        any order.
    stop
        Once set, no further set is begun.
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
    bars = candles.between(start_ms, end_ms)
    days = np.unique(bars.ts // DAY_MS) * DAY_MS
    found: list[Metrics | None] = [None] * len(made)
    kept = np.zeros((len(days), len(made))) if returns else None
    told = Lock()

    def run(index: int) -> None:
        if stop is not None and stop.is_set():
            return
        result = backtest(candles, made[index], capital=capital, start_ms=start_ms, end_ms=end_ms, **options)
        found[index] = result.metrics
        if kept is not None:
            kept[:, index] = _daily_returns(capital, _daily(result.ts, result.equity))
        if on_done is not None:
            with told:
                on_done(index, result.metrics)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(run, range(len(made))):
            pass
    return Many(found, days, kept)


def _daily(ts: NDArray[np.int64], equity: NDArray[np.float64]) -> NDArray[np.float64]:
    day = ts // DAY_MS
    return equity[np.append(np.flatnonzero(day[1:] != day[:-1]), len(ts) - 1)]


def _daily_returns(capital: float, daily: NDArray[np.float64]) -> NDArray[np.float64]:
    equity = np.concatenate([[capital], daily])
    if (equity > 0.0).all():
        found: NDArray[np.float64] = np.diff(equity) / equity[:-1]
        return found
    # A lost account earns nothing any more, whatever its debts do.
    lost = int(np.argmax(equity <= 0.0))
    out = np.zeros(len(daily))
    out[: lost - 1] = np.diff(equity[:lost]) / equity[: lost - 1]
    out[lost - 1] = -1.0
    return out
