"""`cryptai data`: bring candles in, judge them, and hand them out again."""

from __future__ import annotations

import typer

from cryptai.cli.data.checking import check
from cryptai.cli.data.exporting import export
from cryptai.cli.data.funding import list_funding
from cryptai.cli.data.history import download_history, repair_history
from cryptai.cli.data.importing import import_files
from cryptai.cli.data.listing import list_stored
from cryptai.cli.data.revisions import list_revisions
from cryptai.cli.options import ENDPOINTS

_SERIES = "--symbol BTC/USDT --timeframe 1h"


def register(app: typer.Typer) -> None:
    """Add the verbs of candles to the command."""
    data = typer.Typer(help="Bring candles in, judge them, hand them out.", no_args_is_help=True)
    verbs = (
        ("download", download_history, "--symbols BTC/USDT,ETH/USDT --timeframes 1m,1h --since 2021-01-01"),
        ("import", import_files, "BTCUSDT_1h.parquet"),
        ("list", list_stored, "--json"),
        ("funding", list_funding, "--download BTC/USDT:USDT --since 2021-01-01"),
        ("check", check, "--symbol BTC/USDT"),
        ("repair", repair_history, "--symbols BTC/USDT"),
        ("revisions", list_revisions, _SERIES),
        ("export", export, f"{_SERIES} --out BTCUSDT_1h.csv"),
    )
    for name, verb, example in verbs:
        more = f"\n\n{ENDPOINTS}" if name in {"download", "repair", "funding"} else ""
        data.command(name, epilog=f"Example: cryptai data {name} {example}{more}")(verb)
    app.add_typer(data, name="data")
