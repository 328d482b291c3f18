"""`cryptai walkforward`: choose on one window, trade the next, step on."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.numbers import Grouped, with_numbers
from cryptai.cli.options import Exchange, Json, pairs, refuse_empty
from cryptai.cli.searching import (
    Cluster,
    File,
    Fill,
    Filters,
    Finer,
    Funding,
    MemoryLimit,
    Method,
    Objective,
    Params,
    Seed,
    TargetSteps,
    TimeLimit,
    Trials,
    Workers,
    searched,
)

if TYPE_CHECKING:
    from cryptai.market.candles import Candles
    from cryptai.research.plans import WalkPlan
    from cryptai.research.walkforward import WalkForward
    from cryptai.trading.request import BacktestRequest
    from cryptai.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "walkforward",
        cls=Grouped,
        epilog="Example: cryptai walkforward ema_trend --symbol BTC/USDT --timeframe 4h --param fast=5:30:5 "
        "--param slow=40:100:20 --train 365d --test 90d",
    )(with_numbers(walkforward))


def walkforward(
    strategy: Annotated[str, typer.Argument(help="A name from `cryptai strategies`.")],
    symbol: Annotated[str | None, typer.Option(help="Market, such as BTC/USDT.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m 5m 15m 30m 1h 4h 1d or 1w.")] = None,
    exchange: Exchange = "binance",
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="First bar open, UTC.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Bars open before this, UTC.")
    ] = None,
    param: Params = None,
    train: Annotated[str, typer.Option(metavar="LENGTH", help="Of the training: 365d, 52w or 48h.")] = "365d",
    test: Annotated[str, typer.Option(metavar="LENGTH", help="Of the test after it.")] = "90d",
    anchored: Annotated[
        bool, typer.Option("--anchored/--rolling", help="Whether training always begins at the first bar.")
    ] = False,
    embargo: Annotated[
        str, typer.Option(metavar="BARS", help="Bars before each test that training must not see.")
    ] = "0",
    purge: Annotated[
        bool, typer.Option(help="Leave out of the training a trade that is still open at its end.")
    ] = True,
    method: Method = "grid",
    trials: Trials = None,
    seed: Seed = "0",
    objective: Objective = "sharpe_ratio",
    workers: Workers = None,
    cluster: Cluster = None,
    candles: File = None,
    target_steps: TargetSteps = None,
    fill: Fill = None,
    funding: Funding = False,
    filters: Filters = False,
    finer: Finer = False,
    time_limit: TimeLimit = 60,
    memory_limit: MemoryLimit = 2048,
    json_: Json = False,
    **numbers: str | None,
) -> None:
    """Search a strategy's parameters on one window, trade the best on the next, and so on.

    Every test begins flat, with what the one before left, and closes at its end what is open. What was traded
    out of sample is put together as one account, and judged. Each set of each window is counted as a trial.
    """
    from cryptai.research.plans import read_walk

    options: dict[str, Any] = {
        "symbol": symbol, "timeframe": timeframe, "exchange": exchange, "from": from_, "to": to,
        "train": train, "test": test, "embargo": embargo, "method": method, "trials": trials, "seed": seed,
        "objective": objective, "target_steps": target_steps, "fill": fill, **numbers,
    }  # fmt: skip
    refuse_empty(options)
    more = {"funding": funding, "filters": filters, "finer": finer, "anchored": anchored, "purge": purge}
    request, plan = read_walk({**options, **more, "param": pairs(param or ()), "strategy": strategy})

    told = searched(
        partial(_run, request, plan), request, candles, workers=workers, cluster=cluster,
        time_limit=time_limit, memory_limit=memory_limit,
    )  # fmt: skip
    if json_:
        print(json.dumps(told, allow_nan=False))
    else:
        _show(told)


def _run(
    request: BacktestRequest,
    plan: WalkPlan,
    bars: Candles,
    venue: str | None,
    workspace: Workspace,
    of_search: dict[str, Any],
) -> WalkForward:
    from cryptai.research.walkforward import walkforward as run

    return run(request, plan, bars, workspace, exchange=venue, **of_search)


def _show(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from cryptai.cli.evidence import lines
    from cryptai.cli.sweep import drawn, figure

    console = Console()
    if told.get("practice"):
        console.print("PRACTICE: these candles are synthetic.", style="bold yellow")
    console.print(
        f"[bold]{told['strategy']}[/]  {told['symbol']} {told['timeframe']}, walk-forward "
        f"{told['walkforward']}",
        highlight=False,
    )
    aim = told["objective"]
    table = Table(box=None, pad_edge=False)
    for name in ("test from", "to", *told["space"], f"{aim} in", "out", "return out", "trades"):
        table.add_column(name, justify="right", no_wrap=True)
    for fold in told["folds"]:
        later = fold["out_of_sample"]
        table.add_row(
            *(when[:10] for when in fold["test"]),
            *(f"{value}" for value in fold["params"].values()),
            figure(aim, fold["in_sample"][aim]), figure(aim, later[aim]),
            figure("total_return", later["total_return"]), f"{later['trades']}",
        )  # fmt: skip
    console.print(table)
    metrics = told["metrics"]
    console.print(
        "Out of sample, put together: "
        + ", ".join(
            f"{name} {figure(name, metrics[name])}"
            for name in ("total_return", "sharpe_ratio", "max_drawdown", "trades")
        ),
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    kept = told["efficiency"]
    said = "cannot be told: training did not earn" if kept is None else f"{kept:.0%}".replace("%", " %")
    console.print(f"Walk-forward efficiency (return a day, out of sample over in sample): {said}")
    for line in drawn(told["monte_carlo"]):
        console.print(line, highlight=False, soft_wrap=True)
    console.print()
    for line in lines(told["evidence"]):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
