"""`cryptai signals`: the best setups that stand now, or stood at the end of a day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli.options import Exchange, Json, answers_only, refuse_empty

if TYPE_CHECKING:
    from cryptai.signals import Signal


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("signals", epilog="Example: cryptai signals --top 5 --date 2023-06-30")(signals)


def signals(
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many, best first.")] = 5,
    date: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="As of the end of this UTC day, from bars closed by then."),
    ] = None,
    timeframe: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this timeframe, such as 4h; may be given more than once."),
    ] = None,
    exchange: Exchange = "binance",
    json_: Json = False,
) -> None:
    """Rank the setups that stand at the last closed bar of every stored market.

    The score is 0..1: the strategy's conviction, reward:risk from the last close, and agreement of the
    symbol's timeframes.
    """
    from cryptai.market.exchange import PRACTICE
    from cryptai.market.opening import open_store
    from cryptai.signals import top as best
    from cryptai.trading.scan import scan
    from cryptai.workspace import open_workspace

    refuse_empty({"date": date, "exchange": exchange})
    workspace = open_workspace(create=False)
    as_of_ms = None if date is None else _end_of_day(date)
    store = open_store(workspace)
    with answers_only():
        standing = scan(
            store,
            exchange,
            as_of_ms=as_of_ms,
            strategies_folder=workspace.strategies,
            timeframes=timeframe or None,
        )
    found = best(standing, top)
    if json_:
        told = {"exchange": exchange, "practice": exchange == PRACTICE, "date": date}
        print(json.dumps({**told, "signals": [s.as_object() for s in found]}, allow_nan=False))
    else:
        _show(found, exchange)


def _end_of_day(date: str) -> int:
    from cryptai import seams
    from cryptai.errors import InputError
    from cryptai.market.timeframe import DAY_MS
    from cryptai.market.times import iso, parse_time

    start = parse_time(date, field="date")
    if start % DAY_MS:
        raise InputError(f"date must be a day, such as 2023-06-30, was {date!r}.", field="date")
    if start > seams.now_ms():
        raise InputError(
            f"date {date} lies in the future; today is {iso(seams.now_ms())[:10]} UTC.", field="date"
        )
    return min(start + DAY_MS, seams.now_ms())


def _show(found: list[Signal], exchange: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from cryptai.market.times import iso

    console = Console()
    if any(s.practice for s in found):
        console.print("PRACTICE: these candles are synthetic.", style="bold yellow")
    if not found:
        console.print(f"No setup stands in the stored markets of {exchange}; see `cryptai data list`.")
        return
    # Two lines a setup: the numbers, then why; a terminal of 80 columns holds both.
    table = Table(box=None, pad_edge=False)
    for name in ("score", "market", "side", "entry", "stop", "target", "R:R", "decided UTC"):
        right = name in ("score", "entry", "stop", "target", "R:R")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for s in found:
        decided = iso(s.decided_at_ms).replace("T", " ")[:16]
        table.add_row(
            f"{s.score:.2f}", f"{s.symbol} {s.timeframe}", s.side, f"{s.entry:.6g}", f"{s.stop:.6g}",
            f"{s.target:.6g}", f"{s.reward_risk:.2f}", decided,
        )  # fmt: skip
    console.print(table)
    for s in found:
        stale = " (stale: newer bars are missing)" if s.stale else ""
        console.print(f"{s.symbol} {s.timeframe}: {s.strategy}, {s.reason}{stale}.", highlight=False)
    console.print("Signals are information, not advice. No out-of-sample record yet: not enough evidence.")
