"""Folding fills into a book: the only place where cash and positions change."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryptai.jit import njit
from cryptai.ledger.book import LONG, MARKET, SHORT, Book, Exit, Mark


@njit(inline=True)
def empty_book(capital: float) -> Book:
    """Return a book that holds the capital and no position."""
    return Book(capital, 0.0, 0.0, np.nan, np.nan, 0.0, -1, 0)


@njit(inline=True)
def first_mark(capital: float) -> Mark:
    """Return the value of that book before the first bar."""
    return Mark(capital, capital, capital, 0.0, -(1 << 62), 0)


@njit(inline=True)
def settle(cash: float, quantity: float, price: float, fee: float) -> float:
    """Return the cash after a fill of `quantity` (signed: bought above zero); `fee` is a fraction."""
    return cash - quantity * price - abs(quantity) * price * fee


@njit(inline=True)
def open_position(
    book: Book, bar: int, quantity: float, price: float, fee: float, stop: float, target: float
) -> Book:
    """Return the book after the fill that opens `quantity` (signed) at `price`; `fee` is a fraction."""
    paid = abs(quantity) * price * fee
    return Book(
        settle(book.cash, quantity, price, fee), quantity, price, stop, target, paid, bar, book.trades
    )


@njit(inline=True)
def close_position(book: Book, price: float, fee: float) -> Book:
    """Return the book after the fill that closes the position at `price`."""
    return Book(
        settle(book.cash, -book.quantity, price, fee), 0.0, 0.0, np.nan, np.nan, 0.0, -1, book.trades + 1
    )


@njit
def record(
    trades: Any, ts: Any, book: Book, bar: int, exit_: Exit, fee: float, undecided: bool = False
) -> None:
    """Write the round trip that ends with `exit_`; `book` is that of just before it. `pnl` is net of fees."""
    trade = trades[book.trades]
    write(trade, book, ts[book.entry_bar], bar, ts[bar], exit_, fee, 0.0)
    trade["market"] = 0
    trade["entry_kind"] = MARKET
    trade["undecided"] = 1 if undecided else 0


@njit(inline=True)
def write(
    trade: Any, book: Book, entry_time: int, bar: int, time: int, exit_: Exit, fee: float, funding: float
) -> float:
    """Write what a trade earned; return its `pnl`, net of fees and of `funding` paid.

    `book` holds the part that leaves, with its part of the entry's fees.
    """
    side = LONG if book.quantity > 0.0 else SHORT
    amount = abs(book.quantity)
    fees = book.fees + amount * exit_.price * fee
    pnl = side * amount * (exit_.price - book.entry_price) - fees - funding
    trade["side"] = side
    trade["entry_bar"] = book.entry_bar
    trade["exit_bar"] = bar
    trade["entry_time"] = entry_time
    trade["exit_time"] = time
    trade["entry_price"] = book.entry_price
    trade["exit_price"] = exit_.price
    trade["quantity"] = amount
    trade["fees"] = fees
    trade["pnl"] = pnl
    trade["funding"] = funding
    trade["exit_reason"] = exit_.reason
    return pnl
