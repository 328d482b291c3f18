"""Reading a market's rows: which one says something new, and what it makes of the orders."""

from __future__ import annotations

import math
from typing import Any

from cryptai.jit import njit
from cryptai.portfolio.sizing import round_down, round_up
from cryptai.signals import EXIT_LONG, EXIT_SHORT
from cryptai.trading.columns import column_at, filter_at, market_at, terms_of
from cryptai.trading.kernel import decide
from cryptai.trading.matching import kind_of
from cryptai.trading.memory import code, codes, fetch, real, said, whole

NEVER = (1 << 63) - 1


@njit
def next_time(run: Any, m: int) -> int:
    """Return when a market must be looked at again; set its `row` to the row of that time.

    That is its next row while it has a position or an order. Else the next row that says something new is
    read here, for it concerns nothing before the open after it, and that is the time; but where market orders
    fill at closes, and of the last row where the run closes what is open, it is the time of that row itself.
    """
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    if market["quantity"] == 0.0 and market["side"] == 0:
        _read_ahead(run, m)
    if market["row"] >= column["rows"]:
        return NEVER
    return whole(column["ts"], market["row"])  # type: ignore[no-any-return]


@njit
def _read_ahead(run: Any, m: int) -> None:
    column, market, terms = column_at(run["columns"], m), market_at(run["markets"], m), terms_of(run)
    row = market["row"] = _next_said(column, market["row"])
    if row == column["rows"] or terms["at_close"] != 0:
        return
    if row == column["rows"] - 1 and terms["close_at_end"] != 0:
        return
    read_row(run, m, whole(column["ts"], row))
    market["row"] = row + 1
    _ask_for_fill(column, row)


@njit
def _ask_for_fill(column: Any, row: int) -> None:
    # Ask for what an order of this row will be held against: of many markets it lies anywhere in memory, and
    # until the order is due there is time.
    for prices in (column["open"], column["high"], column["low"]):
        fetch(prices, row + 1)
    fetch(column["close"], row)
    fetch(column["exits"] + row + 1, 0)


@njit
def _next_said(column: Any, row: int) -> int:
    rows, entry, weight = column["rows"], column["entry"], column["weight"]
    moves = column["limit"] != 0 or column["trigger"] != 0
    before = code(entry, row - 1) if 0 < row < rows else 0
    while row < rows:
        if weight == 0 and before == 0:
            while row + 8 <= rows and codes(entry, row) == 0:
                row += 8  # eight silent rows at once
            if row == rows:
                break
        now = code(entry, row)
        if weight != 0 and not math.isnan(real(weight, row)):
            break
        if now != 0 and (now != before or (moves and _moved(column, row))):
            break
        before = now
        row += 1
    return row


@njit
def _moved(column: Any, row: int) -> bool:
    # Whether limit or trigger of this row are not those of the row before.
    return _differs(column["limit"], row) or _differs(column["trigger"], row)


@njit
def _differs(address: int, row: int) -> bool:
    now, before = said(address, row), said(address, row - 1)
    return now != before and not (math.isnan(now) and math.isnan(before))


@njit
def read_row(run: Any, m: int, now: int) -> None:
    """Read the row of the bar that closes: what leaves at the next open, and which order waits."""
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    row = market["row"]
    entry, exits = code(column["entry"], row), 0
    if market["side"] != 0 or market["quantity"] != 0.0:
        exits = code(column["exits"], row)  # there is nothing else that it could end
        if exits != 0:
            fetch(column["open"], row + 1)
    if market["side"] != 0:
        market["age"] += 1
        if market["triggered"] == 2:
            market["triggered"] = 1
        cancels = EXIT_LONG if market["side"] > 0 else EXIT_SHORT
        if exits & cancels or market["age"] >= terms_of(run)["time_in_force"]:
            market["side"] = 0
    market["exits"], market["reduce"] = exits, said(column["reduce"], row)
    weight = said(column["weight"], row)
    side = decide(entry, code(column["entry"], row - 1) if row > 0 else 0, exits).side
    if side == 0 and entry != 0 and (column["limit"] != 0 or column["trigger"] != 0) and _moved(column, row):
        side = entry
    if side != 0 or not math.isnan(weight):
        _place(column, market, row, now, side, weight)


@njit
def _place(column: Any, market: Any, row: int, now: int, side: int, weight: float) -> None:
    # Let the order of this row wait, in place of any other.
    limit, trigger = math.nan, math.nan
    if math.isnan(weight):
        tick = filter_at(column, now).tick
        limit, trigger = said(column["limit"], row), said(column["trigger"], row)
        if side > 0:
            limit, trigger = round_down(limit, tick), round_up(trigger, tick)
        else:
            limit, trigger = round_up(limit, tick), round_down(trigger, tick)
    else:
        side = 1  # which it is, its next open tells
    market["side"], market["kind"] = side, kind_of(limit, trigger)
    market["limit"], market["trigger"] = limit, trigger
    market["triggered"] = market["age"] = 0
    market["weight"], market["adds"] = weight, 0.0
    market["order_stop"], market["order_target"] = said(column["stop"], row), said(column["target"], row)
    market["size"], market["score"] = said(column["size"], row), said(column["score"], row)
    market["volatility"] = said(column["volatility"], row)
