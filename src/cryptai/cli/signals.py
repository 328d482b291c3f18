"""`cryptai signals`: the best setups that stand now, or stood at the end of a day; and their record."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cryptai.cli.options import Exchange, Json, answers_only, refuse_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from cryptai.screening.screen import Screened
    from cryptai.signals import Signal

# As many of those that say the same are named.
_NAMED: Final = 3
_WIDEST: Final = 1_000


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
        )
        alike = correlations(store, exchange, as_of_ms or seams.now_ms())
        chosen = best(found.signals, top, correlation=alike)
    if seal:
        Record(store.catalog).seal([s.as_sealed() for s in chosen if not s.stale])
    if json_:
        told = {"exchange": exchange, "practice": exchange == PRACTICE, "date": date}
        told |= {"signals": [s.as_object() for s in chosen], "standing": len(found.signals)}
        told |= {"stopped": dict(found.stopped), "failed": found.failed, "unscanned": found.unscanned}
        print(json.dumps(told, allow_nan=False))
    else:
        _show(chosen, found, exchange)


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


def _show(chosen: list[Signal], found: Screened, exchange: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from cryptai.cli.levels import price
    from cryptai.market.times import iso
    from cryptai.screening.card import words

    console = Console(highlight=False)
    if any(s.practice for s in chosen):
        console.print("PRACTICE: these candles are synthetic.", style="bold yellow")
    if not chosen:
        console.print(f"No setup stands in the stored markets of {exchange}; see `cryptai data list`.")
        _say_left_out(found, console)
        return
    stale = sum(s.stale for s in chosen)
    if stale:
        which = "All of these are" if stale == len(chosen) else f"{stale} of these, the last, are"
        console.print(f"STALE: {which} of markets whose newest bars are missing.", style="bold yellow")
    # Two lines a setup: the numbers, then why; a terminal of 80 columns holds both.
    table = Table(box=None, pad_edge=False)
    for name in ("score", "market", "side", "entry", "stop", "target", "R:R", "decided UTC"):
        right = name in ("score", "entry", "stop", "target", "R:R")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for s in chosen:
        decided = iso(s.decided_at_ms).replace("T", " ")[:16]
        levels = (price(level, s.entry) for level in (s.entry, s.stop, s.target))
        market = f"{s.symbol} {s.timeframe}"
        table.add_row(f"{s.score:.2f}", market, s.side, *levels, f"{s.reward_risk:.2f}", decided)
    # A terminal of fewer columns breaks the lines; no digit of a price is left out.
    needed = Console(width=_WIDEST).measure(table).maximum
    Console(width=max(console.width, needed), highlight=False).print(table)
    for s in chosen:
        stale_too = " (stale: newer bars are missing)" if s.stale else ""
        console.print(f"{s.symbol} {s.timeframe}: {s.strategy}, {s.reason}{_also(s)}{stale_too}.")
        console.print(f"    {words(s.evidence)}.")
    _say_left_out(found, console)
    console.print("Signals are information, not advice.")


def _also(one: Signal) -> str:
    more = len(one.also) - _NAMED
    told = f", also {', '.join(one.also[:_NAMED])}" if one.also else ""
    return f"{told} and {more} more" if more > 0 else told


def _say_left_out(found: Screened, console: Console) -> None:
    for name, sentence in found.failed.items():
        console.print(f"{name} could not be asked: {sentence}")
    if found.unscanned:
        names = ", ".join(found.unscanned)
        console.print(f"Not asked, since they promise no price: {names}; see `cryptai strategies`.")
