"""Walk-forward: choose a set on one window, trade it on the next, step on; what was traded is put together.

Training is purged and kept apart by an embargo (`cryptai.research.windows`). Each test begins flat, with the
equity that the one before left, and closes at its end what is still open: so the pieces are one account's,
and no bar of it was seen by the choice that traded it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.analytics.returns import daily_returns
from cryptai.market.times import iso
from cryptai.research.evidence import judge
from cryptai.research.explore import best_of, explore
from cryptai.research.folds import Fold, Folds, out_of_sample_trades
from cryptai.research.markets import clock, markets_of
from cryptai.research.measured import bench, day_ends, in_portions, metrics_over
from cryptai.research.monte_carlo import monte_carlo
from cryptai.research.noted import note_all
from cryptai.research.plans import check_plan
from cryptai.research.search import search
from cryptai.research.space import read_space
from cryptai.research.sweep import none_fits
from cryptai.research.trials import OWNER
from cryptai.research.windows import windows
from cryptai.strategies.user import find_strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.research.explore import Progress, Runner
    from cryptai.research.markets import Markets
    from cryptai.research.measured import Bench, Measured
    from cryptai.research.plans import WalkPlan
    from cryptai.research.space import Space
    from cryptai.research.windows import Window
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.result import Result
    from cryptai.workspace import Workspace


@dataclass(frozen=True, eq=False)
class WalkForward:
    """What a walk-forward found.

    Attributes
    ----------
    id
        Digest of data, code, configuration and plan.
    symbols
        The markets that were traded.
    ts, equity
        Opens of all test bars (ms UTC), and the account at each close.
    metrics
        Of that account.
    efficiency
        Return a day out of sample over that in sample, summed over the folds (Pardo 2008); None where
        training did not earn.
    skipped
        Sets that the strategy's own check refused.
    monte_carlo
        What its trades and days might have come to (`cryptai.research.monte_carlo`).
    """

    id: str
    request: BacktestRequest
    plan: WalkPlan
    space: Space
    symbols: tuple[str, ...]
    folds: Folds
    ts: NDArray[np.int64]
    equity: NDArray[np.float64]
    metrics: Metrics
    efficiency: float | None
    skipped: int
    evidence: Mapping[str, Any]
    monte_carlo: Mapping[str, Any]

    def as_object(self) -> dict[str, Any]:
        """Return the one object that `walkforward --json` prints; `equity` has the last bar of each day."""
        plan, last = self.plan, day_ends(self.ts)
        return {
            "walkforward": self.id,
            **self.folds.as_object(),
            **({"symbols": list(self.symbols)} if len(self.symbols) > 1 else {}),
            "from": iso(int(self.ts[0])), "to": iso(int(self.ts[-1])),
            "method": plan.search.method, "seed": plan.search.seed, "objective": plan.search.objective,
            "anchored": plan.anchored, "embargo": plan.embargo, "purge": plan.purge,
            "space": {name: list(some) for name, some in self.space.values.items()},
            "combinations": self.space.combinations, "skipped": self.skipped,
            "equity": [[int(self.ts[row]), float(self.equity[row])] for row in last],
            "metrics": asdict(self.metrics), "efficiency": self.efficiency,
            "trials": self.evidence["trials"], "evidence": dict(self.evidence),
            "monte_carlo": dict(self.monte_carlo),
        }  # fmt: skip


def walkforward(
    request: BacktestRequest,
    plan: WalkPlan,
    candles: Markets,
    workspace: Workspace,
    *,
    strategy: type[Strategy] | None = None,
    exchange: str | None = None,
    store: CandleStore | None = None,
    user: str = OWNER,
    threads: int | None = None,
    runner: Runner | None = None,
    progress: Callable[[Progress], object] = lambda _: None,
    stop: Event | None = None,
) -> WalkForward:
    """Walk a strategy forward; arguments and errors as `cryptai.research.sweep.sweep` has them.

    `progress` counts the sets of all folds.
    """
    check_plan(plan.search)
    cls = strategy or find_strategy(request.strategy, workspace.strategies)
    space = read_space(cls, plan.search.space)
    bare = replace(request, params={})
    markets = markets_of(candles)
    walk = windows(
        clock(markets, bare.start_ms, bare.end_ms), plan.train_ms, plan.test_ms,
        anchored=plan.anchored, embargo=plan.embargo,
    )  # fmt: skip
    capital, skipped, tried = request.capital, 0, 0
    folds: list[Fold] = []
    tests: list[Result] = []
    trials: list[Measured] = []
    on: Bench | None = None
    for window in walk:
        asked = search(
            cls, space, method=plan.search.method, trials=plan.search.trials, seed=plan.search.seed
        )
        first = asked.ask()
        if not first:
            raise none_fits(cls, space)
        before, all_sets = tried, asked.total * len(walk)

        def told(done: Progress, before: int = before, total: int = all_sets) -> None:
            progress(replace(done, done=before + done.done, total=total))

        training = replace(bare, start_ms=window.train_from, end_ms=window.train_to)
        on = bench(
            training, candles, cls, first[0], exchange=exchange, purge=plan.purge, store=store,
            strategies_folder=None if strategy else workspace.strategies,
        )  # fmt: skip
        sets = explore(
            on, asked, first, workspace, objective=plan.search.objective, user=user, progress=told, stop=stop,
            runner=runner or (lambda bench, some, stop: in_portions(bench, some, threads=threads, stop=stop)),
        )  # fmt: skip
        trials += sets
        tried += asked.total
        skipped = asked.skipped
        best = best_of(sets, plan.search.objective) or sets[0]
        testing = replace(bare, start_ms=window.test_from, end_ms=window.test_to, capital=capital)
        test = on.elsewhere(testing, candles, store).result(best.params)
        tests.append(test)
        folds.append(_fold(window, best, test, markets))
        capital = float(test.equity[-1])
        if capital <= 0.0:  # the account is lost: nothing is left to go on with
            break
    assert on is not None  # noqa: S101 (there is a window)
    return _stitched(request, plan, space, folds, tests, trials, skipped, workspace, user, on)


def _fold(window: Window, best: Measured, test: Result, markets: Sequence[Candles]) -> Fold:
    return Fold(
        window, best.params, best.metrics, test.as_object()["metrics"], out_of_sample_trades(test, markets)
    )


def _stitched(
    request: BacktestRequest, plan: WalkPlan, space: Space, folds: Sequence[Fold], tests: Sequence[Result],
    trials: Sequence[Measured], skipped: int, workspace: Workspace, user: str, on: Bench,
) -> WalkForward:  # fmt: skip
    first = tests[0]
    ts = np.concatenate([test.ts for test in tests])
    equity = np.concatenate([test.equity for test in tests])
    records = []
    rows = 0
    for test in tests:
        part = test.records.copy()
        part["entry_bar"] += rows
        part["exit_bar"] += rows
        records.append(part)
        rows += len(test.ts)
    capital = first.capital
    metrics = metrics_over(capital, tests, equity, np.concatenate(records))
    told = first.as_object()
    told |= {"trades": [row for test in tests for row in test.as_object()["trades"]]}
    symbols = tuple(dict.fromkeys(name for test in tests for name in test.symbols))
    tried = note_all(workspace, first.strategy, [one.trial for one in trials], user=user)
    return WalkForward(
        id=_id(on, plan, space, ts),
        request=request,
        plan=plan,
        space=space,
        symbols=symbols,
        folds=Folds(first.strategy, first.exchange, ", ".join(symbols), first.timeframe, tuple(folds)),
        ts=ts,
        equity=equity,
        metrics=metrics,
        efficiency=_efficiency(folds),
        skipped=skipped,
        evidence=judge(
            told,
            ts,
            equity,
            tried,
            # Of each market the longest, which is the last test's.
            markets={one.candles.symbol: one.candles for test in tests for one in test.markets},
        ),
        monte_carlo=monte_carlo(told, daily_returns(capital, ts, equity), seed=plan.search.seed),
    )


def _efficiency(folds: Sequence[Fold]) -> float | None:
    inside = sum(fold.in_sample["total_return"] or 0.0 for fold in folds)
    outside = sum(fold.out_of_sample["total_return"] or 0.0 for fold in folds)
    trained = sum(fold.window.train_to - fold.window.train_from for fold in folds)
    tested = sum(fold.window.test_to - fold.window.test_from for fold in folds)
    return (outside / tested) / (inside / trained) if inside > 0.0 else None


def _id(on: Bench, plan: WalkPlan, space: Space, ts: NDArray[np.int64]) -> str:
    values = {name: list(some) for name, some in space.values.items()}
    told = [
        on.key, values, plan.search.method, plan.search.trials, plan.search.seed, plan.search.objective,
        plan.train_ms, plan.test_ms, plan.anchored, plan.embargo, plan.purge, int(ts[0]), int(ts[-1]),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
