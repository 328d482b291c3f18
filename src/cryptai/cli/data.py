"""`cryptai data`: bring candles into the store, and list what it holds."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Exchange, Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.merge import Written
    from cryptai.market.store import Stored


def register(app: typer.Typer) -> None:
    """Add the verbs of candles to the command."""
    data = typer.Typer(help="Bring candles in, and list what is stored.", no_args_is_help=True)
    data.command("import", epilog="Example: cryptai data import BTCUSDT_1h.parquet")(_import)
    data.command("list", epilog="Example: cryptai data list --json")(_list)
    app.add_typer(data, name="data")


def _import(
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
    as_json: Json = False,
) -> None:
    """Import candles from files: all of them, or none.

    A file has the columns ts (milliseconds UTC, the bar's open), open, high, low, close, volume. Its name may
    give symbol and timeframe, as in BTCUSDT_1h.parquet. Importing the same bars again changes nothing.
    """
    from cryptai.market.exchange import check_exchange

    check_exchange(exchange)
    with _progress(len(files), show=not as_json) as step:
        series = _read(files, symbol, timeframe, step)
        written = _store(exchange, series, replace=replace)
    rows = [_imported(*one) for one in zip(files, series, written.each, strict=True)]
    if as_json:
        total = {"added": written.added, "same": written.same, "replaced": written.replaced}
        print(json.dumps({"exchange": exchange, "files": rows} | total, indent=2))
    else:
        shown = [row | {"file": file.name} for file, row in zip(files, rows, strict=True)]
        _print_table(shown, f"Imported into {exchange}")


def _list(
    exchange: Annotated[str | None, typer.Option(metavar="NAME", help="Only this venue's candles.")] = None,
    as_json: Json = False,
) -> None:
    """List the stored candles: what, from when to when, bars missing in between."""
    from cryptai.market.store import CandleStore
    from cryptai.workspace import open_workspace

    stored = CandleStore(open_workspace(create=False).candles).markets(exchange)
    rows = [_listed(one) for one in stored]
    if as_json:
        print(json.dumps({"markets": rows}, indent=2))
    elif not rows:
        print("No candles are stored; bring some in with: cryptai data import FILE")
    else:
        _print_table([_shown(row) for row in rows], "Stored candles")


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
    from cryptai.market.store import CandleStore
    from cryptai.workspace import open_workspace

    # Opened after the files were read: a file refused leaves nothing behind, not even an empty workspace.
    return CandleStore(open_workspace().candles).write(exchange, *series, replace=replace)


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


@contextmanager
def _progress(files: int, *, show: bool) -> Iterator[Callable[[str], None]]:
    if not (show and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading", total=files + 1)
        yield lambda what: bar.update(task, advance=1, description=what)


def _print_table(rows: Sequence[dict[str, Any]], title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=0)
    for name, value in rows[0].items():
        table.add_column(name, justify="right" if isinstance(value, int) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else value for value in row.values()))
    Console().print(table)
