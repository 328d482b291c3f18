"""`cryptai signals`: the best setups that stand now, or stood at the end of a day; and their record."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli.options import Exchange, Json, answers_only, refuse_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptai.signals import Signal


def register(app: typer.Typer) -> None:
    """Add the verb, with what can be asked of the record below it."""
    from cryptai.cli import calibration, recorded

    verbs = typer.Typer(
        invoke_without_command=True, epilog="Example: cryptai signals --top 5 --date 2023-06-30"
    )
    verbs.callback()(signals)
    recorded.register(verbs)
    calibration.register(verbs)
    app.add_typer(verbs, name="signals")


def signals(
    context: typer.Context,
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
    seal: Annotated[
        bool, typer.Option("--seal", help="Add them to the record; see `cryptai signals list`.")
    ] = False,
    json_: Json = False,
) -> None:
    """Rank the setups that stand at the last closed bar of every stored market, with their evidence.

    One signal for each idea, markets that move alike once; those that the evidence speaks against come
    last. The first run looks up what came of every past setup; later ones read that from the workspace.
    """
    if context.invoked_subcommand is not None:
        return
    from cryptai import seams
    from cryptai.market.exchange import PRACTICE
    from cryptai.market.opening import open_store
    from cryptai.screening.evidence import Evidence
    from cryptai.screening.record import Record
    from cryptai.screening.screen import screen
    from cryptai.screening.selection import correlations
    from cryptai.screening.selection import top as best
    from cryptai.workspace import open_workspace

    refuse_empty({"date": date, "exchange": exchange})
    workspace = open_workspace(create=seal)
    as_of_ms = None if date is None else end_of_day(date)
    store = open_store(workspace)
    with answers_only(), _said() as progress:
        found = screen(
            store,
            exchange,
            evidence=Evidence(workspace, store, exchange, progress=progress),
            as_of_ms=as_of_ms,
            strategies_folder=workspace.strategies,
            timeframes=timeframe or None,
        ).signals
        alike = correlations(store, exchange, [s.symbol for s in found], as_of_ms or seams.now_ms())
    chosen = best(found, top, correlation=alike)
    if seal:
        Record(store.catalog).seal([s.as_sealed() for s in chosen if not s.stale])
    if json_:
        told = {"exchange": exchange, "practice": exchange == PRACTICE, "date": date}
        print(json.dumps({**told, "signals": [s.as_object() for s in chosen]}, allow_nan=False))
    else:
        _show(chosen, exchange)


def end_of_day(date: str) -> int:
    """Return the end of a UTC day in ms, or now for today; refuse what is no day, and the future."""
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


@contextmanager
def _said() -> Iterator[Callable[[str], None]]:
    """Show what is being looked up, where somebody looks on."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _said: None
        return
    with console.status("screening the stored markets") as status:
        yield status.update


def _show(found: list[Signal], exchange: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from cryptai.market.times import iso
    from cryptai.screening.card import words

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
        also = f", also {', '.join(s.also)}" if s.also else ""
        console.print(f"{s.symbol} {s.timeframe}: {s.strategy}, {s.reason}{also}{stale}.", highlight=False)
        console.print(f"    {words(s.evidence)}.", highlight=False)
    console.print("Signals are information, not advice.")
