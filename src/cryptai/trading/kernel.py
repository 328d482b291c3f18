"""The kernel: `decide → match → apply`, and the loop over them.

The order of events, written once. For each stored bar *t*, whatever hole lies before it:

1.  **At the open** (`match_open`): what was decided at the close of bar *t* - 1 fills. A signal's exit
    comes first, then an entry if the book is flat. Both are market orders: slippage is against us.
    Stop and target are measured from the entry's fill price.
2.  **Inside the bar** (`match_inside`): the bracket, from the entry bar on. If the open lies beyond the stop
    or the target already, that order fills at the open; else a touched level fills at the level. If the
    bar reaches both, the stop came first. A stop is a market order once touched (slippage against us);
    a target is a limit order (none). Shorts mirror this.
3.  **At the close** (`mark`): the book is valued, the peak and the drawdown follow, the day's last equity
    is kept.
4.  **At the close** (`decide`): the strategy's row *t* becomes the order for the next open. An entry
    is taken when it is new: a row that says the same as the row before it is the same cross, not another
    one. The first row of the range is new. An entry while a position is open is not taken, unless the
    same row also leaves that position.

A position left at the end of the range closes at the last close, with slippage and fee, reason `end`.

Each fill is applied by folding it into the book (`cryptai.ledger.fold`): a book is a value, and folding
gives a new one. Slippage and fee are fractions of price and value: a buy fills at `price × (1 + slippage)`,
a sale at `price × (1 - slippage)`, and each pays `fee` on what was traded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from cryptai.jit import njit
from cryptai.ledger.book import (
    END,
    LONG,
    NO_EXIT,
    SHORT,
    SIGNAL,
    STOP,
    TARGET,
    TRADE,
    Book,
    Exit,
    Mark,
    Order,
)
from cryptai.ledger.fold import close_position, empty_book, first_mark, open_position, record
from cryptai.portfolio.rules import Rules
from cryptai.portfolio.sizing import quantity
from cryptai.signals import EXIT_LONG, EXIT_SHORT
from cryptai.trading.costs import Costs
from cryptai.trading.memory import fetch

_DAY_MS = 86_400_000
# Rows in a line of the processor's cache, and how many ahead prices are asked for.
_LINE = 8
_AHEAD = 64
# The rules and costs that this loop does not know: constants, which machine code drops.
_OFF = tuple(Rules())[4:]
_FREE = tuple(Costs())[2:]


@njit(inline=True)
def decide(entry: int, entry_before: int, exits: int) -> Order:
    """Turn the strategy's row (`entry` side, that of the row before it, `exits` bits) into an order."""
    return Order(exits, entry if entry != entry_before else 0)


@njit(inline=True)
def match_open(
    book: Book, order: Order, bar: int, open_: float, rules: Rules, costs: Costs
) -> tuple[Book, Exit]:
    """Fill the order at the open: leave first, then enter. Return the book after it, and what was left."""
    left = Exit(0.0, NO_EXIT)
    if order.exits != 0 and book.quantity != 0.0:
        side = LONG if book.quantity > 0.0 else SHORT
        if order.exits & (EXIT_LONG if side == LONG else EXIT_SHORT):
            left = Exit(open_ * (1.0 - side * costs.slippage), SIGNAL)
            book = close_position(book, left.price, costs.fee)
    if order.side != 0 and book.quantity == 0.0:
        price = open_ * (1.0 + order.side * costs.slippage)
        amount = quantity(book.cash, price, costs.fee, rules)
        if amount > 0.0:
            stop = price - order.side * (price * rules.stop)
            target = price + order.side * (price * rules.target)
            book = open_position(book, bar, order.side * amount, price, costs.fee, stop, target)
    return book, left


@njit(inline=True)
def match_inside(book: Book, open_: float, high: float, low: float, costs: Costs) -> tuple[Book, Exit]:
    """Let the bar reach the bracket, the stop first. Return the book after it, and what was left."""
    left = Exit(0.0, NO_EXIT)
    if book.quantity > 0.0:
        if low <= book.stop:
            left = Exit(min(open_, book.stop) * (1.0 - costs.slippage), STOP)
        elif high >= book.target:
            left = Exit(max(open_, book.target), TARGET)
    elif book.quantity < 0.0:
        if high >= book.stop:
            left = Exit(max(open_, book.stop) * (1.0 + costs.slippage), STOP)
        elif low <= book.target:
            left = Exit(min(open_, book.target), TARGET)
    if left.reason != NO_EXIT:
        book = close_position(book, left.price, costs.fee)
    return book, left


@njit(inline=True)
def chosen(book: Book, left: Exit, open_: float, high: float, low: float) -> bool:
    """Say whether the rule alone put a stop before the target: both were reached after the open."""
    if left.reason != STOP:
        return False
    if book.quantity > 0.0:
        return high >= book.target and open_ > book.stop
    return low <= book.target and open_ < book.stop


@njit(inline=True)
def mark(value: Mark, book: Book, ts: int, close: float) -> Mark:
    """Value the book at a close; `days` counts the UTC days that have bars."""
    return follow(value, book.cash + book.quantity * close, ts)


@njit(inline=True)
def follow(value: Mark, equity: float, ts: int) -> Mark:
    """Let peak, drawdown and days follow the equity at a close."""
    day_end, days = value.day_end, value.days
    if ts >= day_end:
        days += 1
        day_end = (ts // _DAY_MS + 1) * _DAY_MS
    if equity > value.peak:
        return Mark(equity, equity, equity * (1.0 - value.max_drawdown), value.max_drawdown, day_end, days)
    if equity < value.floor:
        return Mark(equity, value.peak, equity, 1.0 - equity / value.peak, day_end, days)
    return Mark(equity, value.peak, value.floor, value.max_drawdown, day_end, days)


@njit
def first_from(ts: Any, row: int, moment: int) -> int:
    """Return the first row from `row` on that is not before a moment; by ever longer steps, then halves."""
    n, step = len(ts), 1
    while row + step < n and ts[row + step] < moment:
        row, step = row + step, 2 * step
    end = min(row + step, n)
    while row < end:
        middle = (row + end) // 2
        if ts[middle] < moment:
            row = middle + 1
        else:
            end = middle
    return row


@njit
def next_entry(entry: Any, row: int, end: int) -> int:
    """Return the first row from `row` on whose entry is new, or `end`."""
    before: Any = np.int64(entry[row - 1]) if row > 0 else np.int64(0)
    while row < end:
        here: Any = np.int64(entry[row])
        if here not in (0, before):
            return row
        before = here
        row += 1
    return end


@njit
def next_exit(exits: Any, row: int, bit: int, end: int) -> int:
    """Return the first row from `row` on that has a bit of the exits, or `end`."""
    while row < end and np.int64(exits[row]) & bit == 0:
        row += 1
    return row


@njit(inline=True)
def ask_ahead(open_: Any, high: Any, low: Any, close: Any, bar: int) -> None:
    """Ask for the prices that may be read some rows on: what is passed over is not seen coming."""
    fetch(open_.ctypes.data, bar + _AHEAD)
    fetch(high.ctypes.data, bar + _AHEAD)
    fetch(low.ctypes.data, bar + _AHEAD)
    fetch(close.ctypes.data, bar + _AHEAD)


@njit
def pass_over(
    book: Book, value: Mark, ts: Any, open_: Any, high: Any, low: Any, close: Any, entry: Any, exits: Any,
    equity: Any, t: int, end: int,
) -> tuple[int, Mark, float]:  # fmt: skip
    """Mark the bars from `t` on at which nothing can happen, up to `end`; return the first that is left.

    Those are, of a flat book, the bars up to the row that enters; of a position those up to the row that
    leaves it, or to the bar that reaches its bracket. What such a row decides fills at the bar after it. Also
    returned are the value after them and the sum of their equity.
    """
    row, total = t - 1, 0.0
    if book.quantity == 0.0:
        quiet = min(next_entry(entry, row, end) + 1, end)
        for bar in range(t, quiet):
            if bar % _LINE == 0:
                ask_ahead(open_, high, low, close, bar)
            equity[bar] = value.equity
        return max(t, quiet), value, max(quiet - t, 0) * value.equity
    quiet = min(next_exit(exits, row, EXIT_LONG if book.quantity > 0.0 else EXIT_SHORT, end) + 1, end)
    # The times that a trade's record needs are a column of which nothing else is read.
    fetch(ts.ctypes.data, row)
    fetch(ts.ctypes.data, quiet)
    under, over = (book.stop, book.target) if book.quantity > 0.0 else (book.target, book.stop)
    while t < quiet and not (low[t] <= under or high[t] >= over):
        if t % _LINE == 0:
            ask_ahead(open_, high, low, close, t)
        value = follow(value, book.cash + book.quantity * close[t], value.day_end - 1)
        equity[t] = value.equity
        total += value.equity
        t += 1
    return t, value, total


@njit
def simulate(
    ts: Any, open_: Any, high: Any, low: Any, close: Any, entry: Any, exits: Any,
    rules: Rules, costs: Costs, book: Book, value: Mark, equity: Any, daily: Any, trades: Any,
    close_at_end: bool,
) -> tuple[Book, Mark, Order, float]:  # fmt: skip
    """Run the bars through the four; fill `equity`, `daily` (last equity of each UTC day) and `trades`.

    Bars at which nothing can happen are passed over, up to the one that begins the next UTC day.

    The last of what is returned is the sum of the equity, which is finite where every row of it is.
    """
    order = Order(0, 0)
    n, turn, total, t = len(ts), 0, 0.0, 0
    while t < n:
        # Arrays stay out of the functions above: values in registers are what makes this loop fast.
        was = book
        book, left = match_open(book, order, t, open_[t], rules, costs)
        if left.reason != NO_EXIT:
            record(trades, ts, was, t, left, costs.fee)
        was = book
        book, left = match_inside(book, open_[t], high[t], low[t], costs)
        if left.reason != NO_EXIT:
            record(trades, ts, was, t, left, costs.fee, chosen(was, left, open_[t], high[t], low[t]))
        if close_at_end and t == n - 1 and book.quantity != 0.0:
            side = LONG if book.quantity > 0.0 else SHORT
            left = Exit(close[t] * (1.0 - side * costs.slippage), END)
            record(trades, ts, book, t, left, costs.fee)
            book = close_position(book, left.price, costs.fee)
        days, last = value.days, value.equity
        # Times are a column less to read where only the bar at which a day begins is looked at.
        value = mark(value, book, ts[t] if t == turn else value.day_end - 1, close[t])
        if t == turn:
            turn = first_from(ts, t + 1, value.day_end)
            if days > 0:
                daily[days - 1] = last
        equity[t] = value.equity
        total += value.equity
        t += 1
        # The next bar at which something can happen; before it the book stays as it is.
        t, value, passed = pass_over(
            book, value, ts, open_, high, low, close, entry, exits, equity, t,
            n - 1 if close_at_end and turn == n else turn,
        )  # fmt: skip
        total += passed
        before = np.int64(entry[t - 2]) if t > 1 else np.int64(0)
        order = decide(np.int64(entry[t - 1]), before, np.int64(exits[t - 1]))  # type: ignore[arg-type]
    if n > 0:
        daily[value.days - 1] = value.equity
    return book, value, order, total


def simulate_entry(
    n: int, ts: Any, open_: Any, high: Any, low: Any, close: Any, entry: Any, exits: Any,
    settings: Any, equity: Any, daily: Any, days: int, trades: Any, room: int, close_at_end: int, end: Any,
) -> int:  # fmt: skip
    """Run `simulate` on addresses: the door through which machine code is called (see `cryptai.jit`).

    `settings` holds capital, the four rules and the two costs; `end` receives the final book, mark and order,
    and the sum of the equity.
    """
    s = carray(settings, 7, np.float64)
    book, value = empty_book(s[0]), first_mark(s[0])
    book, value, order, total = simulate(
        carray(ts, n, np.int64), carray(open_, n, np.float64), carray(high, n, np.float64),
        carray(low, n, np.float64), carray(close, n, np.float64), carray(entry, n, np.int8),
        carray(exits, n, np.int8), Rules(s[1], s[2], s[3], s[4], *_OFF), Costs(s[5], s[6], *_FREE),
        book, value, carray(equity, n, np.float64), carray(daily, days, np.float64),
        carray(trades, room, TRADE), close_at_end != 0,
    )  # fmt: skip
    out = carray(end, 13, np.float64)
    out[0], out[1], out[2], out[3] = book.cash, book.quantity, book.entry_price, book.stop
    out[4], out[5], out[6], out[7] = book.target, book.fees, book.entry_bar, book.trades
    out[8], out[9], out[10], out[11] = value.max_drawdown, value.days, order.side, order.exits
    out[12] = total
    return book.trades
