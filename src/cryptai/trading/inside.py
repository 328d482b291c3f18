"""The inside of a bar: a position's bracket, a resting order and its bracket, the trailing stop."""

from __future__ import annotations

import math
from typing import Any

from cryptai.jit import njit
from cryptai.ledger.book import LIQUIDATION, NO_EXIT, TARGET, Book
from cryptai.trading.columns import account_of, column_at, filter_at, market_at, terms_of
from cryptai.trading.entering import enter, may_enter
from cryptai.trading.fills import leave_position, step_target
from cryptai.trading.matching import (
    NOT,
    WAITS,
    bankruptcy_price,
    bracket_after_entry,
    bracket_reached,
    liquidation_price,
    opens,
    out_of_reach,
    slippage_before_impact,
    touches,
    trail,
    why,
    with_impact,
)
from cryptai.trading.memory import real, said, whole


@njit
def pass_inside(run: Any, m: int, now: int) -> None:
    """Take a market through the inside of its bar, or of its finer bars one after the other."""
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    row = market["row"]
    if market["side"] != 0 and market["age"] >= terms_of(run)["time_in_force"]:
        market["side"] = 0  # it was good for the open only
    if market["quantity"] == 0.0 and market["side"] == 0:
        return
    if market["quantity"] != 0.0 and market["by_steps"] != 0:
        step_target(run, market, column["base"] + row, filter_at(column, now).tick)
    first = last = 0
    if column["finer"] != 0:
        first, last = whole(column["finer"], row), whole(column["finer"], row + 1)
    if first == last:
        high, low = real(column["high"], row), real(column["low"], row)
        _match(run, m, now, column["open"], high, low, column["close"], row, False)
        _trail(run, m, now, said(column["trail"], row), high, low)
    for at in range(first, last):
        high, low = real(column["finer_high"], at), real(column["finer_low"], at)
        _match(run, m, now, column["finer_open"], high, low, column["finer_close"], at, at > first)
        # The row itself is known at the close of the last one.
        _trail(run, m, now, said(column["trail"], row if at == last - 1 else row - 1), high, low)


@njit
def _match(
    run: Any, m: int, now: int, opens_: int, high: float, low: float, closes: int, at: int, later: bool
) -> None:
    # One bar, or one of its finer bars; `later` ones have an open of their own, at which orders may fill.
    # Open and close are addresses: most bars need neither, and a look at them costs more than all the rest.
    market = market_at(run["markets"], m)
    row, side = market["row"], market["side"]
    if market["quantity"] != 0.0:
        _protect(run, m, now, opens_, high, low, at)
    if side == 0:
        return
    kind, limit, trigger = market["kind"], market["limit"], market["trigger"]
    met = opens(side, kind, limit, trigger, market["triggered"], real(opens_, at))
    if later and met.how == WAITS:
        market["triggered"] = 2
    elif later and met.how != NOT:
        filled = may_enter(run, m, row, now) and enter(run, m, row, now, met, row - 1, True)
        market["side"] = 0
        if filled:
            _protect(run, m, now, opens_, high, low, at)
        return
    met = touches(side, kind, limit, trigger, market["triggered"], high, low, real(closes, at))
    if met.how == WAITS:
        market["triggered"] = 1
    elif met.how != NOT:
        filled = may_enter(run, m, row, now) and enter(run, m, row, now, met, row - 1, True)
        market["side"] = 0
        if filled:
            _protect_entered(run, m, now, met.rested, high, low, real(closes, at))


@njit
def _protect(run: Any, m: int, now: int, opens_: int, high: float, low: float, at: int) -> None:
    # Let the bar reach the bracket of a position that came into it.
    market, terms = market_at(run["markets"], m), terms_of(run)
    side = 1 if market["quantity"] > 0.0 else -1
    liquidation = liquidation_price(side, market["entry_price"], terms["leverage"], terms["maintenance"])
    if out_of_reach(side, market["stop"], market["target"], liquidation, high, low):
        return
    slippage = _slippage(run, m)
    bankruptcy = bankruptcy_price(side, market["entry_price"], terms["leverage"])
    left, both = bracket_reached(
        _as_book(run, market), liquidation, bankruptcy, real(opens_, at), high, low, slippage, _reading(run)
    )
    _leave(run, m, now, left.price, left.reason, both)


@njit
def _protect_entered(run: Any, m: int, now: int, rested: bool, high: float, low: float, close: float) -> None:
    # Let the rest of the bar in which a resting order filled reach its bracket.
    market, terms = market_at(run["markets"], m), terms_of(run)
    slippage = _slippage(run, m)
    side = 1 if market["quantity"] > 0.0 else -1
    liquidation = liquidation_price(side, market["entry_price"], terms["leverage"], terms["maintenance"])
    bankruptcy = bankruptcy_price(side, market["entry_price"], terms["leverage"])
    left, both = bracket_after_entry(
        _as_book(run, market), rested, liquidation, bankruptcy, high, low, close, slippage, _reading(run)
    )
    _leave(run, m, now, left.price, left.reason, both)


@njit
def _reading(run: Any) -> int:
    # Each bit is for one event that bars do not decide, the sign for all further ones.
    return (terms_of(run)["readings"] >> min(account_of(run)["readings"], 62)) & 1  # type: ignore[no-any-return]


@njit
def _slippage(run: Any, m: int) -> float:
    # What a stop would slip by in this bar.
    column, market, terms = column_at(run["columns"], m), market_at(run["markets"], m), terms_of(run)
    last = market["row"] - 1
    found = slippage_before_impact(terms, column, last)
    return with_impact(found, terms, column, last, abs(market["quantity"]))


@njit
def _as_book(run: Any, market: Any) -> Book:
    return Book(
        account_of(run)["cash"], market["quantity"], market["entry_price"], market["stop"], market["target"],
        market["fees"], market["entry_bar"], 0,
    )  # fmt: skip


@njit
def _leave(run: Any, m: int, now: int, price: float, reason: int, both: bool) -> None:
    market, terms = market_at(run["markets"], m), terms_of(run)
    if both:
        market["undecided"] = 1
        account_of(run)["readings"] += 1
    if reason == NO_EXIT:
        return
    fee = terms["fee"]
    if reason == LIQUIDATION:
        fee = 0.0
    elif reason == TARGET and not math.isnan(terms["maker"]):
        fee = terms["maker"]
    bar = column_at(run["columns"], m)["base"] + market["row"]
    leave_position(run, m, bar, now, abs(market["quantity"]), price, why(reason, market["trailed"]), fee)


@njit
def _trail(run: Any, m: int, now: int, distance: float, high: float, low: float) -> None:
    market, terms = market_at(run["markets"], m), terms_of(run)
    if market["quantity"] == 0.0 or (math.isnan(distance) and math.isnan(terms["trailing"])):
        return
    trail(market, terms, distance, high, low, filter_at(column_at(run["columns"], m), now).tick)
