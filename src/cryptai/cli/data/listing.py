"""`cryptai data list`: what is stored, market by market."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.data.tables import print_table
from cryptai.cli.options import Json

if TYPE_CHECKING:
    from cryptai.market.store import Stored


_SYMBOLS = 12


def list_stored(
    exchange: Annotated[str | None, typer.Option(metavar="NAME", help="Only this venue's candles.")] = None,
    as_json: Json = False,
) -> None:
    """List the stored candles: what, from when to when, bars missing in between.

    Coarser bars that are not stored but can be made of finer ones are named beneath.
    """
    from cryptai.market.opening import open_store
    from cryptai.workspace import open_workspace

    store = open_store(open_workspace(create=False))
    rows = [_listed(one) for one in store.markets(exchange)]
    made: dict[tuple[str, str], list[str]] = {}
    for market in store.derivable(exchange):
        made.setdefault(market[:2], []).append(market.timeframe)
    if as_json:
        derived = [{"exchange": e, "symbol": s, "timeframes": frames} for (e, s), frames in made.items()]
        print(json.dumps({"markets": rows, "derived": derived}, indent=2))
    elif not rows:
        print("No candles are stored; bring some in with: cryptai data import FILE")
    else:
        print_table([_shown(row) for row in rows], "Stored candles")
        for frames in sorted({tuple(frames) for frames in made.values()}):
            symbols = [symbol for (_, symbol), others in made.items() if tuple(others) == frames]
            shown = ", ".join(symbols[:_SYMBOLS]) + (" …" if len(symbols) > _SYMBOLS else "")
            print(f"Made of finer bars when they are read: {', '.join(frames)} of {shown}.")


def _listed(stored: Stored) -> dict[str, Any]:
    from cryptai.market.times import iso

    return {
        "exchange": stored.exchange,
        "symbol": stored.symbol,
        "timeframe": str(stored.timeframe),
        "bars": stored.bars,
        "from": iso(stored.first_ts),
        "to": iso(stored.last_ts),
        "holes": stored.holes,
        "digest": stored.digest,
        "practice": stored.practice,
    }


# What fits a terminal of 80 columns: the digest is in the JSON.
def _shown(row: dict[str, Any]) -> dict[str, Any]:
    exchange = row["exchange"].upper() if row["practice"] else row["exchange"]
    shown = {key: row[key] for key in ("symbol", "timeframe", "bars", "from", "to", "holes")}
    return {"exchange": exchange} | shown | {key: row[key][:16].replace("T", " ") for key in ("from", "to")}
