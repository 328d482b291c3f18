"""`cryptai data revisions`: where the bars of a series came from, and when."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cryptai.cli.data.tables import print_table
from cryptai.cli.options import Exchange, Json


def list_revisions(
    symbol: Annotated[str, typer.Option(metavar="SYMBOL", help="The market, such as BTC/USDT.")],
    timeframe: Annotated[str, typer.Option(metavar="TIMEFRAME", help="1m 5m 15m 30m 1h 4h 1d or 1w.")],
    exchange: Exchange = "binance",
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what brought or corrected the bar of this time.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List every write that changed a series: which bars, from where, when, and their digest.

    A corrected bar is a new revision; what it superseded is kept, and read as of its time.
    """
    from cryptai.errors import DataError
    from cryptai.market.opening import open_store
    from cryptai.market.symbol import parse_symbol
    from cryptai.market.timeframe import Timeframe
    from cryptai.market.times import iso, parse_time
    from cryptai.workspace import open_workspace

    symbol, frame = parse_symbol(symbol), Timeframe(timeframe)
    ts = None if at is None else frame.floor(parse_time(at, field="at"))
    store = open_store(open_workspace(create=False))
    found = store.revisions(exchange, symbol, timeframe, ts=ts)
    if not found:
        when = "" if at is None else f" at {at}"
        raise DataError(f"No bars of {symbol} {timeframe} of {exchange} are stored{when}.")

    def instant(ms: int | None) -> str | None:
        return None if ms is None else iso(ms)

    rows: list[dict[str, Any]] = [
        {
            "from": iso(one.first_ts),
            "to": iso(one.last_ts),
            "bars": one.bars,
            "source": one.source,
            "fetched": instant(one.fetched_at_ms),
            "written": iso(one.written_at_ms),
            "superseded": instant(one.superseded_at_ms),
            "digest": one.digest,
        }
        for one in found
    ]
    if as_json:
        told = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
        print(json.dumps(told | {"revisions": rows}, indent=2))
        return
    short = [
        {
            "from": row["from"][:16].replace("T", " "),
            "to": row["to"][:16].replace("T", " "),
            "bars": row["bars"],
            "source": row["source"] or "–",
            "written": row["written"][:16].replace("T", " "),
            "digest": row["digest"][:8],
        }
        for row in rows
    ]
    print_table(short, f"Revisions of {symbol} {timeframe} of {exchange}")
