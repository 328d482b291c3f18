"""One set of a search, measured: its metrics, and what the evidence of a search needs of it."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics.metrics import measure as metrics_of
from cryptai.analytics.metrics import time_in_market
from cryptai.analytics.returns import drawdowns
from cryptai.analytics.significance import sharpes
from cryptai.ledger.book import END
from cryptai.market.timeframe import DAY_MS
from cryptai.research.markets import Markets, markets_of, within
from cryptai.research.overfit import BlockSums, block_sums
from cryptai.research.trials import Trial
from cryptai.seams import monotonic
from cryptai.strategies.strategy import build, values_of
from cryptai.trading.backtest import backtest
from cryptai.trading.run import asked, known, run_on
from cryptai.trading.sweeping import run_many

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from threading import Event

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.parameters import Value
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.result import Result

OBJECTIVES: Final[Mapping[str, int]] = {
    "total_return": 1, "cagr": 1, "sharpe_ratio": 1, "sortino_ratio": 1, "calmar_ratio": 1, "omega_ratio": 1,
    "profit_factor": 1, "win_rate": 1, "expectancy": 1, "sqn": 1, "final_equity": 1, "max_drawdown": -1,
    "volatility": -1, "ulcer_index": -1,
}  # fmt: skip
"""What a search may aim at: 1 where more is better, -1 where less is."""

# Sets handed over at a time: few where one takes long, so that little is lost with a process.
_MOST = 2_048
_SHORT_S, _LONG_S = 2.0, 8.0


@dataclass(frozen=True, eq=False)
class Measured:
    """A set that was run.

    Attributes
    ----------
    run
        The identity that a backtest of it has.
    sharpe
        Per day, for the ledger of trials; None: undefined.
    blocks
        Sums of its daily returns for the probability of overfitting; None where there are too few days.
    """

    run: str
    params: dict[str, Value]
    metrics: dict[str, float | None]
    sharpe: float | None
    blocks: BlockSums | None

    def value(self, objective: str) -> float | None:
        """Return what it came to, so that higher is better; None is undefined."""
        found = self.metrics[objective]
        return None if found is None else OBJECTIVES[objective] * found

    @property
    def trial(self) -> Trial:
        """Return it as the ledger of trials keeps it."""
        return Trial(self.run, self.sharpe)


@dataclass(frozen=True, eq=False)
class Bench:
    """What the sets of a search are run on: bars, strategy, and the options that they share.

    Attributes
    ----------
    markets
        Those that have bars in the request's range.
    template
        The run of one set, whose identity, rules and costs are the others' but for the parameters.
    blocks
        Blocks of days for the probability of overfitting; 0 where there are too few.
    known
        What the workspace knows of the market, where the request asks for it.
    purge
        Whether what a trade still open at the end did is left out: a set's record then ends before it.
    """

    request: BacktestRequest
    markets: tuple[Candles, ...]
    strategy: type[Strategy]
    template: Result
    blocks: int
    known: Mapping[str, Any]
    purge: bool = False

    @property
    def key(self) -> str:
        """Return the identity of all that is not a parameter."""
        return self.template.run_with({}) + ("-purged" if self.purge else "")

    @property
    def candles(self) -> Markets:
        """Return the one market's candles, or all of them."""
        return self.markets if len(self.markets) > 1 else self.markets[0]

    def elsewhere(
        self, request: BacktestRequest, candles: Markets, store: CandleStore | None = None
    ) -> Bench:
        """Return the bench of another range, whose template stays this one's: to run single sets."""
        markets = within(markets_of(candles), request.start_ms, request.end_ms)
        data = known(request, markets, store, self.strategy)
        return replace(self, request=request, markets=markets, known=data)

    def options(self) -> dict[str, Any]:
        """Return what a backtest of any set is called with, parameters apart."""
        return {
            "exchange": self.template.exchange,
            **self.known,
            **asked(self.request, self.strategy, [one.symbol for one in self.markets]),
        }

    def result(self, params: Mapping[str, Value]) -> Result:
        """Return the whole run of a set."""
        found = backtest(self.candles, build(self.strategy, params), **self.options())
        return replace(found, source_digest=self.template.source_digest)


def bench(
    request: BacktestRequest,
    candles: Markets,
    strategy: type[Strategy],
    first: Mapping[str, Value],
    *,
    strategies_folder: Path | None = None,
    exchange: str | None = None,
    store: CandleStore | None = None,
    purge: bool = False,
) -> Bench:
    """Return the bench of a request, whose parameters do not count; `first` is any set that fits.

    With a folder the strategy is found there by its name, and the digest of its file is part of the identity.

    Raises
    ------
    InputError
        Whatever the run of that set would raise.
    """
    markets = within(markets_of(candles), request.start_ms, request.end_ms)
    seen = tuple(one.between(None, request.end_ms) for one in markets)
    template = run_on(
        replace(request, params=dict(first)), seen, strategies_folder, exchange=exchange, store=store,
        made=None if strategies_folder else build(strategy, first),
    )  # fmt: skip
    days = len(np.unique(template.ts // DAY_MS))
    data = known(request, seen, store, strategy)
    return Bench(request, seen, strategy, template, blocks_for(days), data, purge)


def blocks_for(days: int) -> int:
    """Return how many blocks so many daily returns are cut into: 16, fewer of under 80 days, 0 of under 20.

    A block has five days at least: a deviation of fewer is hardly one.
    """
    return min(16, days // 5 // 2 * 2) if days >= 20 else 0


def measure(
    bench: Bench, sets: Sequence[dict[str, Value]], *, threads: int = 1, stop: Event | None = None
) -> list[Measured]:
    """Return the sets measured, in their order; those after `stop` was set are missing.

    The numbers are the same for any count of threads and however the sets are divided.
    """
    if bench.purge:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(lambda params: _purged(bench, params, stop), sets))
        return [one for one in found if one is not None]
    many = run_many(
        bench.candles, bench.strategy, sets, threads=threads, returns=True, stop=stop, **bench.options()
    )
    assert many.returns is not None  # noqa: S101 (they were asked for)
    run = [number for number, metrics in enumerate(many.metrics) if metrics is not None]
    done = [(sets[number], metrics) for number in run if (metrics := many.metrics[number])]
    return _measured(bench, done, many.returns.T[run])


def in_portions(
    bench: Bench, sets: Sequence[dict[str, Value]], *, threads: int | None = None, stop: Event | None = None
) -> Iterator[list[Measured]]:
    """Measure the sets portion by portion, on all cores unless told, until `stop` is set."""
    workers = threads or os.cpu_count() or 1
    size, start = workers, 0
    while start < len(sets) and not (stop is not None and stop.is_set()):
        began = monotonic()
        yield measure(bench, sets[start : start + size], threads=workers, stop=stop)
        start += size
        took = monotonic() - began
        if took < _SHORT_S:
            size = min(_MOST, (16 if took < _SHORT_S / 16.0 else 4) * size)
        elif took > _LONG_S:
            size = max(workers, size // 2)


def _purged(bench: Bench, params: dict[str, Value], stop: Event | None) -> Measured | None:
    """Measure a set as if a trade still open at the end had not been entered: nobody knows what it became."""
    if stop is not None and stop.is_set():
        return None
    result = bench.result(params)
    equity, records = without_open(result)
    metrics = metrics_over(result.capital, [result], equity, records)
    capital, daily = result.capital, equity[day_ends(result.ts)]
    before = np.r_[capital, daily]
    returns = np.diff(before) / before[:-1] if (before > 0.0).all() else np.r_[-1.0, np.zeros(len(daily) - 1)]
    return _measured(bench, [(params, metrics)], returns[None])[0]


def metrics_over(
    capital: float, parts: Sequence[Result], equity: NDArray[np.float64], records: NDArray[np.void]
) -> Metrics:
    """Return the metrics of an account over runs that follow each other, by its equity and its trades."""
    ts = np.concatenate([part.ts for part in parts])
    found = metrics_of(
        capital, float(equity[-1]), float(drawdowns(np.r_[capital, equity]).max()), len(ts),
        equity[day_ends(ts)], records, held=_held(parts),
        span_ms=int(ts[-1] - ts[0]) + parts[0].markets[0].bars.timeframe.ms,
    )  # fmt: skip
    if all(len(part.markets) == 1 for part in parts):
        return found
    return replace(found, time_in_market=time_in_market(ts, records))


def _held(parts: Sequence[Result]) -> float:
    """Return what an equal share of each market would have given, from its first open to its last close."""
    bought: dict[str, float] = {}
    sold: dict[str, float] = {}
    for part in parts:
        for one in part.markets:
            bought.setdefault(one.candles.symbol, float(one.bars.open[0]))
            sold[one.candles.symbol] = float(one.bars.close[-1])
    return sum(sold[name] / price - 1.0 for name, price in bought.items()) / len(bought)


def without_open(result: Result) -> tuple[NDArray[np.float64], NDArray[np.void]]:
    """Return equity and trades without a position still open at the end: flat from its entry's bar on.

    Of several markets, whose other trades went on beside it, its marks stay in the equity: they were known.
    """
    records, equity = result.records, result.equity
    last = records["exit_reason"] == END
    if not last.any():
        return equity, records
    if len(result.markets) > 1:
        return equity, records[~last]
    entered = int(records["entry_bar"][last].min())
    kept = records[records["entry_bar"] < entered]
    flat = equity.copy()
    flat[entered:] = result.capital + float(kept["pnl"].sum())
    return flat, kept


def day_ends(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of the last bar of each UTC day that has bars."""
    day = ts // DAY_MS
    return np.append(np.flatnonzero(day[1:] != day[:-1]), len(ts) - 1)


def _measured(
    bench: Bench, done: Sequence[tuple[Mapping[str, Value], Metrics]], returns: NDArray[np.float64]
) -> list[Measured]:
    """Return sets that were run, with their daily returns, one row a set."""
    if not done:
        return []
    # Each row is summed by itself, in its own order: no sum depends on how many are measured together.
    returns = np.ascontiguousarray(returns)
    ratios = sharpes(returns)
    if returns.shape[1]:
        ratios[returns.min(axis=1) <= -1.0] = np.nan  # lost
    step = 7 if bench.template.timeframe == "1w" else 1
    return [
        Measured(
            # As `build` reads them: a set may leave parameters at their defaults.
            run=bench.template.run_with(values_of(build(bench.strategy, params))),
            params=dict(params),
            # Its values are numbers: `asdict` would copy each of them deeply.
            metrics={name: _finite(value) for name, value in vars(metrics).items()},
            sharpe=None if math.isnan(ratio) else ratio / math.sqrt(step),
            blocks=blocks,
        )
        for (params, metrics), ratio, blocks in zip(
            done, ratios.tolist(), _blocks(returns, bench.blocks), strict=True
        )
    ]


def _blocks(returns: NDArray[np.float64], blocks: int) -> list[BlockSums | None]:
    if not blocks:
        return [None] * len(returns)
    found = block_sums(returns.T, blocks)
    return [BlockSums(found.rows, found.sums[:, [n]], found.squares[:, [n]]) for n in range(len(returns))]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
