"""The kernel: `decide → match → apply`, and the loop over them.

The order of events, written once. For each stored bar *t*, whatever hole lies before it:

1.  **At the open** (`match`): what was decided at the close of bar *t* - 1 fills. A signal's exit
    comes first, then an entry if the book is flat. Both are market orders: slippage is against us.
    Stop and target are measured from the entry's fill price.
2.  **Inside the bar** (`match`): the bracket, from the entry bar on. If the open lies beyond the stop or
    the target already, that order fills at the open; else a touched level fills at the level. If the bar
    reaches both, the stop came first. A stop is a market order once touched (slippage
    against us); a target is a limit order (none). Shorts mirror this.
3.  **At the close** (`mark`): the book is valued, the peak and the drawdown follow, the day's last equity
    is kept.
4.  **At the close** (`decide`): the strategy's row *t* becomes the order for the next open. An entry
    is taken when it is new: a row that says the same as the row before it is the same cross, not another
    one. The first row of the range is new. An entry while a position is open is not taken, unless the
    same row also leaves that position.

A position left at the end of the range closes at the last close, with slippage and fee, reason `end`.

Slippage and fee are fractions of price and value: a buy fills at `price × (1 + slippage)`, a sale at
`price × (1 - slippage)`, and each pays `fee` on what was traded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from cryptai.jit import njit
from cryptai.ledger.book import (
    END,
    LONG,
    SHORT,
    SIGNAL,
    STOP,
    TARGET,
    TRADE,
    Book,
    Mark,
    Order,
)
from cryptai.ledger.fold import close_position, open_position, see
from cryptai.portfolio.rules import Rules
from cryptai.portfolio.sizing import quantity
from cryptai.signals import EXIT_LONG, EXIT_SHORT
from cryptai.trading.costs import Costs

_DAY_MS = 86_400_000


@njit(inline=True)
def decide(entry: int, entry_before: int, exits: int) -> Order:
    """Turn the strategy's row (`entry` side, that of the row before it, `exits` bits) into an order."""
    return Order(exits, entry if entry != entry_before else 0)


@njit(inline=True)
def match(  # noqa: C901, PLR0911 (the order of events stands in one place)
    book: Book, order: Order, bar: int, ts: Any, open_: float, high: float, low: float,
    rules: Rules, costs: Costs, trades: Any,
) -> Book:  # fmt: skip
    """Let the market answer during one bar: the order at the open, then the bracket inside it."""
    if order.exits != 0 and book.quantity != 0.0:
        side = LONG if book.quantity > 0.0 else SHORT
        if order.exits & (EXIT_LONG if side == LONG else EXIT_SHORT):
            price = open_ * (1.0 - side * costs.slippage)
            book = close_position(see(book, open_, open_), bar, price, costs.fee, SIGNAL, ts, trades)
    if order.side != 0 and book.quantity == 0.0:
        price = open_ * (1.0 + order.side * costs.slippage)
        amount = quantity(book.cash, price, costs.fee, rules)
        if amount > 0.0:
            stop = price * (1.0 - order.side * rules.stop)
            target = price * (1.0 + order.side * rules.target)
            book = open_position(book, bar, order.side * amount, price, costs.fee, stop, target)
    if book.quantity > 0.0:
        if low <= book.stop:
            return _leave(book, bar, ts, open_, min(open_, book.stop), STOP, costs, trades)
        if high >= book.target:
            return _leave(
                see(book, open_, low), bar, ts, open_, max(open_, book.target), TARGET, costs, trades
            )
        return see(book, high, low)
    if book.quantity < 0.0:
        if high >= book.stop:
            return _leave(book, bar, ts, open_, max(open_, book.stop), STOP, costs, trades)
        if low <= book.target:
            return _leave(
                see(book, open_, high), bar, ts, open_, min(open_, book.target), TARGET, costs, trades
            )
        return see(book, low, high)
    return book


@njit
def _leave(
    book: Book, bar: int, ts: Any, open_: float, level: float, reason: int, costs: Costs, trades: Any
) -> Book:
    # What is certain to have traded before the exit: the open, unless the entry came after it, and the level.
    if book.entry_bar != bar:
        book = see(book, open_, open_)
    book = see(book, level, level)
    side = LONG if book.quantity > 0.0 else SHORT
    price = level if reason == TARGET else level * (1.0 - side * costs.slippage)
    return close_position(book, bar, price, costs.fee, reason, ts, trades)


@njit(inline=True)
def mark(mark: Mark, book: Book, ts: int, close: float, daily: Any) -> Mark:
    """Value the book at a close. `daily[k]` becomes the last equity of the k-th UTC day that has bars."""
    day_end, days = mark.day_end, mark.days
    if ts >= day_end:
        if days > 0:
            daily[days - 1] = mark.equity
        days += 1
        day_end = (ts // _DAY_MS + 1) * _DAY_MS
    equity = book.cash + book.quantity * close
    if equity > mark.peak:
        return Mark(equity, equity, equity * (1.0 - mark.max_drawdown), mark.max_drawdown, day_end, days)
    if equity < mark.floor:
        return Mark(equity, mark.peak, equity, 1.0 - equity / mark.peak, day_end, days)
    return Mark(equity, mark.peak, mark.floor, mark.max_drawdown, day_end, days)


@njit
def simulate(
    ts: Any, open_: Any, high: Any, low: Any, close: Any, entry: Any, exits: Any,
    rules: Rules, costs: Costs, book: Book, value: Mark, equity: Any, daily: Any, trades: Any,
    close_at_end: bool,
) -> tuple[Book, Mark, Order]:  # fmt: skip
    """Run the bars through `match`, `mark` and `decide`; fill `equity`, `daily` and `trades` in place."""
    order = Order(0, 0)
    before: Any = 0
    n = len(ts)
    for t in range(n):
        book = match(book, order, t, ts, open_[t], high[t], low[t], rules, costs, trades)
        if close_at_end and t == n - 1 and book.quantity != 0.0:
            side = LONG if book.quantity > 0.0 else SHORT
            price = close[t] * (1.0 - side * costs.slippage)
            book = close_position(book, t, price, costs.fee, END, ts, trades)
        value = mark(value, book, ts[t], close[t], daily)
        equity[t] = value.equity
        now: Any = np.int64(entry[t])
        order = decide(now, before, np.int64(exits[t]))  # type: ignore[arg-type]
        before = now
    if n > 0:
        daily[value.days - 1] = value.equity
    return book, value, order


def simulate_entry(
    n: int, ts: Any, open_: Any, high: Any, low: Any, close: Any, entry: Any, exits: Any,
    settings: Any, equity: Any, daily: Any, days: int, trades: Any, room: int, close_at_end: int, end: Any,
) -> int:  # fmt: skip
    """Run `simulate` on addresses: the door through which machine code is called (see `cryptai.jit`).

    `settings` holds capital, the four rules and the two costs; `end` receives the final book, mark and order.
    """
    s = carray(settings, 7, np.float64)
    book = Book(s[0], 0.0, 0.0, np.nan, np.nan, 0.0, 0.0, 0.0, -1, 0)
    value = Mark(s[0], s[0], s[0], 0.0, -(1 << 62), 0)
    book, value, order = simulate(
        carray(ts, n, np.int64), carray(open_, n, np.float64), carray(high, n, np.float64),
        carray(low, n, np.float64), carray(close, n, np.float64), carray(entry, n, np.int8),
        carray(exits, n, np.int8), Rules(s[1], s[2], s[3], s[4]), Costs(s[5], s[6]), book, value,
        carray(equity, n, np.float64), carray(daily, days, np.float64), carray(trades, room, TRADE),
        close_at_end != 0,
    )  # fmt: skip
    out = carray(end, 14, np.float64)
    out[0], out[1], out[2], out[3], out[4] = (
        book.cash,
        book.quantity,
        book.entry_price,
        book.stop,
        book.target,
    )
    out[5], out[6], out[7], out[8], out[9] = book.fees, book.best, book.worst, book.entry_bar, book.trades
    out[10], out[11], out[12], out[13] = value.max_drawdown, value.days, order.side, order.exits
    return book.trades
