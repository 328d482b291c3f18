"""`cryptai data check`: how good what is stored is, series by series."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.data.tables import print_table
from cryptai.cli.options import Json

if TYPE_CHECKING:
    from cryptai.market.quality_report import Quality


def check(
    symbol: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Only this market.")] = None,
    timeframe: Annotated[
        str | None, typer.Option(metavar="TIMEFRAME", help="Only this one of 1m 5m 15m 30m 1h 4h 1d 1w.")
    ] = None,
    exchange: Annotated[str | None, typer.Option(metavar="NAME", help="Only this venue's candles.")] = None,
    as_json: Json = False,
) -> None:
    """Check the stored candles: complete, fresh, in agreement with finer bars and between sources.

    A hole is either one that the venue was asked for in vain, or not fetched yet (`data repair` asks).
    Impossible bars and duplicates are refused when they come in, so none is stored.
    """
    from cryptai.errors import DataError
    from cryptai.market.opening import open_store
    from cryptai.market.quality_report import quality_report
    from cryptai.market.symbol import parse_symbol
    from cryptai.market.timeframe import Timeframe
    from cryptai.workspace import open_workspace

    name = None if symbol is None else parse_symbol(symbol)
    frame = None if timeframe is None else Timeframe(timeframe)
    store = open_store(open_workspace(create=False))
    chosen = [
        market
        for market in store.markets(exchange)
        if name in (None, market.symbol) and frame in (None, market.timeframe)
    ]
    if not chosen and (name or frame or exchange):
        told = " ".join(filter(None, (name, frame, f"of {exchange}" if exchange else None)))
        raise DataError(f"No bars {told} are stored; `cryptai data list` tells what is.")
    reports = [quality_report(store, m.exchange, m.symbol, m.timeframe) for m in chosen]
    if as_json:
        answer = {"complete": not any(one.missing for one in reports)}
        print(json.dumps(answer | {"markets": [one.as_object() for one in reports]}, indent=2))
    elif not reports:
        print("No candles are stored; bring some in with: cryptai data download")
    else:
        print_table([_shown(one) for one in reports], "Quality of the stored candles")
        for line in _findings(reports):
            print(line)


def _shown(one: Quality) -> dict[str, Any]:
    # Rounded down: what lacks one bar of a million is not shown as whole.
    share = int(one.completeness * 10_000) / 100
    return {
        "exchange": one.exchange,
        "symbol": one.symbol,
        "timeframe": str(one.timeframe),
        "bars": one.bars,
        "complete": f"{share:.2f} %" if one.missing else "100 %",
        "gaps": one.gaps,
        "missing": one.missing,
        "unfetched": one.unfetched,
        "newest": one.freshness,
    }


def _findings(reports: list[Quality]) -> list[str]:
    from cryptai.market.times import iso

    lines = []
    for one in reports:
        what = f"{one.symbol} {one.timeframe} of {one.exchange}"
        if one.unfetched:
            lines.append(f"{what}: {one.unfetched:,} missing bars were not fetched yet: cryptai data repair")
        lines += [
            f"{what}: {pair.differ:,} of {pair.compared:,} bars differ from those made of {pair.finer} bars, "
            f"first {iso(pair.first_ts)}, by up to {_percent(pair.largest)}"
            for pair in one.agreements
            if pair.first_ts is not None
        ]
        lines += [
            f"{what}: {pair.bars:,} bars of {pair.before} were corrected by {pair.after}, first "
            f"{iso(pair.first_ts)}, by up to {_percent(pair.largest)}: cryptai data revisions"
            for pair in one.conflicts
        ]
    return lines


def _percent(part: float) -> str:
    return f"{part * 100:.2g} %"
