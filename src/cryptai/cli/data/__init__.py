"""`cryptai data`: bring candles in, judge them, and hand them out again."""

from __future__ import annotations

import typer

from cryptai.cli.data.exporting import export
from cryptai.cli.data.importing import import_files
from cryptai.cli.data.listing import list_stored


def register(app: typer.Typer) -> None:
    """Add the verbs of candles to the command."""
    data = typer.Typer(help="Bring candles in, judge them, hand them out.", no_args_is_help=True)
    data.command("import", epilog="Example: cryptai data import BTCUSDT_1h.parquet")(import_files)
    data.command("list", epilog="Example: cryptai data list --json")(list_stored)
    data.command(
        "export", epilog="Example: cryptai data export --symbol BTC/USDT --timeframe 1h --out BTCUSDT_1h.csv"
    )(export)
    app.add_typer(data, name="data")
