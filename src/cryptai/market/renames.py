"""Former names of a market: what it was called before, and its history across them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryptai.errors import DataError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.symbol import parse_symbol

if TYPE_CHECKING:
    from cryptai.market.store import CandleStore
    from cryptai.market.symbols import SymbolBook


class Name(NamedTuple):
    """What a market was called from one instant on until another (ms UTC); None is without end."""

    symbol: str
    since_ms: int | None
    until_ms: int | None


def names_of(book: SymbolBook, exchange: str, symbol: str, *, as_of_ms: int | None = None) -> list[Name]:
    """Return the names of a market, the first one first, by the renames known at an instant (default: now).

    The last one is `symbol`; a market that was never renamed to it has no other.
    """
    events = [event for event in book.events(exchange) if event.kind == "renamed"]
    before = {
        event.detail["renamed_to"]: event
        for event in events
        if as_of_ms is None or event.known_ms <= as_of_ms
    }
    names = [Name(parse_symbol(symbol), None, None)]
    seen = {names[0].symbol}
    while (event := before.get(names[0].symbol)) and event.symbol not in seen:
        names[0] = names[0]._replace(since_ms=event.ts)
        names.insert(0, Name(event.symbol, None, event.ts))
        seen.add(event.symbol)
    return names


def read_across(
    store: CandleStore,
    book: SymbolBook,
    exchange: str,
    symbol: str,
    timeframe: str,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    as_of_ms: int | None = None,
) -> Candles:
    """Return the stored bars of a market under all its names, as candles of `symbol`.

    Each name gives the bars that open while it was in force, so no bar comes twice. Under a name of which
    nothing is stored there is a hole.

    Raises
    ------
    DataError
        If nothing is stored under any of them.
    """
    names = names_of(book, exchange, symbol, as_of_ms=as_of_ms)
    parts: list[Candles] = []
    for name in names:
        with suppress(DataError):
            candles = store.read(
                exchange, name.symbol, timeframe, start_ms=start_ms, end_ms=end_ms, as_of_ms=as_of_ms
            )
            parts.append(candles.between(name.since_ms, name.until_ms))
    if not parts:
        told = ", ".join(name.symbol for name in names)
        raise DataError(f"No bars of {told} {timeframe} of {exchange} are stored.")
    columns = {column: np.concatenate([getattr(part, column) for part in parts]) for column in COLUMNS}
    return Candles(**columns, symbol=names[-1].symbol, timeframe=timeframe)
