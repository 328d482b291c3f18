"""The loop over many markets on one clock: all rules of docs/guide/execution.md, in its order.

It advances the state of `cryptai.ledger.state` over the clock's steps, one or a million: a session calls it
for each step, with the rows just before it, and gets the bytes that a backtest gets.

A market costs nothing while it has neither a position nor an order: what it says next is read ahead, and it
sleeps until the open at which that fills (`wake`). Only those that are up are looked at.
"""

from __future__ import annotations

import math
from typing import Any

from numba import carray  # type: ignore[attr-defined]

from cryptai.jit import njit
from cryptai.ledger.book import END, Mark
from cryptai.portfolio.limits import protect
from cryptai.trading.calm import ask_ahead, calm, may_be_calm, pass_calm, speaks_of_positions
from cryptai.trading.columns import account_of, column_at, market_at, terms_of
from cryptai.trading.fills import valued
from cryptai.trading.inside import pass_inside
from cryptai.trading.kernel import follow
from cryptai.trading.memory import put_real, put_whole, real, whole
from cryptai.trading.moments import carry, enter_all, leave_all, leave_at_market
from cryptai.trading.reading import next_time, read_row
from cryptai.trading.tables import RUN

_LONG_AGO = -(1 << 62)


@njit
def advance(run: Any) -> None:
    """Take the run (`RUN`) through the steps of its clock."""
    account = account_of(run)
    _wake_all(run)
    value = Mark(
        account["equity"], account["peak"], account["floor"], account["max_drawdown"], account["day_end"],
        account["days"],
    )  # fmt: skip
    for k in range(run["clocks"]):
        now = whole(run["clock"], k)
        up, rest = _look(run, now)
        if up > 0:
            step(run, now, up)
        for i in range(rest, run["count"]):
            # Their closes are known only now: what was sized above knew those before.
            m = whole(run["due"], i)
            put_whole(run["wake"], m, pass_calm(run, m))
        worth = valued(run)
        if now >= value.day_end:
            account["day_start"] = value.equity
            if 0 < value.days <= run["days"]:
                put_real(run["daily"], value.days - 1, value.equity)
        value = follow(value, worth, now)
        put_real(run["equity"], k, worth)
        account["equity"], account["peak"] = worth, value.peak
        protect(account, terms_of(run), _first_stop(run), now)
        account["step"] += 1
    if 0 < value.days <= run["days"]:
        put_real(run["daily"], value.days - 1, value.equity)
    account["floor"], account["max_drawdown"] = value.floor, value.max_drawdown
    account["day_end"], account["days"] = value.day_end, value.days


@njit
def _look(run: Any, now: int) -> tuple[int, int]:
    # Put the markets that are up into `due`: those with something to do from the front, those whose bar is
    # calm from the back. Return how many the first are, and where the last begin.
    # What the loop needs of the record is read once: it cannot know that nothing is written there.
    count, wake, due, calms = run["count"], run["wake"], run["due"], run["calms"] != 0
    woken, found = run["ranked"], 0
    for m in range(count):
        # Without a branch: which market is up is not to be foreseen, and most are not.
        put_whole(woken, found, m)
        found += 1 if whole(wake, m) == now else 0
    up, rest = 0, count
    for i in range(found):
        m = whole(woken, i)
        if calms and calm(run, m):
            rest -= 1
            put_whole(due, rest, m)
        else:
            put_whole(due, up, m)
            up += 1
    return up, rest


@njit
def _wake_all(run: Any) -> None:
    account = account_of(run)
    account["open"] = 0
    run["carries"] = 1 if terms_of(run)["borrow"] > 0.0 else 0
    run["weighs"] = 0
    for m in range(run["count"]):
        column, market = column_at(run["columns"], m), market_at(run["markets"], m)
        market["row"], market["funded"] = column["first"], 0
        put_whole(run["wake"], m, next_time(run, m))
        if column["fundings"] != 0:
            run["carries"] = 1
        if column["weight"] != 0:
            run["weighs"] = 1
        column["speaks"] = 1 if speaks_of_positions(column) else 0
        if market["quantity"] != 0.0:
            put_whole(run["held"], account["open"], m)
            account["open"] += 1
    run["calms"] = 1 if may_be_calm(run) else 0


@njit
def _first_stop(run: Any) -> int:
    # The step of the first of the last exits by a stop that the guard counts.
    stops = account_of(run)["stops"]
    if run["places"] == 0 or stops < run["places"]:
        return _LONG_AGO
    return whole(run["stops"], stops % run["places"])  # type: ignore[no-any-return]


@njit
def step(run: Any, now: int, up: int) -> None:
    """Take the markets that are up through one time of the clock, all but its valuation."""
    terms = terms_of(run)
    if run["carries"] != 0:
        for i in range(up):
            carry(run, whole(run["due"], i), now)
    leave_all(run, now, up, False)
    enter_all(run, now, up, False)
    for i in range(up):
        pass_inside(run, whole(run["due"], i), now)
    for i in range(up):
        m = whole(run["due"], i)
        market = market_at(run["markets"], m)
        if market["quantity"] != 0.0:
            market["close"] = real(column_at(run["columns"], m)["close"], market["row"])
        read_row(run, m, now)
    if terms["at_close"] != 0:
        leave_all(run, now, up, True)
        enter_all(run, now, up, True)
    for i in range(up):
        _end_bar(run, whole(run["due"], i), now)


@njit
def _end_bar(run: Any, m: int, now: int) -> None:
    # Close what the range leaves open, begin a cooldown, and go on to the next row.
    column, market, terms = column_at(run["columns"], m), market_at(run["markets"], m), terms_of(run)
    row = market["row"]
    if terms["close_at_end"] != 0 and row == column["rows"] - 1:
        market["side"] = 0
        if market["quantity"] != 0.0:
            leave_at_market(run, m, now, abs(market["quantity"]), market["close"], END, row)
    if market["lost"] != 0:
        market["lost"] = 0
        if terms["cooldown"] > 0.0:
            market["cool_until"] = column["base"] + row + math.floor(terms["cooldown"])
    market["row"] = row + 1
    put_whole(run["wake"], m, next_time(run, m))
    if market["quantity"] != 0.0:
        ask_ahead(column, row)


def advance_entry(run: Any) -> int:
    """Run `advance` on an address: the door through which machine code is called (see `cryptai.jit`)."""
    advance(carray(run, 1, RUN)[0])
    return 0
