"""Folding fills into a book: the only place where cash and positions change."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryptai.jit import njit
from cryptai.ledger.book import LONG, SHORT, Book


@njit
def open_position(
    book: Book, bar: int, quantity: float, price: float, fee: float, stop: float, target: float
) -> Book:
    """Return the book after the fill that opens `quantity` (signed) at `price`; `fee` is a fraction."""
    paid = abs(quantity) * price * fee
    cash = book.cash - quantity * price - paid
    return Book(cash, quantity, price, stop, target, paid, price, price, bar, book.trades)


@njit(inline=True)
def see(book: Book, favourable: float, adverse: float) -> Book:
    """Return the book with the extremes since entry widened (which is high depends on the side)."""
    # Plain comparisons: Numba's min and max look for NaN first, and this is the hottest line of a run.
    best, worst = book.best, book.worst
    if book.quantity > 0.0:
        best = favourable if favourable > best else best  # noqa: FURB136
        worst = adverse if adverse < worst else worst  # noqa: FURB136
    else:
        best = favourable if favourable < best else best  # noqa: FURB136
        worst = adverse if adverse > worst else worst  # noqa: FURB136
    return Book(
        book.cash, book.quantity, book.entry_price, book.stop, book.target, book.fees, best, worst,
        book.entry_bar, book.trades,
    )  # fmt: skip


@njit
def close_position(book: Book, bar: int, price: float, fee: float, reason: int, ts: Any, trades: Any) -> Book:
    """Return the book after the fill that closes the position, and write the round trip to `trades`.

    `pnl` is net of both fees. `mae` and `mfe` are the largest adverse and favourable excursions between the
    two fills as fractions of the entry price, never negative.
    """
    side = LONG if book.quantity > 0.0 else SHORT
    amount = abs(book.quantity)
    paid = amount * price * fee
    fees = book.fees + paid
    trade = trades[book.trades]
    trade["side"] = side
    trade["entry_bar"] = book.entry_bar
    trade["exit_bar"] = bar
    trade["entry_time"] = ts[book.entry_bar]
    trade["exit_time"] = ts[bar]
    trade["entry_price"] = book.entry_price
    trade["exit_price"] = price
    trade["quantity"] = amount
    trade["fees"] = fees
    trade["pnl"] = side * amount * (price - book.entry_price) - fees
    trade["mae"] = max(0.0, side * (book.entry_price - book.worst) / book.entry_price)
    trade["mfe"] = max(0.0, side * (book.best - book.entry_price) / book.entry_price)
    trade["exit_reason"] = reason
    cash = book.cash + book.quantity * price - paid
    nothing = np.nan
    return Book(cash, 0.0, 0.0, nothing, nothing, 0.0, 0.0, 0.0, -1, book.trades + 1)
