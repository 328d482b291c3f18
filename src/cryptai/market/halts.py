"""Whether a venue from which nothing comes has halted what is followed: then it is not we who are deaf."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from cryptai.errors import SourceError
from cryptai.market.symbol_sync import renew_symbols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.market.source import CandleSource
    from cryptai.market.symbols import SymbolBook

# The list is long; while a halt lasts it is asked for again after this.
_OLD_MS: Final = 600_000


async def all_halted(book: SymbolBook, source: CandleSource, symbols: Sequence[str]) -> bool:
    """Return whether the venue says that it has halted or delisted all these markets.

    Its list of symbols is renewed for it. A venue that cannot be asked has said nothing.
    """
    try:
        await renew_symbols(source, book, older_than_ms=_OLD_MS)
    except SourceError:
        return False
    return set(symbols) <= (await asyncio.to_thread(book.stopped, source.name)).keys()
