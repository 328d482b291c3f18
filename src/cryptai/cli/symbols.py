"""`cryptai symbols`: what a venue trades, by which rules, and what became of it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

import typer

from cryptai.cli.options import ENDPOINTS, Exchange, Json

_Symbol = Annotated[str | None, typer.Option("--symbol", metavar="SYMBOL", help="Only this market.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    symbols = typer.Typer(help="What a venue trades, by which rules, since when.", no_args_is_help=True)
    symbols.command("sync", epilog=f"Example: cryptai symbols sync --dates BTC/USDT\n\n{ENDPOINTS}")(_sync)
    symbols.command("list", epilog="Example: cryptai symbols list --as-of 2022-05-01")(_list)
    symbols.command("events", epilog="Example: cryptai symbols events --symbol BTC/USDT")(_events)
    example = "Example: cryptai symbols rename MATIC/USDT POL/USDT --since 2024-09-13"
    symbols.command("rename", epilog=example)(_rename)
    app.add_typer(symbols, name="symbols")


def _sync(
    exchange: Exchange = "binance",
    dates: Annotated[
        str, typer.Option(metavar="SYMBOLS", help="Also ask since when these trade, separated by commas.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Fetch the venue's list of symbols, with their rules and status, and note what has changed.

    Nothing is forgotten: listings, halts, new rules and delistings are events, each with its time.
    """
    import asyncio

    from cryptai.market.source import open_source
    from cryptai.market.symbol_sync import sync_symbols
    from cryptai.market.symbols import SymbolBook

    async def sync() -> Any:
        source = open_source(exchange)
        try:
            wanted = [name for name in dates.split(",") if name.strip()]
            return await sync_symbols(source, SymbolBook(), dates_of=wanted)
        finally:
            await source.aclose()

    kinds = Counter(event.kind for event in asyncio.run(sync()))
    trading = len(SymbolBook().universe(exchange))
    if as_json:
        print(json.dumps({"exchange": exchange, "trading": trading, "events": dict(kinds)}, indent=2))
        return
    told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())) or "nothing has changed"
    print(f"{exchange} trades {trading:,} markets; {told}.")


def _list(
    exchange: Exchange = "binance",
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="TIME", help="What was trading then, by what is known now."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the markets that trade, or that traded at a time: also those that were delisted since."""
    from cryptai.cli.data.tables import print_table
    from cryptai.market.symbols import SymbolBook
    from cryptai.market.times import iso, parse_time

    at = None if as_of is None else parse_time(as_of, field="as-of")
    found = [info.as_object() for info in SymbolBook().universe(exchange, as_of_ms=at)]
    if as_json:
        print(json.dumps({"exchange": exchange, "as_of_ms": at, "symbols": found}, indent=2))
    elif not found:
        print(f"No such symbol of {exchange} is known; fetch its list with: cryptai symbols sync")
    else:
        shown = [
            {key: row[key] or "" for key in ("symbol", "tick", "step", "min_notional")}
            | {key: iso(row[f"{key}_ms"])[:10] if row[f"{key}_ms"] else "" for key in ("listed", "delisted")}
            for row in found
        ]
        print_table(shown, f"Markets of {exchange}")


def _events(exchange: Exchange = "binance", symbol: _Symbol = None, as_json: Json = False) -> None:
    """List what happened to the markets of a venue, in the order in which it became known."""
    from dataclasses import asdict

    from cryptai.cli.data.tables import print_table
    from cryptai.market.symbol import parse_symbol
    from cryptai.market.symbols import SymbolBook
    from cryptai.market.times import iso

    events = SymbolBook().events(exchange, parse_symbol(symbol) if symbol is not None else None)
    if as_json:
        print(json.dumps({"events": [asdict(event) for event in events]}, indent=2))
    elif not events:
        print(f"Nothing is known of {exchange}; sync its symbols with: cryptai symbols sync")
    else:
        rows = [
            {"symbol": e.symbol, "event": e.kind, "since": iso(e.ts)[:16], "known": iso(e.known_ms)[:16]}
            for e in events
        ]
        print_table(rows, f"Events of {exchange}")


def _rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The name that ended, such as MATIC/USDT.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name under which the market goes on.")],
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it was renamed, UTC; without it, now.")
    ] = None,
    exchange: Exchange = "binance",
    as_json: Json = False,
) -> None:
    """Note that a market goes on under another name: no venue's list says so.

    What is stored stays under the name it came with; `data export --former` joins a market's names.
    """
    from cryptai.market.symbols import SymbolBook
    from cryptai.market.times import iso, parse_time
    from cryptai.seams import now_ms

    at = now_ms() if since is None else parse_time(since, field="since")
    event = SymbolBook().renamed(exchange, old, new, at, now_ms())
    after = event.detail["renamed_to"]
    if as_json:
        print(json.dumps({"exchange": exchange, "old": event.symbol, "new": after, "since_ms": event.ts}))
    else:
        print(f"{event.symbol} of {exchange} goes on as {after} since {iso(event.ts)}.")
