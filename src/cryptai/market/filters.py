"""A venue's filters of one market over time: ticks, steps and minimums, as the book of symbols tells them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cryptai.errors import DataError, UnknownName
from cryptai.market.symbol import parse_symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from cryptai.market.symbols import SymbolBook


@dataclass(frozen=True, eq=False)
class Filters:
    """One row a change, in order of time; before the first nothing is asked.

    Attributes
    ----------
    from_ms
        Since when a row holds, int64 ms UTC, rising.
    tick, step
        What a price and a quantity are multiples of; 0 is any.
    min_quantity, min_notional
        The least quantity of the base, and worth in the quote currency; 0 is any.
    """

    from_ms: NDArray[np.int64]
    tick: NDArray[np.float64]
    step: NDArray[np.float64]
    min_quantity: NDArray[np.float64]
    min_notional: NDArray[np.float64]

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[int, float, float, float, float]]) -> Filters:
        """Return the filters of rows `(from_ms, tick, step, min_quantity, min_notional)`.

        Raises
        ------
        DataError
            For times that do not rise, or a number that is negative or not finite.
        """
        table = [tuple(row) for row in rows]
        times = np.array([row[0] for row in table], np.int64)
        columns = [np.array([row[i] for row in table], np.float64) for i in range(1, 5)]
        if (np.diff(times) <= 0).any():
            raise DataError("Filters must come in order of time.", field="filters")
        if not all(np.isfinite(one).all() and (one >= 0.0).all() for one in columns):
            raise DataError("Filters must be 0 or more.", field="filters")
        return cls(times, *columns)

    def __len__(self) -> int:
        return len(self.from_ms)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all rows, hex."""
        h = hashlib.sha256(f"cryptai.filters.1 {len(self)}\n".encode())
        for column in (self.from_ms, self.tick, self.step, self.min_quantity, self.min_notional):
            h.update(np.ascontiguousarray(column).data)
        return h.hexdigest()


def filters_of(book: SymbolBook, exchange: str, symbol: str) -> Filters:
    """Return what the book of symbols knows of a market's filters.

    An event holds since its own time: what was first known of a market counts from its listing on, for
    nobody tells what was asked before.

    Raises
    ------
    DataError
        If the book knows no market of the venue at all.
    UnknownName
        If it does not know this one.
    """
    name = parse_symbol(symbol)
    events = sorted(book.events(exchange, name), key=lambda event: event.ts)
    if not events and not book.events(exchange):
        raise DataError(
            f"No symbols of {exchange} are known; take its list with: cryptai symbols sync.", field="filters"
        )
    if not events:
        raise UnknownName(
            f"market of {exchange} with known filters",
            name,
            {event.symbol for event in book.events(exchange)},
            field="filters",
        )
    rows: dict[int, tuple[int, float, float, float, float]] = {}
    for event in events:
        told = event.detail
        rows[event.ts] = (  # the last of one moment holds
            event.ts,
            float(told["tick"]),
            float(told["step"]),
            float(told["min_amount"] or 0.0),
            float(told["min_notional"] or 0.0),
        )
    return Filters.of_rows(rows.values())
