"""What a download asks first: the venue's list of symbols, with the limit of its requests, and since when."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from cryptai.errors import InputError, SourceError, UnknownName
from cryptai.market.symbol import parse_symbol
from cryptai.market.symbol_sync import SymbolSource, sync_symbols
from cryptai.market.timeframe import DAY_MS, Timeframe
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptai.market.source import CandleSource
    from cryptai.market.symbols import SymbolBook

log = logging.getLogger(__name__)

# A list that has not come by then is done without: what is asked for is history.
_PATIENCE_S: Final = 30.0


async def listings(
    source: CandleSource, book: SymbolBook, symbols: Iterable[str], since_ms: int
) -> dict[str, int]:
    """Return since when those of these markets are listed that were listed after `since_ms` (ms UTC).

    The venue's list is fetched where the book's is older than a day: with it come the limits of its requests.
    A day of listing that the list does not tell is asked for and kept in the book. None is believed before
    the venue has said that it has no bar of an earlier day. What cannot be had is left out: a venue without a
    list has its history all the same.
    """
    if not isinstance(source, SymbolSource):
        return {}
    found: dict[str, int] = {}
    try:
        async with asyncio.timeout(_PATIENCE_S):
            if await asyncio.to_thread(book.synced_ms, source.name) < now_ms() - DAY_MS:
                await sync_symbols(source, book)
            for symbol in map(parse_symbol, symbols):
                try:
                    listed = await _listed(source, source, book, symbol)
                except SourceError as error:
                    if error.permanent:
                        raise
                    log.warning("Since when %s of %s trades is not known: %s", symbol, source.name, error)
                    continue
                if listed is not None and listed > since_ms:
                    found[symbol] = listed
    except (InputError, SourceError, TimeoutError) as error:
        log.warning("The symbols of %s are not known: %s", source.name, str(error) or "no answer in time")
    return found


async def _listed(source: CandleSource, lists: SymbolSource, book: SymbolBook, symbol: str) -> int | None:
    try:
        known = (await asyncio.to_thread(book.info, lists.name, symbol)).listed_ms
    except UnknownName:
        return None
    listed = await lists.listed_ms(symbol) if known is None else known
    if listed is None:
        return None
    day = Timeframe("1d").floor(listed)
    if len(await source.history(symbol, "1d", end_ms=day, bars=1)):
        return None
    if known is None:
        await asyncio.to_thread(book.listed, lists.name, symbol, listed, lists.now_ms())
    return listed
