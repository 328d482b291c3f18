"""`cryptai features`: every indicator and structure, listed, and computed into a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Exchange, Json, pairs, refuse_empty

if TYPE_CHECKING:
    from cryptai.features.feature import Feature
    from cryptai.market.candles import Candles


def register(app: typer.Typer) -> None:
    """Add the verbs of features to the command."""
    features = typer.Typer(help="Indicators and structures: list them, compute them.", no_args_is_help=True)
    features.command("list", epilog="Example: cryptai features list --json")(list_features)
    example = "rsi --param period=14 --symbol BTC/USDT --timeframe 1h --out rsi.parquet"
    features.command("compute", epilog=f"Example: cryptai features compute {example}")(compute)
    app.add_typer(features, name="features")


def list_features(json_: Json = False) -> None:
    """List every indicator and structure with parameters and outputs or events."""
    from cryptai.features.described import described
    from cryptai.features.feature import features

    found = [described(one) for one in features]
    if json_:
        print(json.dumps({"features": found}, allow_nan=False))
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    for kind in ("indicator", "structure"):
        rows = [row for row in found if row["kind"] == kind]
        console.print(f"[bold]{len(rows)} {kind}s[/]")
        for row in rows:
            console.print(f"  [bold]{row['name']}[/]  {escape(row['summary'])}", soft_wrap=True)
            console.print(f"      {_says(row)}", style="dim", markup=False, soft_wrap=True)


def _says(row: dict[str, Any]) -> str:
    given = ", ".join(f"{one['name']}={one['default']}" for one in row["parameters"])
    gives = [one["name"] for one in row.get("outputs", row.get("kinds", ()))]
    return f"({given}) gives {', '.join(gives)}"


def compute(
    name: Annotated[str, typer.Argument(help="A name from `cryptai features list`.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Written, or replaced: .parquet or .csv.")],
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter; repeatable.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Market, such as BTC/USDT.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m 5m 15m 30m 1h 4h 1d or 1w.")] = None,
    exchange: Exchange = "binance",
    candles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Use this CSV or Parquet file.")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(metavar="TIMEFRAME", help="Compute it on these coarser bars, closed ones only."),
    ] = None,
    json_: Json = False,
) -> None:
    """Compute an indicator or a structure over stored candles, or over a file, into a file.

    An indicator gives ts (milliseconds UTC, the bar's open) and one column an output. A structure gives one
    row an event: at (open of the bar it is drawn at) and known_at (close of the bar that made it known),
    both in milliseconds UTC; at_bar and known_bar (rows of the candles); kind, direction, top, bottom, level,
    strength, volume, share, id. NaN stands where there is no value.
    """
    from cryptai.features.feature import features
    from cryptai.market.writing import check_target, write_table

    refuse_empty({"symbol": symbol, "timeframe": timeframe, "exchange": exchange, "on": on})
    feature = features.get(name, field="name")
    values = feature.read(pairs(param or ()))
    check_target(out, force=True)
    bars = series(candles, symbol, timeframe, exchange, out)
    table = _table(feature, bars, on, values)
    write_table(out, table)
    rows = len(next(iter(table.values())))
    if json_:
        told = {"feature": name, "parameters": {**feature.defaults, **values}, "bars": len(bars)}
        print(json.dumps({**told, "rows": rows, "columns": list(table), "file": str(out)}))
    else:
        over = f"{len(bars):,} bars of {bars.timeframe}"
        print(f"{name} over {over}: {rows:,} rows of {len(table)} columns in {out}")


def series(
    file: Path | None, symbol: str | None, timeframe: str | None, exchange: str, out: Path | None = None
) -> Candles:
    """Return the candles that the options name: a file's, or a stored market's."""
    from cryptai.errors import InputError

    if file is not None:
        from cryptai.market.files import read_series

        if out is not None and out.exists() and out.resolve() == file.resolve():
            raise InputError(f"{out} holds the candles themselves; name another file.", field="out")
        return read_series(file, timeframe)
    missing = [name for name, value in (("symbol", symbol), ("timeframe", timeframe)) if value is None]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} missing: name a stored market with --symbol and --timeframe "
            "(`cryptai data list` shows them), or a file with --candles.",
            field=missing[0],
        )
    from cryptai.market.store import CandleStore
    from cryptai.workspace import open_workspace

    return CandleStore(open_workspace(create=False).candles).read(exchange, str(symbol), str(timeframe))


def _table(feature: Feature, candles: Candles, on: str | None, values: dict[str, Any]) -> dict[str, Any]:
    from cryptai.features.events import Events

    made: Any = feature
    if on is None:
        found = made.of(candles, **values)
    else:
        from cryptai.features.higher import compute_at

        found = compute_at(feature, candles, on, **values)
    return found.table() if isinstance(found, Events) else {"ts": candles.ts, **found}
