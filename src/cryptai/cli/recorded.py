"""`cryptai signals list | show | why | verify`: what was promised, what came of it, that none was changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Json, refuse_empty

if TYPE_CHECKING:
    from cryptai.screening.flip import Flip
    from cryptai.screening.recomputed import Recomputed
    from cryptai.screening.record import Event, Record, Sealed

_Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="A signal's number in the record.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of the record."""
    app.command("list", epilog="Example: cryptai signals list --symbol BTC/USDT --limit 20")(list_recorded)
    app.command("show", epilog="Example: cryptai signals show 12")(show)
    app.command("why", epilog="Example: cryptai signals why 12")(why)
    app.command("verify", epilog="Example: cryptai signals verify --head 1a8a9089de79e516…")(verify)


def list_recorded(
    exchange: Annotated[str | None, typer.Option(metavar="NAME", help="Only this venue.")] = None,
    symbol: Annotated[str | None, typer.Option(metavar="NAME", help="Only this symbol.")] = None,
    timeframe: Annotated[str | None, typer.Option(metavar="NAME", help="Only this timeframe.")] = None,
    strategy: Annotated[str | None, typer.Option(metavar="NAME", help="Only this strategy.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 20,
    json_: Json = False,
) -> None:
    """List recorded signals, the newest first, with what came of each."""
    from cryptai.screening.told import told

    asked = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe, "strategy": strategy}
    refuse_empty(asked)
    record = _record()
    found = record.newest(exchange, symbol=symbol, timeframe=timeframe, strategy=strategy, limit=limit)
    lives = record.events([one.id for one in found])
    if json_:
        print(json.dumps({"signals": [told(one, lives[one.id]) for one in found]}, allow_nan=False))
        return
    _table(found, lives)


def show(number: _Number, json_: Json = False) -> None:
    """Show one recorded signal: its levels, its evidence as it was then, and its life since."""
    from cryptai.screening.told import told

    record = _record()
    one = record.get(number)
    life = record.events([number])[number]
    if json_:
        print(json.dumps(told(one, life), allow_nan=False))
        return
    from rich.console import Console

    from cryptai.cli.levels import price
    from cryptai.market.times import iso
    from cryptai.screening.card import words

    console, body = Console(highlight=False), one.body
    console.print(f"{body['side']} {body['symbol']} {body['timeframe']} by {body['strategy']}")
    console.print(f"decided {iso(body['decided_ms'])}, sealed {iso(one.sealed_ms)} as {one.hash[:16]}")
    if one.retrospective:
        console.print("retrospective: sealed when its outcome could be known; no statistic counts it")
    levels = (f"{name} {price(body[name], body['entry'])}" for name in ("entry", "stop", "target"))
    console.print(", ".join(levels))
    console.print(f"{words(body['evidence'])}.")
    for event in life:
        result = f", {event.body['r']:+.2f} R" if "r" in event.body else ""
        console.print(f"{iso(event.at_ms)} {event.event}{result}")


def why(number: _Number, json_: Json = False) -> None:
    """Say why a recorded signal was given: its factors with their shares, and the structures it rests on.

    Then what would have flipped it: the nearest close of its bar, or volume, at which it would be no signal.
    """
    from cryptai.cli.levels import price
    from cryptai.market.times import iso
    from cryptai.screening.flip import clause
    from cryptai.screening.quality import FACTORS, PARTS, contributions

    record = _record()
    body = record.get(number).body
    factors, parts = (
        {name: float("nan") if value is None else value for name, value in body[key].items()}
        for key in ("factors", "parts")
    )
    # A signal that was sealed before contributions were stored had these shares.
    adds = body.get("contributions") or {
        "factors": contributions(factors, FACTORS), "parts": contributions(parts, PARTS)
    }  # fmt: skip
    turned, silence = _flips(body)
    if json_:
        reasons = {name: body[name] for name in ("reason", "factors", "parts", "structures", "regime")}
        told = None if turned is None else [one._asdict() for one in turned]
        print(json.dumps({"id": number, **reasons, "contributions": adds, "flips": told}, allow_nan=False))
        return
    print(f"{body['strategy']}: {body['reason']}. Quality {body['quality']:.2f}, made of")
    for key, values in (("parts", parts), ("factors", factors)):
        for name, value in values.items():
            silent = value != value  # noqa: PLR0124 (NaN)
            said = "silent" if silent else f"{value:.2f}, adds {adds[key][name]:.2f}"
            print(f"  {name.replace('_', ' ')}: {said}")
    for one in body["structures"]:
        at, known = iso(one["at"]), iso(one["known_at"])
        print(f"  {one['kind'].replace('_', ' ')} at {at}, known {known}, level {price(one['level'])}")
    print("What would have flipped it:")
    for flip in turned or ():
        value = f"{flip.value:.6g}" if flip.of == "volume" else price(flip.value, body["entry"])
        print(f"  a {flip.of} of {value} ({flip.change:+.2%}): {clause(flip, body['strategy'])}")
    if not turned:
        print(f"  {silence}")


def _flips(body: dict[str, Any]) -> tuple[list[Flip] | None, str]:
    """Return what would flip a signal; or None, and why that cannot be told."""
    from cryptai.errors import CryptaiError
    from cryptai.market.opening import open_store
    from cryptai.screening.flip import FARTHEST, flips_of
    from cryptai.strategies.strategy import build
    from cryptai.strategies.user import find_strategy
    from cryptai.workspace import open_workspace

    workspace = open_workspace(create=False)
    try:
        made = build(find_strategy(body["strategy"], workspace.strategies), body["params"])
        return flips_of(open_store(workspace), made, body), f"No close within {FARTHEST:.0%}, and no volume."
    except CryptaiError as error:
        return None, str(error)


def verify(
    head: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="A head that was printed before: it must still be in the chain."),
    ] = None,
    cards: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, metavar="N", help="Compute the cards of the newest N again, from their tables."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Check that no recorded signal was changed, taken out or put in between; print the head to keep.

    With `--cards` the evidence of each is computed again from the table of past setups that it names, and
    must be what was sealed. Tables lie in the workspace; cards whose table is not there are counted.
    """
    refuse_empty({"head": head})
    record = _record()
    broken = record.verify(head)
    number, newest = record.head()
    again = None if cards is None else _again(record, cards)
    if json_:
        wrong = None if broken is None else {"id": broken.id, "reason": broken.reason}
        told = {"signals": number, "head": newest, "whole": broken is None, "broken": wrong}
        print(json.dumps(told if again is None else {**told, "cards": _told(again)}))
    elif broken is None:
        print(f"{number:,} signals, none changed. Head: {newest}")
    else:
        print(f"The record is broken at signal {broken.id}: {broken.reason}.")
    if again is not None and not json_:
        _say(again)
    if broken is not None or (again is not None and again.different):
        raise typer.Exit(1)


def _again(record: Record, cards: int) -> Recomputed:
    from cryptai.screening.recomputed import recompute
    from cryptai.workspace import open_workspace

    return recompute(record.newest(limit=cards), open_workspace(create=False).root / "evidence")


def _told(again: Recomputed) -> dict[str, Any]:
    different = [{"id": one.id, "keys": list(one.keys)} for one in again.different]
    return {"same": again.same, "unknown": again.unknown, "different": different}


def _say(again: Recomputed) -> None:
    print(f"{again.same:,} cards computed again, each as it was sealed.")
    if again.unknown:
        print(f"{len(again.unknown):,} could not be: their tables are not here, or other rules made them.")
    for one in again.different[:20]:
        print(f"The card of signal {one.id} is not what its table gives: {', '.join(one.keys)}.")
    if len(again.different) > 20:
        print(f"{len(again.different):,} cards differ in all.")


def _record() -> Record:
    from cryptai.market.opening import open_store
    from cryptai.screening.record import Record
    from cryptai.workspace import open_workspace

    return Record(open_store(open_workspace(create=False)).catalog)


def _table(found: list[Sealed], lives: dict[int, list[Event]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from cryptai.market.times import iso

    if not found:
        print("No signal is recorded yet; the running platform seals them, or `cryptai signals --seal`.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("number", "market", "side", "strategy", "quality", "decided UTC", "came of it"):
        right = name in ("number", "quality")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for one in found:
        last = lives[one.id][-1] if lives[one.id] else None
        came = (
            "-"
            if last is None
            else f"{last.event} {last.body['r']:+.2f} R"
            if "r" in last.body
            else last.event
        )
        market = f"{one.body['symbol']} {one.body['timeframe']}"
        decided = iso(one.body["decided_ms"]).replace("T", " ")[:16]
        quality = f"{one.body['quality']:.2f}"
        late = " (retrospective)" if one.retrospective else ""
        row = (str(one.id), market, one.body["side"], one.body["strategy"], quality, decided, came + late)
        table.add_row(*row)
    Console().print(table)
