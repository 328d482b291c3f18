"""Source to book: fetch a venue's list of symbols, and note what has changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cryptai.errors import InputError
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.market.symbols import SymbolBook, SymbolEvent, SymbolInfo


@runtime_checkable
class SymbolSource(Protocol):
    """A source that has a list of symbols; its methods raise as `CandleSource`'s do."""

    name: str

    def now_ms(self) -> int:
        """Return the venue's time, ms UTC."""

    async def symbols(self) -> list[SymbolInfo]:
        """Return all markets of today, with their rules and status."""

    async def listed_ms(self, symbol: str) -> int | None:
        """Return when a market's first bar opened; None if it has none."""


async def renew_symbols(source: object, book: SymbolBook, *, older_than_ms: int) -> None:
    """Sync the venue's list if that was done longer ago; a source without one is left alone.

    What stands still may have been halted a moment ago: the list says it, the stream does not.
    """
    if isinstance(source, SymbolSource):
        synced_ms = await asyncio.to_thread(book.synced_ms, source.name)
        if now_ms() - synced_ms > older_than_ms:
            await sync_symbols(source, book)


async def sync_symbols(
    source: object, book: SymbolBook, *, dates_of: Sequence[str] = ()
) -> list[SymbolEvent]:
    """Take the venue's list of today into the book; return what has changed.

    For the markets of `dates_of` the day of listing is asked for, too, where the list does not tell it: one
    request each.

    Raises
    ------
    InputError
        If the source has no list, or no market of that name.
    SourceError
        If the venue does not answer as agreed; nothing is changed then.
    """
    if not isinstance(source, SymbolSource):
        raise InputError(
            f"{getattr(source, 'title', 'This source')} has no list of symbols to sync.", field="exchange"
        )
    symbols = await source.symbols()
    events = await asyncio.to_thread(book.sync, source.name, symbols, source.now_ms())
    for symbol in dates_of:
        if book.info(source.name, symbol).listed_ms is None:
            listed = await source.listed_ms(symbol)
            if listed is not None:
                await asyncio.to_thread(book.listed, source.name, symbol, listed, source.now_ms())
    return events
