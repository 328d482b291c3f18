"""`cryptai data import`: candles from a person's files, all of them or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.data.funding import import_funding
from cryptai.cli.data.tables import print_table, reading
from cryptai.cli.options import Exchange, Json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.merge import Written


def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CSV or Parquet files of candles.")],
    symbol: Annotated[
        str | None, typer.Option(metavar="SYMBOL", help="The market, where a file's name does not tell it.")
    ] = None,
    timeframe: Annotated[
        str | None, typer.Option(metavar="TIMEFRAME", help="1m 5m 15m 30m 1h 4h 1d or 1w; as above.")
    ] = None,
    exchange: Exchange = "binance",
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the new bar where it differs from the stored one.")
    ] = False,
    funding: Annotated[
        bool, typer.Option("--funding", help="The files hold funding: columns ts and funding_rate.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import candles, or funding, from files: all of them, or none.

    A file has the columns ts (milliseconds UTC, the bar's open), open, high, low, close, volume. Its name may
    give symbol and timeframe, as in BTCUSDT_1h.parquet. Importing the same bars again changes nothing.
    """
    from cryptai.market.exchange import check_exchange

    if funding:
        import_funding(files, symbol, exchange, as_json=as_json)
        return
    check_exchange(exchange)
    with reading(len(files), show=not as_json) as step:
        series = _read(files, symbol, timeframe, step)
        written = _store(exchange, series, replace=replace)
    rows = [_imported(*one) for one in zip(files, series, written.each, strict=True)]
    if as_json:
        total = {"added": written.added, "same": written.same, "replaced": written.replaced}
        print(json.dumps({"exchange": exchange, "files": rows} | total, indent=2))
    else:
        shown = [row | {"file": file.name} for file, row in zip(files, rows, strict=True)]
        print_table(shown, f"Imported into {exchange}")


def _read(
    files: Sequence[Path], symbol: str | None, timeframe: str | None, step: Callable[[str], None]
) -> list[Candles]:
    from cryptai.errors import DataError
    from cryptai.market.files import read_candles
    from cryptai.market.quality import check_closed
    from cryptai.seams import now_ms

    series = []
    for file in files:
        candles = read_candles(file, symbol, timeframe)
        try:
            check_closed(candles.ts, candles.timeframe, now_ms())
        except DataError as error:
            raise DataError(f"{file}: {error}", field=error.field) from error
        series.append(candles)
        step(f"Reading {file.name}")
    step("Storing")
    return series


def _store(exchange: str, series: Sequence[Candles], *, replace: bool) -> Written:
    from cryptai.market.opening import open_store
    from cryptai.workspace import open_workspace

    # Opened after the files were read: a file refused leaves nothing behind, not even an empty workspace.
    return open_store(open_workspace()).write(exchange, *series, replace=replace)


def _imported(file: Path, candles: Candles, written: Written) -> dict[str, Any]:
    from cryptai.market.quality import holes

    return {
        "file": str(file),
        "symbol": candles.symbol,
        "timeframe": str(candles.timeframe),
        "bars": len(candles),
        "added": written.added,
        "same": written.same,
        "replaced": written.replaced,
        "holes": int(holes(candles.ts, candles.timeframe)[:, 1].sum()),
    }
