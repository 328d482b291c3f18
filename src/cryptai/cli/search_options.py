"""The options that every search has: its markets, how it draws its sets, who runs them, and their limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli.numbers import parameters_of, with_more, with_numbers
from cryptai.cli.options import Exchange, Json

if TYPE_CHECKING:
    from collections.abc import Callable

_ORDERS = "Orders and exits"
_KNOWN = "From the workspace"


def with_search(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that takes `**options` those of every search, then the numbers of a backtest."""
    return with_numbers(with_more(verb, parameters_of(_every_search)))


def _every_search(
    symbol: Annotated[str | None, typer.Option(help="Market, such as BTC/USDT.")] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Several on one clock, with shared cash.")
    ] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m 5m 15m 30m 1h 4h 1d or 1w.")] = None,
    exchange: Exchange = "binance",
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="First bar open, UTC.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Bars open before this, UTC.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="A parameter's values: from:to:step (both ends included), a,b,c or one; repeatable.",
        ),
    ] = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="grid, random or tpe (Optuna).")] = "grid",
    trials: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Sets of a random or guided search [200].")
    ] = None,
    seed: Annotated[str, typer.Option(metavar="NUMBER", help="Of what is drawn at random.")] = "0",
    objective: Annotated[
        str,
        typer.Option(metavar="NAME", help="The metric to choose by, such as total_return or calmar_ratio."),
    ] = "sharpe_ratio",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Sets run at a time [as many as there are cores]."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run the sets on this Ray cluster: host:port, or auto."),
    ] = None,
    candles: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Use this CSV or Parquet file; repeatable.")
    ] = None,
    target_steps: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS",
            rich_help_panel=_ORDERS,
            help="Targets by bars held, such as 0:0.15,48:0.05, in place of target.",
        ),
    ] = None,
    fill: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            rich_help_panel=_ORDERS,
            help="Market orders fill at the next open, or at the close that decides [open].",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SYMBOLS",
            rich_help_panel="Limits and halts",
            help="Markets that move together, for --max-per-group; repeatable.",
        ),
    ] = None,
    funding: Annotated[
        bool, typer.Option("--funding", rich_help_panel=_KNOWN, help="Pay the stored funding of perpetuals.")
    ] = False,
    filters: Annotated[
        bool,
        typer.Option(
            "--filters", rich_help_panel=_KNOWN, help="Round to the venue's steps and obey its minimums."
        ),
    ] = False,
    finer: Annotated[
        bool,
        typer.Option(
            "--finer", rich_help_panel=_KNOWN, help="Take the path inside a bar from finer candles."
        ),
    ] = False,
    time_limit: Annotated[
        int,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=10**6,
            help="Stop a strategy of yours that takes longer for a set; 0 is no limit.",
        ),
    ] = 60,
    memory_limit: Annotated[
        int,
        typer.Option(
            metavar="MB",
            min=0,
            max=10**6,
            help="Stop a strategy of yours that takes more memory; 0 is no limit.",
        ),
    ] = 2048,
    json_: Json = False,
) -> None:
    """Declare them; nobody calls this."""
    del symbol, symbols, timeframe, exchange, from_, to, param, method, trials, seed, objective, workers
    del cluster, candles, target_steps, fill, group, funding, filters, finer, time_limit, memory_limit, json_
