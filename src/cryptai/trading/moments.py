"""An open, or a close at which market orders fill: first all that leaves, then all that enters."""

from __future__ import annotations

import math
from typing import Any

from cryptai.jit import njit
from cryptai.ledger.book import MARKET, REDUCE, SIGNAL, TIME
from cryptai.portfolio.rules import DUST
from cryptai.portfolio.sizing import round_down
from cryptai.signals import EXIT_LONG, EXIT_SHORT
from cryptai.trading.columns import account_of, column_at, filter_at, market_at, terms_of
from cryptai.trading.entering import enter, may_enter
from cryptai.trading.fills import free_cash, leave_position, valued
from cryptai.trading.matching import NOT, WAITS, opens, slippage_before_impact, with_impact
from cryptai.trading.memory import put_whole, real, whole

_YEAR_MS = 365.0 * 86_400_000.0


@njit
def carry(run: Any, m: int, now: int) -> None:
    """Pay what fell due since the market's bar before: funding, and interest on what is borrowed."""
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    rate = terms_of(run)["borrow"]
    row, held = market["row"], market["quantity"]
    if held == 0.0 or row == 0 or (column["fundings"] == 0 and not rate > 0.0):
        return
    open_, before = real(column["open"], row), whole(column["ts"], row - 1)
    paid = 0.0
    at = market["funded"]
    while at < column["fundings"] and whole(column["funding_ts"], at) <= now:
        if whole(column["funding_ts"], at) > before:
            paid += held * open_ * real(column["funding_rate"], at)
        at += 1
    market["funded"] = at
    if rate > 0.0:
        borrowed = abs(held) * open_
        if held > 0.0:
            borrowed = held * market["entry_price"] * (1.0 - 1.0 / terms_of(run)["leverage"])
        paid += rate * borrowed * (now - before) / _YEAR_MS
    account_of(run)["cash"] -= paid
    market["funding"] += paid


@njit
def leave_at_market(
    run: Any, m: int, now: int, quantity: float, price: float, reason: int, last: int
) -> None:
    """Leave `quantity` of a position by a market order at `price`; `last` is the last closed row."""
    column, market, terms = column_at(run["columns"], m), market_at(run["markets"], m), terms_of(run)
    slippage = slippage_before_impact(terms, column, last)
    slippage = with_impact(slippage, terms, column, last, quantity)
    side = 1 if market["quantity"] > 0.0 else -1
    price *= 1.0 - side * slippage
    leave_position(run, m, column["base"] + market["row"], now, quantity, price, reason, terms["fee"])


@njit
def leave_all(run: Any, now: int, up: int, at_close: bool) -> None:
    """Let positions leave at an open or a close, and find what weights add; then size the entries."""
    worth = math.nan
    if run["weighs"] != 0:
        worth = valued(run)
    waits = False
    for i in range(up):
        m = whole(run["due"], i)
        column, market = column_at(run["columns"], m), market_at(run["markets"], m)
        row = market["row"]
        prices = column["close"] if at_close else column["open"]
        left = market["quantity"] != 0.0 and _leave(run, m, now, prices, at_close)
        market["exits"], market["reduce"] = 0, math.nan
        if market["side"] != 0 and not math.isnan(market["weight"]):
            if left:
                market["side"], market["weight"] = 0, math.nan
            else:
                _weigh(run, m, now, real(prices, row), worth, row if at_close else row - 1)
        waits = waits or market["side"] != 0
    if waits:
        account_of(run)["sizing"] = valued(run)


@njit
def _leave(run: Any, m: int, now: int, prices: int, at_close: bool) -> bool:
    # Leave by signal, time or `reduce`; say whether one of them acted. Most bars need no price.
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    row, held = market["row"], market["quantity"]
    last = row if at_close else row - 1
    due = market["entry_bar"] + terms_of(run)["max_bars"]
    if market["exits"] & (EXIT_LONG if held > 0.0 else EXIT_SHORT):
        leave_at_market(run, m, now, abs(held), real(prices, row), SIGNAL, last)
    elif not at_close and column["base"] + row >= due:
        leave_at_market(run, m, now, abs(held), real(prices, row), TIME, last)
    elif market["reduce"] > 0.0:
        part = abs(held)
        if market["reduce"] < 1.0:
            part = round_down(abs(held) * market["reduce"], filter_at(column, now).step)
        if part > 0.0:
            leave_at_market(run, m, now, part, real(prices, row), REDUCE, last)
    else:
        return False
    return True


@njit
def _weigh(run: Any, m: int, now: int, price: float, worth: float, last: int) -> None:
    # Bring a position down to its weight; leave in the order what the weight adds.
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    held, wanted = market["quantity"], market["weight"] * worth / price
    if held != 0.0 and wanted * held <= 0.0:
        leave_at_market(run, m, now, abs(held), price, REDUCE, last)
        held = 0.0
    if abs(abs(wanted) - abs(held)) <= DUST * max(abs(wanted), abs(held)):
        wanted = held
    if abs(wanted) > abs(held):
        market["side"] = 1 if wanted > 0.0 else -1
        market["adds"] = abs(wanted) - abs(held)
        return
    market["side"], market["weight"] = 0, math.nan
    if abs(wanted) < abs(held):
        part = round_down(abs(held) - abs(wanted), filter_at(column, now).step)
        if part > 0.0:
            leave_at_market(run, m, now, part, price, REDUCE, last)


@njit
def enter_all(run: Any, now: int, up: int, at_close: bool) -> None:
    """Fill the orders that an open meets, or market orders at a close: the highest score first."""
    found, rests = _rank(run, up, at_close)
    over_at_end = at_close and terms_of(run)["close_at_end"] != 0
    for i in range(found):
        m = whole(run["ranked"], i)
        market, column = market_at(run["markets"], m), column_at(run["columns"], m)
        row = market["row"]
        # Most entries of a run with few places are refused before any price is looked at.
        if not (over_at_end and row == column["rows"] - 1) and may_enter(run, m, row, now):
            price = real(column["close"], row) if at_close else real(column["open"], row)
            met = opens(
                market["side"], market["kind"], market["limit"], market["trigger"], market["triggered"], price
            )
            enter(run, m, row, now, met, row if at_close else row - 1, False)
        market["side"], market["weight"] = 0, math.nan
    if rests:
        account_of(run)["free"] = free_cash(run)


@njit
def _rank(run: Any, up: int, at_close: bool) -> tuple[int, bool]:
    # Put the markets that enter into `ranked`, best first; say how many, and whether an order rests.
    found, rests = 0, False
    for i in range(up):
        m = whole(run["due"], i)
        market, column = market_at(run["markets"], m), column_at(run["columns"], m)
        if market["side"] == 0 or (at_close and market["kind"] != MARKET):
            continue
        if market["kind"] != MARKET:
            met = opens(
                market["side"], market["kind"], market["limit"], market["trigger"], market["triggered"],
                real(column["open"], market["row"]),
            )  # fmt: skip
            if met.how == WAITS:
                market["triggered"] = 2
            if met.how in (NOT, WAITS):
                rests = True
                continue
        at = found
        while at > 0:
            other = whole(run["ranked"], at - 1)
            if not _before(market["score"], market_at(run["markets"], other)["score"]):
                break
            put_whole(run["ranked"], at, other)
            at -= 1
        put_whole(run["ranked"], at, m)
        found += 1
    return found, rests


@njit
def _before(score: float, other: float) -> bool:
    return score > other or (math.isnan(other) and not math.isnan(score))
