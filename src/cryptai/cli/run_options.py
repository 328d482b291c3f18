"""The options that every run has, alone or as a set of a search: markets, orders, data and limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.numbers import with_numbers, with_options_of
from cryptai.cli.options import Exchange, Json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OF_THE_CALL = ("candles", "time_limit", "memory_limit", "json_")
_ORDERS = "Orders and exits"
_KNOWN = "From the workspace"


def with_run(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that takes `**options` those of every run, then the numbers of a backtest."""
    return with_numbers(with_options_of(verb, _every_run))


def asked_of(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the request is asked by name, and what is only a matter of how this machine does it."""
    asked = {name.rstrip("_"): value for name, value in options.items() if name not in _OF_THE_CALL}
    return asked | {"group": asked["group"] or None}, {name: options[name] for name in _OF_THE_CALL}


def _every_run(
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
    fee_tier: Annotated[
        str | None,
        typer.Option(
            metavar="VENUE:TIER",
            rich_help_panel="Costs",
            help="Fees of a venue's tier, such as binance:vip1, in place of fee and maker.",
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
            help="Stop a strategy of yours that takes longer, in a search for a set; 0 is no limit.",
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
    del symbol, symbols, timeframe, exchange, from_, to, candles, target_steps, fill, fee_tier, group, funding
    del filters, finer, time_limit, memory_limit, json_
