"""`cryptai data funding`: what of perpetuals' funding is stored, and more of it from a venue."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.data.tables import print_table
from cryptai.cli.options import Exchange, Json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptai.market.funding import Funding


def list_funding(
    download: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Ask the venue first, such as BTC/USDT:USDT,ETH/USDT.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Paid from then on, UTC.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Paid before this, UTC.")] = None,
    exchange: Exchange = "binance",
    as_json: Json = False,
) -> None:
    """List the stored funding of perpetuals; with --download, bring in what the venue has since a day.

    What is stored already is not asked for again. `cryptai data import --funding FILE` takes it from files,
    `cryptai backtest --funding` pays it.
    """
    from cryptai.errors import InputError
    from cryptai.market.funding import FundingBook

    book = FundingBook()
    added: dict[str, int] = {}
    if download is not None:
        if since is None:
            raise InputError("since is missing; say from when on, such as --since 2021-01-01.", field="since")
        added = _download(book, exchange, download.split(","), since, until)
    rows = [one.as_object() for one in book.stored()]
    if as_json:
        told: dict[str, Any] = {"funding": rows}
        print(json.dumps(told | ({"added": added} if download is not None else {}), indent=2))
    elif not rows:
        print("No funding is stored; bring some in with: cryptai data import --funding FILE")
    else:
        shown = [
            {name: row[name] for name in ("exchange", "symbol", "rates")}
            | {"from": row["first_ts"][:16].replace("T", " "), "to": row["last_ts"][:16].replace("T", " ")}
            | {"mean": f"{row['mean_rate']:.4%}"}
            for row in rows
        ]
        print_table(shown, "Stored funding")


def _download(
    book: Any, exchange: str, names: Sequence[str], since: str, until: str | None
) -> dict[str, int]:
    from cryptai.errors import InputError
    from cryptai.market.funding import perpetual_of
    from cryptai.market.source import open_source
    from cryptai.market.times import parse_time
    from cryptai.seams import now_ms

    symbols = [perpetual_of(name) for name in names if name.strip()]
    if not symbols:
        raise InputError("download names no market; separate names by commas.", field="download")
    start = parse_time(since, field="since")
    end = now_ms() if until is None else parse_time(until, field="until")
    if end <= start:
        raise InputError(f"--until {until} must be later than --since {since}.", field="until")
    source = open_source(exchange)
    if not hasattr(source, "funding"):
        raise InputError(f"{source.title} tells no funding; import it from a file.", field="exchange")
    stored = {(one.exchange, one.symbol): one for one in book.stored(exchange)}

    async def ask() -> dict[str, int]:
        found = {}
        try:
            for symbol in symbols:
                have = stored.get((exchange, symbol))
                # Rates have no holes that could be filled later: what is new comes after what is known.
                begin = start if have is None or start < have.first_ts else max(start, have.last_ts)
                one: Funding = await source.funding(symbol, start_ms=begin, end_ms=end)
                ((new, _),) = await asyncio.to_thread(book.add, exchange, one, source=f"{exchange} rest")
                found[symbol] = new
        finally:
            await source.aclose()
        return found

    return asyncio.run(ask())


def import_funding(files: Sequence[Path], symbol: str | None, exchange: str, *, as_json: bool) -> None:
    """Import funding from files, all of them or none, and say what was new."""
    from cryptai.errors import InputError
    from cryptai.market.exchange import check_exchange
    from cryptai.market.funding import FundingBook
    from cryptai.market.funding_files import read_funding

    check_exchange(exchange)
    if symbol is not None and len(files) > 1:
        raise InputError("symbol names one market; import one file at a time with it.", field="symbol")
    found = [read_funding(file, symbol) for file in files]
    counts = FundingBook().add(exchange, *found, source="file")
    rows = [
        {"file": str(file), "symbol": one.symbol, "rates": len(one), "added": new, "same": same}
        for file, one, (new, same) in zip(files, found, counts, strict=True)
    ]
    if as_json:
        print(json.dumps({"exchange": exchange, "files": rows}, indent=2))
    else:
        shown = [row | {"file": file.name} for row, file in zip(rows, files, strict=True)]
        print_table(shown, f"Imported into {exchange}")
