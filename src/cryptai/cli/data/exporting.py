"""`cryptai data export`: stored candles into a file that other tools open."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cryptai.cli.options import Exchange, Json


def export(
    symbol: Annotated[str, typer.Option(metavar="SYMBOL", help="The market, such as BTC/USDT.")],
    timeframe: Annotated[str, typer.Option(metavar="TIMEFRAME", help="1m 5m 15m 30m 1h 4h 1d or 1w.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new file, .parquet or .csv.")],
    exchange: Exchange = "binance",
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="First bar open, UTC.")] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Bars open before this, UTC.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The bars as the store knew them then, UTC.")
    ] = None,
    former: Annotated[
        bool, typer.Option("--former", help="With the bars of the market's former names (symbols rename).")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Export stored candles, exact to the bit; `data import` reads them back.

    Columns: ts (milliseconds UTC, the bar's open), open, high, low, close, volume. Parquet or CSV by the
    file's ending. The `digest` of --json names the exported bars, as a run's data digest does; of a whole
    series there is its `series_digest` too, by which `data list` and `data download` name what is stored.
    """
    from cryptai.errors import DataError
    from cryptai.market.opening import open_store
    from cryptai.market.renames import read_across
    from cryptai.market.symbols import SymbolBook
    from cryptai.market.times import iso, parse_time
    from cryptai.market.writing import check_target, write_candles
    from cryptai.workspace import open_workspace

    check_target(out, force=force)
    start_ms = None if since is None else parse_time(since, field="from")
    end_ms = None if until is None else parse_time(until, field="to")
    as_of_ms = None if as_of is None else parse_time(as_of, field="as_of")
    store = open_store(open_workspace(create=False))
    read = partial(read_across, store, SymbolBook()) if former else store.read
    candles = read(exchange, symbol, timeframe, start_ms=start_ms, end_ms=end_ms, as_of_ms=as_of_ms)
    if not len(candles):
        raise DataError(
            f"No bars of {symbol} {timeframe} of {exchange} lie in that time; nothing was written."
        )
    write_candles(out, candles, force=force)
    first, last = iso(int(candles.ts[0])), iso(int(candles.ts[-1]))
    if as_json:
        told = {
            "exchange": exchange, "symbol": candles.symbol, "timeframe": str(candles.timeframe),
            "file": str(out), "bars": len(candles), "from": first, "to": last, "digest": candles.digest,
        }  # fmt: skip
        if not former and all(bound is None for bound in (start_ms, end_ms, as_of_ms)):
            # The whole series: also as `data list` names it.
            told["series_digest"] = store.stored(exchange, symbol, timeframe).digest
        print(json.dumps(told, indent=2))
    else:
        print(f"{len(candles):,} bars of {candles.symbol} {candles.timeframe}, {first} to {last}: {out}")
