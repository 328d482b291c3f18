"""`cryptai data download` and `cryptai data repair`: history from a venue, and holes mended."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.data.tables import print_table
from cryptai.cli.options import Exchange, Json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from cryptai.market.fetching import Downloaded
    from cryptai.market.source import CandleSource
    from cryptai.market.store import CandleStore

# Holes told one by one on a terminal; all of them are in the JSON, and in `cryptai data check`.
_SHOWN = 12


Second = Annotated[
    str | None,
    typer.Option(
        "--second",
        metavar="NAME",
        help="A source to ask for what the venue has not; default CRYPTAI_SECOND, else none.",
    ),
]


def download_history(
    symbols: Annotated[str, typer.Option(metavar="NAMES", help="Markets, such as BTC/USDT,ETH/USDT.")],
    timeframes: Annotated[str, typer.Option(metavar="NAMES", help="Of 1m 5m 15m 30m 1h 4h 1d 1w.")],
    since: Annotated[str, typer.Option(metavar="TIME", help="First bar open, UTC.")],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Bars open before this, UTC.")] = None,
    exchange: Exchange = "binance",
    second: Second = None,
    as_json: Json = False,
) -> None:
    """Download candles: all that a venue has, and only what is not stored yet.

    It may be stopped at any moment; the next call goes on. Bars that the venue has not, asked twice, are
    asked of the second source where one is named, else recorded as holes and listed; nothing is made up in
    their place.
    """
    from cryptai.errors import InputError
    from cryptai.market.download import download
    from cryptai.market.listing import listings
    from cryptai.market.second import open_second
    from cryptai.market.symbol import parse_symbol
    from cryptai.market.symbols import SymbolBook
    from cryptai.market.timeframe import Timeframe
    from cryptai.market.times import parse_time

    names = [parse_symbol(name) for name in _split(symbols, "symbols")]
    frames = [Timeframe(name) for name in _split(timeframes, "timeframes")]
    since_ms = parse_time(since, field="since")
    until_ms = None if until is None else parse_time(until, field="until")
    if until_ms is not None and until_ms <= since_ms:
        raise InputError(f"--until {until} must be later than --since {since}.", field="until")

    other = open_second(exchange, second)

    async def work(
        source: CandleSource, store: CandleStore, progress: Callable[[int, int], None]
    ) -> list[Downloaded]:
        async with _closing(other):
            listed = await listings(source, SymbolBook(), names, since_ms)
            return await download(
                source, store, names, frames,
                since_ms=since_ms, until_ms=until_ms, listed=listed, second=other, progress=progress,
                paused=_told_of_pause(source),
            )  # fmt: skip

    _run(work, exchange, as_json=as_json, title="Downloaded from")


def repair_history(
    symbols: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only these markets, such as BTC/USDT,ETH/USDT.")
    ] = None,
    timeframes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only these, of 1m 5m 15m 30m 1h 4h 1d 1w.")
    ] = None,
    exchange: Exchange = "binance",
    second: Second = None,
    as_json: Json = False,
) -> None:
    """Repair what is stored: ask the venue once more for each hole.

    With --second or CRYPTAI_SECOND, what the venue has not is taken from that source and kept as its candle
    (`data revisions` tells). What nobody has stays a recorded hole. No stored bar is changed.
    """
    from cryptai.errors import InputError
    from cryptai.market.repair import repair
    from cryptai.market.second import open_second
    from cryptai.market.symbol import parse_symbol
    from cryptai.market.timeframe import Timeframe

    names = None if symbols is None else [parse_symbol(name) for name in _split(symbols, "symbols")]
    frames = None if timeframes is None else [Timeframe(name) for name in _split(timeframes, "timeframes")]
    other = open_second(exchange, second)

    async def work(
        source: CandleSource, store: CandleStore, progress: Callable[[int, int], None]
    ) -> list[Downloaded]:
        stored = [(m.symbol, m.timeframe) for m in store.markets(exchange)]
        known = {symbol for symbol, _ in stored}
        for name in names or ():
            if name not in known:
                raise InputError(
                    f"No bars of {name} of {exchange} are stored; bring some in with: cryptai data download.",
                    field="symbols",
                )
        chosen = [
            one
            for one in stored
            if (names is None or one[0] in names) and (frames is None or one[1] in frames)
        ]
        async with _closing(other):
            return await repair(
                source, store, chosen, second=other, progress=progress, paused=_told_of_pause(source)
            )

    _run(work, exchange, as_json=as_json, title="Repaired from", create=False)


def _run(work: Callable[..., Any], exchange: str, *, as_json: bool, title: str, create: bool = True) -> None:
    from cryptai.errors import SourceError
    from cryptai.market.opening import open_store
    from cryptai.market.source import open_source
    from cryptai.workspace import open_workspace

    source = open_source(exchange)
    store = open_store(open_workspace(create=create))

    async def all_of_it(progress: Callable[[int, int], None]) -> list[Downloaded]:
        try:
            await _reach(source)
            found: list[Downloaded] = await work(source, store, progress)
            return found
        finally:
            await source.aclose()

    with _bars(show=not as_json) as progress:
        done = asyncio.run(all_of_it(progress))
    rows = _rows(store, exchange, done)
    if as_json:
        print(json.dumps({"exchange": exchange, "series": rows}, indent=2))
    else:
        _show(rows, f"{title} {exchange}")
    if failed := [one for one in done if one.failed]:
        raise SourceError(
            f"{len(failed)} of {len(done)} could not be finished, first {failed[0].symbol} "
            f"{failed[0].timeframe}: {failed[0].failed} What came is stored; the same command goes on."
        )


@asynccontextmanager
async def _closing(source: CandleSource | None) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if source is not None:
            await source.aclose()


async def _reach(source: CandleSource) -> None:
    """Find out within seconds that a venue cannot be reached, before series by series would.

    One that wants not to be asked for a time is reached: the pause is waited out.
    """
    from cryptai.errors import SourceError
    from cryptai.market.fetching import LONGEST_WAIT_S

    for wait in (0.5, 1.0, None):
        try:
            await source.ping()
        except SourceError as error:
            if error.permanent or wait is None or error.pause_s > LONGEST_WAIT_S:
                raise
            if error.pause_s:
                _told_of_pause(source)(error.pause_s)
            await asyncio.sleep(error.pause_s + 1.0 if error.pause_s else wait)
        else:
            return


def _told_of_pause(source: CandleSource) -> Callable[[float], None]:
    def tell(seconds: float) -> None:
        print(
            f"{source.title} asked for a pause; going on in {seconds:,.0f} s. What came is stored, so Ctrl-C "
            "costs nothing: the same command goes on.",
            file=sys.stderr,
        )

    return tell


def _rows(store: CandleStore, exchange: str, done: Sequence[Downloaded]) -> list[dict[str, Any]]:
    from cryptai.market.quality_report import quality_report

    stored = {(m.symbol, m.timeframe): m for m in store.markets(exchange)}
    rows = []
    for one in done:
        row: dict[str, Any] = {"symbol": one.symbol, "timeframe": str(one.timeframe), "added": one.added}
        if market := stored.get((one.symbol, one.timeframe)):
            report = quality_report(store, exchange, one.symbol, one.timeframe).as_object()
            row |= {name: report[name] for name in ("bars", "from", "to", "missing", "holes")}
            row["digest"] = market.digest
        else:
            row |= {"bars": 0, "from": None, "to": None, "missing": 0, "holes": [], "digest": None}
        rows.append(row | {"failed": one.failed})
    return rows


def _show(rows: Sequence[dict[str, Any]], title: str) -> None:
    if not rows:
        print("Nothing is stored that could be repaired; bring candles in with: cryptai data download")
        return
    shown = [
        {name: row[name] for name in ("symbol", "timeframe", "added", "bars")}
        | {name: (row[name] or "–")[:16].replace("T", " ") for name in ("from", "to")}
        | {"missing": row["missing"]}
        for row in rows
    ]
    print_table(shown, title)
    holes = [(row, hole) for row in rows for hole in row["holes"]]
    for row, hole in holes[:_SHOWN]:
        print(f"{row['symbol']} {row['timeframe']}: {hole['bars']:,} from {hole['from']}, {hole['cause']}")
    if len(holes) > _SHOWN:
        print(f"and {len(holes) - _SHOWN:,} holes more: cryptai data check --json")


def _split(text: str, field: str) -> list[str]:
    from cryptai.errors import InputError

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"--{field} names nothing; separate names by commas.", field=field)
    return names


@contextmanager
def _bars(*, show: bool) -> Iterator[Callable[[int, int], None]]:
    if not (show and sys.stderr.isatty()):
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("Bars", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Bars", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
