"""`cryptai compare`: strategies beside each other on the same bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cryptai.cli.numbers import Grouped, with_numbers
from cryptai.cli.options import Exchange, Json, answers_only, refuse_empty

_FIGURES = {
    "return": "total_return", "Sharpe": "sharpe_ratio", "drawdown": "max_drawdown", "trades": "trades",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "compare",
        cls=Grouped,
        epilog="Example: cryptai compare ema_trend rsi_reversal ema_trend:fast=20,slow=50 --symbol BTC/USDT "
        "--timeframe 4h",
    )(with_numbers(compare))


def compare(
    strategies: Annotated[
        list[str], typer.Argument(metavar="STRATEGY…", help="Names, with parameters as name:fast=5,slow=40.")
    ],
    symbol: Annotated[str | None, typer.Option(help="Market, such as BTC/USDT.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m 5m 15m 30m 1h 4h 1d or 1w.")] = None,
    exchange: Exchange = "binance",
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="First bar open, UTC.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Bars open before this, UTC.")
    ] = None,
    seed: Annotated[str, typer.Option(metavar="NUMBER", help="Of what is drawn at random.")] = "0",
    candles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Use this CSV or Parquet file.")
    ] = None,
    json_: Json = False,
    **numbers: str | None,
) -> None:
    """Run strategies over the same bars, and say which of them are better than cash or than holding.

    Of many that are compared one always looks good: the tests allow for that. Each run is counted as a trial
    of its strategy.
    """
    from cryptai.cli.searching import candles_of
    from cryptai.research.compare import compare as compared
    from cryptai.research.plans import whole
    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.run import run_on
    from cryptai.workspace import open_workspace

    options: dict[str, Any] = {
        "symbol": symbol, "timeframe": timeframe, "exchange": exchange, "from": from_, "to": to, "seed": seed,
        **numbers,
    }  # fmt: skip
    refuse_empty(options)
    seed_ = whole("seed", options.pop("seed"), low=0)
    with answers_only():
        workspace = open_workspace(create=False)
        requests = [BacktestRequest.parse({**options, **_named(one)}) for one in strategies]
        files = () if candles is None else (candles,)
        bars, venue, store = candles_of(requests[0], files, workspace)
        results = [run_on(one, bars, workspace.strategies, exchange=venue, store=store) for one in requests]
        found = compared(results, workspace, seed=seed_)
    if json_:
        print(json.dumps(found.as_object(), allow_nan=False))
    else:
        _show(found.as_object())


def _named(text: str) -> dict[str, Any]:
    name, _, params = text.partition(":")
    return {"strategy": name, "param": [one for one in params.split(",") if one]}


def _show(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from cryptai.cli.sweep import figure

    console = Console()
    if told.get("practice"):
        console.print("PRACTICE: these candles are synthetic.", style="bold yellow")
    console.print(f"{told['symbol']} {told['timeframe']}, {told['from']} to {told['to']}", highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy")
    for name in (*_FIGURES, "p cash", "p holding", "evidence"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in told["strategies"]:
        params = " ".join(f"{name}={value}" for name, value in row["params"].items())
        table.add_row(
            f"{row['strategy']} {params}",
            *(figure(name, row["metrics"][name]) for name in _FIGURES.values()),
            *(
                "" if row[name] is None else f"{row[name]['holm']:.3f}"
                for name in ("over_cash", "over_holding")
            ),
            "enough" if row["evidence"]["status"] == "enough" else "not enough",
        )
    console.print(table)
    console.print("p: by chance this much better than cash, than holding, after Holm's correction.")
    for line in told["reasons"]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
