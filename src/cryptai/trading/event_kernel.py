"""The kernel of a search: conditions as bits, and a run that steps from one event to the next.

It gives what `cryptai.trading.kernel.simulate` gives, to the last bit, because the same functions fill the
orders, fold the book and mark its value; only bars at which nothing can happen are not looked at one by one:

-   While the book is flat the next event is an entry's row: a bit of a mask.
-   While a position is open it is the exit's row, or the first bar whose low or high reaches the bracket.
    Blocks of bars whose extremes do not reach it are passed over.
-   A mark changes peak and drawdown only where equity leaves the range between floor and peak. Equity rises
    and falls with the close, rounding included, so the extremes of a block's closes say whether it does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from cryptai.jit import njit
from cryptai.ledger.book import END, LONG, NO_EXIT, SHORT, TRADE, Book, Exit, Mark, Order
from cryptai.ledger.fold import close_position, empty_book, first_mark, record
from cryptai.portfolio.rules import Rules
from cryptai.signals import EXIT_LONG, EXIT_SHORT
from cryptai.trading.costs import Costs
from cryptai.trading.kernel import mark, match_inside, match_open
from cryptai.trading.masks import compare, condition, next_row, only_new, overlap
from cryptai.trading.tally import STACK, tally

# Bars of a block whose extremes are known.
BLOCK = 16
_SHIFT = 4


@njit
def held(
    book: Book, value: Mark, close: Any, high: Any, low: Any, low_min: Any, high_max: Any, close_min: Any,
    close_max: Any, bar: int, end: int,
) -> tuple[int, Mark]:  # fmt: skip
    """Hold a position to the first bar that reaches its bracket, or to `end`; mark the closes before it."""
    long = book.quantity > 0.0
    under, over = (book.stop, book.target) if long else (book.target, book.stop)
    while bar < end:
        if bar % BLOCK == 0 and bar + BLOCK <= end:
            block = bar >> _SHIFT
            if not (low_min[block] <= under or high_max[block] >= over):
                best, worst = close_max[block], close_min[block]
                if not long:
                    best, worst = worst, best
                most, least = book.cash + book.quantity * best, book.cash + book.quantity * worst
                if least >= value.floor and (
                    most <= value.peak or least >= most * (1.0 - value.max_drawdown)
                ):
                    # No new peak; or some, with no fall that counts behind any of them: the last one stays.
                    if most > value.peak:
                        value = mark(value, book, 0, best)
                    bar += BLOCK
                    continue
                for t in range(bar, bar + BLOCK):
                    value = mark(value, book, 0, close[t])
                bar += BLOCK
                continue
        if low[bar] <= under or high[bar] >= over:
            return bar, value
        value = mark(value, book, 0, close[bar])
        bar += 1
    return end, value


@njit
def days_until(daily: Any, day: int, day_last: Any, end: int, book: Book, close: Any) -> int:
    """Write the equity of the days whose last bar comes before `end`; return the next day."""
    while day < len(day_last) and day_last[day] < end:
        daily[day] = book.cash + book.quantity * close[day_last[day]]
        day += 1
    return day


@njit
def run(  # noqa: C901, PLR0912 (one loop: each event of a run in its turn)
    ts: Any, open_: Any, high: Any, low: Any, close: Any, low_min: Any, high_max: Any, close_min: Any,
    close_max: Any, day_last: Any, words: Any, width: int, has: int, first: int, rules: Rules, costs: Costs,
    capital: float, close_at_end: bool, trades: Any, daily: Any,
) -> tuple[Book, Mark]:  # fmt: skip
    """Run the bars by the four conditions of `words` (long, exit long, short, exit short); fill `daily`.

    `has` has a bit for each of the four that there is; their rows begin `first` rows before the bars.
    `trades` receives the round trips.
    """
    n = len(ts)
    book, value = empty_book(capital), first_mark(capital)
    next_long = next_short = leave_long = leave_short = -1
    row = bar = day = 0  # the next row to decide, the next bar to mark, the next day to write
    while True:
        if next_long < row:
            next_long = next_row(words, 0, row + first, n + first) - first if has & 1 else n
        if next_short < row:
            next_short = next_row(words, 2 * width, row + first, n + first) - first if has & 4 else n
        entry = min(next_long, next_short) + 1
        if entry >= n:
            break
        side = LONG if next_long < next_short else SHORT
        if entry > bar:
            # Flat, so that one close is as good as all.
            value = mark(value, book, 0, close[bar])
            day = days_until(daily, day, day_last, entry, book, close)
        row = bar = entry
        book, left = match_open(book, Order(0, side), entry, open_[entry], rules, costs)
        if book.quantity == 0.0:
            continue
        if side == LONG and leave_long < entry:
            leave_long = next_row(words, width, entry + first, n + first) - first if has & 2 else n
        if side == SHORT and leave_short < entry:
            leave_short = next_row(words, 3 * width, entry + first, n + first) - first if has & 8 else n
        leave = leave_long if side == LONG else leave_short
        end = min(leave + 1, n)
        # The last bar ends a position at its close: it is looked at by itself.
        until = min(end, n - 1) if close_at_end else end
        at, value = held(
            book, value, close, high, low, low_min, high_max, close_min, close_max, entry, until
        )  # fmt: skip
        day = days_until(daily, day, day_last, at, book, close)
        bar = at
        if at == n:
            break
        was = book
        if at < until or end == n:
            book, left = match_inside(book, open_[at], high[at], low[at], costs)
            row = at
            if left.reason == NO_EXIT:
                left = Exit(close[at] * (1.0 - side * costs.slippage), END)
                book = close_position(book, left.price, costs.fee)
        else:
            exits = EXIT_LONG if side == LONG else EXIT_SHORT
            book, left = match_open(book, Order(exits, 0), at, open_[at], rules, costs)
            row = leave
        record(trades, ts, was, at, left, costs.fee)
    if bar < n:
        value = mark(value, book, 0, close[n - 1])
        days_until(daily, day, day_last, n, book, close)
    return book, value


def sweep_entry(
    n: int, ts: Any, open_: Any, high: Any, low: Any, close: Any, low_min: Any, high_max: Any, close_min: Any,
    close_max: Any, days: int, day_last: Any, rows: int, first: int, lines: Any, slots: int, pairs: Any,
    pair_count: int, terms: Any, term_count: int, sets: int, words: Any, four: Any, settings: Any,
    close_at_end: int, trades: Any, room: int, scratch: Any, daily: Any, out: Any,
) -> int:  # fmt: skip
    """Run sets of conditions on addresses: the door through which machine code is called.

    `rows` are the lines' rows, of which the last `n` are the bars. `terms` begins with five numbers a set:
    where each of its four conditions begins, and where the last one ends. Without pairs, `four` holds the one
    set's conditions already. `out` receives fourteen numbers a set, `daily` `days`; returns the trades kept.
    Where a row says long and short at once, the set's first number is -1.
    """
    width = (rows + 63) >> 6
    pair_of, term_of = carray(pairs, 3 * pair_count, np.int64), carray(terms, term_count, np.int64)
    bits, ready = carray(words, 2 * width * pair_count, np.uint64), carray(four, 4 * width, np.uint64)
    s = carray(settings, 7, np.float64)
    rules, costs = Rules(s[1], s[2], s[3], s[4]), Costs(s[5], s[6])
    records, sums = carray(trades, room, TRADE), carray(scratch, 5 * room + STACK, np.float64)
    found, equity = carray(out, 14 * sets, np.float64), carray(daily, days * sets, np.float64)
    blocks = (n + BLOCK - 1) // BLOCK
    compare(carray(lines, slots * rows, np.float64), rows, pair_of, bits, width)
    count = 0
    for k in range(sets):
        has, states = 0, 0
        if pair_count == 0:
            has = states = 15
        for c in range(4):
            if pair_count > 0:
                begin, end = term_of[5 * k + c], term_of[5 * k + c + 1]
                if end > begin:
                    has |= 1 << c
                if condition(bits, width, pair_of, term_of[begin:end], ready, c * width):
                    states |= 1 << c
        one = found[14 * k : 14 * k + 14]
        if has & 5 == 5 and overlap(ready, 2 * width, width):
            one[0] = -1.0
            continue
        for c in range(0, 4, 2):
            if states & (1 << c):
                only_new(ready, c * width, width, first)
        book, value = run(
            carray(ts, n, np.int64), carray(open_, n, np.float64), carray(high, n, np.float64),
            carray(low, n, np.float64), carray(close, n, np.float64), carray(low_min, blocks, np.float64),
            carray(high_max, blocks, np.float64), carray(close_min, blocks, np.float64),
            carray(close_max, blocks, np.float64), carray(day_last, days, np.int64), ready, width, has, first,
            rules, costs, s[0], close_at_end != 0, records, equity[days * k : days * k + days],
        )  # fmt: skip
        tally(records, book.trades, sums[: 5 * room], sums[5 * room :], one)
        one[11], one[12], one[13] = value.max_drawdown, equity[days * k + days - 1], value.peak
        count = book.trades
    return count
