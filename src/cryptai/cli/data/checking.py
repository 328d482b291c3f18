"""`cryptai data check`: how good what is stored is, series by series."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.data.tables import print_table
from cryptai.cli.options import Json

if TYPE_CHECKING:
    from cryptai.market.kept import Market
    from cryptai.market.proving import Proof
    from cryptai.market.quality_report import Quality
    from cryptai.market.store import Stored


def check(
    symbol: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Only this market.")] = None,
    timeframe: Annotated[
        str | None, typer.Option(metavar="TIMEFRAME", help="Only this one of 1m 5m 15m 30m 1h 4h 1d 1w.")
    ] = None,
    exchange: Annotated[str | None, typer.Option(metavar="NAME", help="Only this venue's candles.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every file again and compare it with its digest.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the stored candles: complete, fresh, in agreement with finer bars and between sources.

    A market that its venue has halted or delisted, as the book of symbols knows, is called so and not stale.
    A hole is either one that the venue was asked for in vain, or not fetched yet (`data repair` asks).
    Impossible bars and duplicates are refused when they come in, so none is stored. With `--deep` it ends
    with 1 if a file or a row of the catalog is damaged or missing; nothing is changed.
    """
    from cryptai.errors import DataError
    from cryptai.market.opening import open_store
    from cryptai.market.quality_report import quality_report
    from cryptai.market.symbol import parse_symbol
    from cryptai.market.symbols import SymbolBook
    from cryptai.market.timeframe import Timeframe
    from cryptai.workspace import open_workspace

    name = None if symbol is None else parse_symbol(symbol)
    frame = None if timeframe is None else Timeframe(timeframe)
    store = open_store(open_workspace(create=False))

    def is_asked(market: Market | Stored) -> bool:
        return name in (None, market.symbol) and frame in (None, market.timeframe)

    # First: a look at the markets may put a spoilt copy right, and it would not be told.
    proof = store.prove(exchange, is_asked) if deep else None
    chosen = [market for market in store.markets(exchange) if is_asked(market)]
    if not chosen and (name or frame or exchange):
        told = " ".join(filter(None, (name, frame, f"of {exchange}" if exchange else None)))
        raise DataError(f"No bars {told} are stored; `cryptai data list` tells what is.")
    # What cannot be read is told with the files, and does not hide how the others are.
    read = [m for m in chosen if proof is None or m.digest != "damaged"]
    stops = {name: SymbolBook().stopped(name) for name in {m.exchange for m in read}}
    reports = [
        quality_report(store, m.exchange, m.symbol, m.timeframe, stop=stops[m.exchange].get(m.symbol))
        for m in read
    ]
    if as_json:
        answer: dict[str, Any] = {"complete": not any(one.missing for one in reports)}
        if proof is not None:
            damaged = [one.as_object() for one in proof.damaged]
            answer |= {"files": proof.files, "rows": proof.rows, "damaged": damaged}
        print(json.dumps(answer | {"markets": [one.as_object() for one in reports]}, indent=2))
    elif not reports:
        print("No candles are stored; bring some in with: cryptai data download")
    else:
        print_table([_shown(one) for one in reports], "Quality of the stored candles")
        for line in _findings(reports) + (_damages(proof) if proof else []):
            print(line)
    if proof is not None and proof.damaged:
        raise typer.Exit(1)


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
            f"first {iso(pair.first_ts)}, {_by(pair.largest)}"
            for pair in one.agreements
            if pair.first_ts is not None
        ]
        lines += [
            f"{what}: {pair.bars:,} bars of {pair.before} were corrected by {pair.after}, first "
            f"{iso(pair.first_ts)}, {_by(pair.largest)}: cryptai data revisions"
            for pair in one.conflicts
        ]
    return lines


def _by(largest: float) -> str:
    return f"by up to {_percent(largest)}" if largest else "in volume only"


def _damages(proof: Proof) -> list[str]:
    lines = []
    for one in proof.damaged:
        if one.kind == "copy":
            lost = f"is damaged; it only makes reading {one.market} faster: delete it, and it is made again"
        else:
            bars = "bars" if one.in_force else "bars as they were before a correction"
            lost = f"is damaged or missing: {bars} of {one.market}; bring it back with: cryptai restore FILE"
        lines.append(f"{one.what} {lost}")
    found = f"{len(lines):,} are damaged" if lines else "all are as they were written"
    return [*lines, f"{proof.files:,} files and {proof.rows:,} rows of the catalog were read again: {found}."]


def _percent(part: float) -> str:
    return f"{part * 100:.2g} %"
