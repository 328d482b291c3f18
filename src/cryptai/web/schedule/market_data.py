"""Market data kept whole beside the live feed: prices, the newest bars, what was missed, and every hole.

Each job serves every venue of which candles are stored and for which there is a source. What is stored
already is not asked for again, so a job that finds nothing missing costs the venue nothing. The practice
market needs none of this: it is derived.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

from django.conf import settings

from cryptai.errors import SourceError
from cryptai.market.exchange import PRACTICE
from cryptai.market.source import LARGE_PAIRS
from cryptai.market.timeframe import HOUR_MS
from cryptai.web import live
from cryptai.web.jobs import job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from cryptai.market.prices import PriceBook
    from cryptai.market.source import CandleSource
    from cryptai.market.store import CandleStore, Stored
    from cryptai.market.symbols import SymbolBook

    # What to do for one venue; it returns why which series failed.
    FillVenue: TypeAlias = Callable[[CandleSource, CandleStore, list[Stored]], Awaitable[dict[str, str]]]

_TIMEFRAMES: Final = ("1h", "4h", "1d")
# The venue's newest page and a little: a job that runs every hour needs no more.
_HOURLY_BARS: Final = 1_500
_DAILY_BARS: Final = 10_000
_NOBODY: Final = "No candles of a venue that can be asked are stored."


@job(every="30m")
def update_crypto_prices() -> str:
    """Fetch the last price of every stored market, and CoinGecko's opinion where it is wanted."""
    from cryptai.market.source import PriceSource  # noqa: PLC0415 (heavy: not at start)

    book = _price_book()
    coins: set[str] = set()

    async def fill_venue(source: CandleSource, _store: CandleStore, stored: list[Stored]) -> dict[str, str]:
        symbols = sorted({one.symbol for one in stored})
        if isinstance(source, PriceSource):
            prices = await source.prices(symbols)
            await asyncio.to_thread(book.add, source.name, prices)
            said.append(f"{source.name}: {len(prices):,} of {len(symbols):,} prices.")
            if not source.practice:
                coins.update(symbol.partition("/")[0] for symbol in symbols)
        return {}

    said: list[str] = []
    failures = _ask_venues(live.store(), fill_venue, practice=True)[1]
    if coins and (opinion := asyncio.run(_second_opinion(book, coins))):
        said.append(opinion)
    if failures:
        raise SourceError(" ".join([*failures, *said]))
    return " ".join(said) or _NOBODY


@job(every="1h")
def update_historical_data_task() -> str:
    """Fetch the newest bars of every stored series."""
    return _fill_stored(lambda _stored: _HOURLY_BARS)


@job(cron="30 2 * * *")
def update_historical_data_daily_task() -> str:
    """Fetch what the hourly runs missed in the last 10,000 bars of every stored series."""
    return _fill_stored(lambda _stored: _DAILY_BARS)


@job(cron="0 3 * * 0", heavy=True)
def weekly_gap_check_and_fill_task() -> str:
    """Ask for every hole of every stored series once more: of its venue, then of the second source if any."""
    from cryptai.market.repair import repair  # noqa: PLC0415 (heavy: not at start)
    from cryptai.market.second import open_second  # noqa: PLC0415

    async def fill_venue(source: CandleSource, store: CandleStore, stored: list[Stored]) -> dict[str, str]:
        second = await asyncio.to_thread(open_second, source.name)
        try:
            series = [(one.symbol, one.timeframe) for one in stored]
            done = await repair(source, store, series, second=second)
        finally:
            if second is not None:
                await second.aclose()
        return {f"{one.symbol} {one.timeframe}": one.failed for one in done if one.failed}

    return _each_venue(fill_venue, _holes_told)


@job(cron="0 1 * * *")
def sync_market_data_task() -> str:
    """See to it that every followed market has its last 1,000 bars of 1h, 4h and 1d."""

    async def fill_venue(source: CandleSource, store: CandleStore, stored: list[Stored]) -> dict[str, str]:
        symbols = sorted({*LARGE_PAIRS, *(one.symbol for one in stored)})
        return await _fill(source, store, {(frame, 1000): symbols for frame in _TIMEFRAMES})

    return _each_venue(fill_venue)


@job(cron="30 1 * * *")
def sync_crypto_symbols_task() -> str:
    """Fetch every venue's list of symbols with their rules and status, and note what has changed.

    Since when the stored markets trade is asked for where the list does not tell it: by that the universe of
    an earlier day is known.
    """
    from cryptai.market.listing import listings  # noqa: PLC0415 (heavy: not at start)
    from cryptai.market.symbol_sync import SymbolSource, sync_symbols  # noqa: PLC0415 (heavy: not at start)

    said = []
    book = _symbol_book()

    async def sync_venue(source: CandleSource, _store: CandleStore, stored: list[Stored]) -> dict[str, str]:
        if isinstance(source, SymbolSource):
            events = await sync_symbols(source, book)
            undated = {info.symbol for info in book.universe(source.name) if info.listed_ms is None}
            await listings(source, book, sorted(undated & {one.symbol for one in stored}), 0)
            trading = len(book.universe(source.name))
            said.append(f"{source.name}: {trading:,} markets trade; {len(events):,} changes.")
        return {}

    _each_venue(sync_venue)
    return " ".join(said) or _NOBODY


def _fill_stored(bars_of: Callable[[Stored], int]) -> str:
    async def fill_venue(source: CandleSource, store: CandleStore, stored: list[Stored]) -> dict[str, str]:
        groups: dict[tuple[str, int], list[str]] = defaultdict(list)
        for one in stored:
            groups[str(one.timeframe), bars_of(one)].append(one.symbol)
        failed = await _fill(source, store, groups)
        return failed | await _ask_why_behind(source, store)

    return _each_venue(fill_venue)


async def _ask_why_behind(source: CandleSource, store: CandleStore) -> dict[str, str]:
    """See whether the venue has halted what is still behind, so that nobody calls it stale."""
    from cryptai.market.newness import newness  # noqa: PLC0415 (heavy: not at start)
    from cryptai.market.symbol_sync import renew_symbols  # noqa: PLC0415

    book, now = _symbol_book(), source.now_ms()
    stops = await asyncio.to_thread(book.stopped, source.name)
    words = {newness(one.last_ts, one.timeframe, now, stops.get(one.symbol))
             for one in await asyncio.to_thread(store.markets, source.name)}  # fmt: skip
    if words & {"late", "stale"}:
        try:
            await renew_symbols(source, book, older_than_ms=HOUR_MS // 2)
        except SourceError as error:
            return {"the list of symbols": str(error)}
    return {}


async def _fill(
    source: CandleSource, store: CandleStore, groups: dict[tuple[str, int], list[str]]
) -> dict[str, str]:
    from cryptai.market.sync import fill  # noqa: PLC0415 (heavy: not at start)

    failed: dict[str, str] = {}
    for (timeframe, bars), symbols in groups.items():
        filled = await fill(source, store, symbols, [timeframe], bars=bars)
        failed |= {f"{symbol} {frame}": why for (symbol, frame), why in filled.failed.items()}
    return failed


def _each_venue(fill_venue: FillVenue, told: Callable[[Iterable[Stored]], str] | None = None) -> str:
    """Let each real venue be filled and say what came of it; raise `SourceError` where something failed."""
    store = live.store()
    before, failures = _ask_venues(store, fill_venue)
    said = []
    for venue, bars in before.items():
        after = store.markets(venue)
        added = sum(one.bars for one in after) - bars
        said.append(f"{venue}: {added:,} bars added to {len(after)} series.{told(after) if told else ''}")
    if failures:
        raise SourceError(" ".join([*failures, *said]))
    return " ".join(said) or _NOBODY


def _ask_venues(
    store: CandleStore, fill_venue: FillVenue, *, practice: bool = False
) -> tuple[dict[str, int], list[str]]:
    """Let each venue be asked; return the bars that those which answered had before, and what failed."""
    from cryptai.market.source import has_source  # noqa: PLC0415 (heavy: not at start)

    before: dict[str, int] = {}
    failures = []
    for venue in store.exchanges():
        if (venue == PRACTICE and not practice) or not has_source(venue):
            continue
        stored = store.markets(venue)
        try:
            failed = asyncio.run(_with_source(venue, store, stored, fill_venue))
        except SourceError as error:
            failures.append(str(error))
            continue
        before[venue] = sum(one.bars for one in stored)
        if failed:
            first, why = next(iter(failed.items()))
            failures.append(f"{venue}: {len(failed)} series failed, the first {first}: {why}")
    return before, failures


async def _with_source(
    venue: str, store: CandleStore, stored: list[Stored], fill_venue: FillVenue
) -> dict[str, str]:
    from cryptai.market.source import open_source  # noqa: PLC0415

    source = await asyncio.to_thread(open_source, venue)  # imports its libraries
    try:
        await source.ping()
        return await fill_venue(source, store, stored)
    finally:
        await source.aclose()


async def _second_opinion(book: PriceBook, coins: set[str]) -> str:
    # An opinion: that it cannot be had is told, and fails nothing.
    from cryptai.market.sources.coingecko import CoinGecko, is_to_be_asked  # noqa: PLC0415 (heavy: not at start)

    if not is_to_be_asked():
        return ""
    source = CoinGecko()
    try:
        prices = await source.prices(coins)
        await asyncio.to_thread(book.add, source.name, prices)
    except SourceError as error:
        return f"No second opinion: {error}"
    finally:
        await source.aclose()
    return f"{source.name}: {len(prices):,} prices in US dollars."


def _symbol_book() -> SymbolBook:
    from cryptai.market.symbols import SymbolBook  # noqa: PLC0415 (heavy: not at start)

    return SymbolBook(settings.WORKSPACE.root / "symbols.sqlite3")


def _price_book() -> PriceBook:
    from cryptai.market.prices import PriceBook  # noqa: PLC0415 (heavy: not at start)

    return PriceBook(settings.WORKSPACE.root / "prices.sqlite3")


def _holes_told(stored: Iterable[Stored]) -> str:
    holes = sum(one.holes for one in stored)
    return f" {holes:,} bars the venue does not have stay holes."
