"""A sweep: one strategy with many sets of parameters, and whether its best is more than luck.

The last quarter of the bars is held out unless told otherwise: the sets are chosen without it, and the best
one is then run on it. Each set counts once in the ledger of trials. Finished sets are kept, so that the same
call after a kill goes on where it was and gives the same result.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cryptai.analytics.returns import daily_returns
from cryptai.errors import InputError
from cryptai.market.times import iso
from cryptai.research.chosen import of_choice
from cryptai.research.explore import best_of, explore
from cryptai.research.markets import clock, markets_of
from cryptai.research.measured import bench, in_portions
from cryptai.research.monte_carlo import monte_carlo
from cryptai.research.noted import evidence_of
from cryptai.research.plans import check_plan
from cryptai.research.search import search
from cryptai.research.space import read_space
from cryptai.research.surface import stability, surface
from cryptai.research.trials import OWNER
from cryptai.strategies.user import find_strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.research.explore import Progress, Runner
    from cryptai.research.markets import Markets
    from cryptai.research.measured import Bench, Measured
    from cryptai.research.plans import Plan
    from cryptai.research.space import Space
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.request import BacktestRequest
    from cryptai.workspace import Workspace


_FEWEST_BARS: Final = 10
TOLD: Final = (
    "total_return", "cagr", "sharpe_ratio", "sortino_ratio", "calmar_ratio", "max_drawdown", "win_rate",
    "profit_factor", "expectancy", "trades", "final_equity",
)  # fmt: skip
"""The metrics that are told of each set."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep found.

    Attributes
    ----------
    id
        Digest of data, code, configuration, space and search: the same id is the same result.
    results
        The sets that were run, in the order in which they were asked for.
    skipped
        Sets that the strategy's own check refused.
    best
        The set with the best objective, the first of equals; None where the objective is undefined of all.
    held_out, best_held_out
        Opens of the first and last bar held out (ms UTC), and the best set's metrics there.
    monte_carlo
        What the best set's trades and days might have come to (`cryptai.research.monte_carlo`).
    """

    id: str
    bench: Bench
    plan: Plan
    space: Space
    results: tuple[Measured, ...]
    skipped: int
    best: Measured | None
    held_out: tuple[int, int] | None
    best_held_out: Mapping[str, float | None] | None
    evidence: Mapping[str, Any]
    monte_carlo: Mapping[str, Any]

    def as_object(self) -> dict[str, Any]:
        """Return the one object that `sweep --json` prints."""
        run, plan = self.bench.template, self.plan
        objective = plan.objective
        told = {
            "sweep": self.id,
            "strategy": run.strategy, "exchange": run.exchange, "symbol": run.symbol,
            **({"symbols": list(run.symbols)} if len(run.symbols) > 1 else {}),
            "timeframe": run.timeframe,
            "from": iso(int(run.ts[0])), "to": iso(int(run.ts[-1])),
            "method": plan.method, "seed": plan.seed, "objective": objective,
            "space": {name: list(some) for name, some in self.space.values.items()},
            "combinations": self.space.combinations, "skipped": self.skipped, "done": len(self.results),
            "held_out": None if self.held_out is None
            else {"from": iso(self.held_out[0]), "to": iso(self.held_out[1])},
            "trials": self.evidence["trials"], "evidence": dict(self.evidence),
            "best": None if self.best is None else {
                "run": self.best.run, "params": self.best.params, "metrics": self.best.metrics,
                "held_out": None if self.best_held_out is None else dict(self.best_held_out),
                "monte_carlo": dict(self.monte_carlo),
            },
            "results": [
                {"params": one.params, "metrics": {name: one.metrics[name] for name in _told(objective)}}
                for one in self.results
            ],
            "surface": surface(self.space, self.results, objective),
            "stability": None if self.best is None
            else stability(self.space, self.results, self.best, objective),
        }  # fmt: skip
        if run.as_object().get("practice"):
            told["practice"] = True
        return told


def sweep(
    request: BacktestRequest,
    plan: Plan,
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
) -> Sweep:
    """Search the parameters of a strategy; a person's own is imported and run by this.

    Parameters
    ----------
    request
        The backtest that every set is, without parameters.
    candles
        The market's bars, or those of several, which share the cash; of these the request's range, and those
        before it to warm up.
    strategy
        A class at hand; None to find the request's name.
    threads
        How many sets run at a time here; None for as many as there are cores. It changes no number.
    store
        Where finer candles are taken from, if the request asks for them.
    runner
        Who runs the sets in place of this machine's threads.
    progress
        Called after each portion.
    stop
        Once set, no further set is begun, and `Stopped` is raised; what was finished is kept.

    Raises
    ------
    InputError
        For anything that cannot be; its `field` names the option.
    Stopped
        When `stop` was set.
    WorkspaceError
        If what is finished cannot be kept.
    """
    check_plan(plan)
    cls = strategy or find_strategy(request.strategy, workspace.strategies)
    space = read_space(cls, plan.space)
    asked = search(cls, space, method=plan.method, trials=plan.trials, seed=plan.seed)
    inside, held = _split(request, markets_of(candles), plan.held_out)
    first = asked.ask()
    if not first:
        raise none_fits(cls, space)
    on = bench(
        inside, candles, cls, first[0], exchange=exchange, store=store,
        strategies_folder=None if strategy else workspace.strategies,
    )  # fmt: skip
    results = explore(
        on, asked, first, workspace, objective=plan.objective, user=user, progress=progress, stop=stop,
        runner=runner or (lambda bench, sets, stop: in_portions(bench, sets, threads=threads, stop=stop)),
    )  # fmt: skip
    best = best_of(results, plan.objective)
    # Where the objective is undefined of all (nothing ever traded), the first stands for them.
    shown = best or results[0]
    run = on.result(shown.params)
    told = evidence_of(
        run.as_object(), run.ts, run.equity, workspace, user=user, among=[one.trial for one in results],
        markets={one.candles.symbol: one.candles for one in run.markets},
    )  # fmt: skip
    later = None
    if held is not None:
        later = on.elsewhere(held, candles, store).result(shown.params)
    outside = None if later is None else later.as_object()["metrics"]
    return Sweep(
        id=_id(on, plan, space),
        bench=on,
        plan=plan,
        space=space,
        results=tuple(results),
        skipped=asked.skipped,
        best=best,
        held_out=None if later is None else (int(later.ts[0]), int(later.ts[-1])),
        best_held_out=outside if best is not None else None,
        evidence=of_choice(told, results, outside if best is not None else None),
        monte_carlo=monte_carlo(
            run.as_object(), daily_returns(run.capital, run.ts, run.equity), seed=plan.seed
        ),
    )


def _split(
    request: BacktestRequest, markets: Sequence[Candles], share: float
) -> tuple[BacktestRequest, BacktestRequest | None]:
    """Return the requests of the period that chooses and of the one that is held out."""
    bare = replace(request, params={})
    bars = clock(markets, request.start_ms, request.end_ms)
    if share == 0.0 or not len(bars):  # a range without bars is the engine's to refuse
        return bare, None
    kept = round(len(bars) * (1.0 - share))
    if min(kept, len(bars) - kept) < _FEWEST_BARS:
        raise InputError(
            f"{len(bars):,} bars are too few to hold out {share:g} of them; widen the range, or hold out "
            "nothing with --held-out 0.",
            field="held_out",
        )
    cut = int(bars[kept])
    return replace(bare, end_ms=cut), replace(bare, start_ms=cut)


def none_fits(cls: type[Strategy], space: Space) -> InputError:
    """Return the error that says why a search has nothing to run."""
    from cryptai.strategies.strategy import build  # noqa: PLC0415

    try:
        build(cls, space.at(space.places(0)))
    except InputError as error:
        return InputError(
            f"None of the {space.combinations:,} combinations fits {cls.name}; of the first: {error}",
            field=error.field,
        )
    return InputError(f"No combination was found that fits {cls.name}; try more.", field="trials")


def _told(objective: str) -> tuple[str, ...]:
    return TOLD if objective in TOLD else (*TOLD, objective)


def _id(on: Bench, plan: Plan, space: Space) -> str:
    values = {name: list(some) for name, some in space.values.items()}
    told = [on.key, values, plan.method, plan.trials, plan.seed, plan.objective, plan.held_out]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
