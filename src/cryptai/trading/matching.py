"""Matching: at which price an order fills, as scalars. The rules are told in docs/guide/execution.md.

`match_inside` of the plain kernel decides the bracket for both loops; here is what a market order, a bracket
and one market do not know: limit and stop orders, finer bars, liquidation, trailing, the costs of a fill.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from cryptai.jit import njit
from cryptai.ledger.book import (
    LIMIT,
    LIQUIDATION,
    MARKET,
    NO_EXIT,
    STOP,
    STOP_LIMIT,
    TARGET,
    TRAILING,
    TRIGGER,
    Book,
    Exit,
)
from cryptai.portfolio.sizing import round_down, round_up
from cryptai.trading.costs import Costs
from cryptai.trading.kernel import chosen, match_inside
from cryptai.trading.memory import real, said

# How an order fills, if it does.
NOT: Final = 0  # it does not
EXACT: Final = 1  # at its base, without slippage
SLIPS: Final = 2  # at its base, with slippage
CAPPED: Final = 3  # with slippage, but no worse than its limit
WAITS: Final = 4  # it was triggered, and rests as a limit order from now on

_MOST_SLIPPAGE: Final = 0.99
_FREE: Final = tuple(Costs())[2:]


class Match(NamedTuple):
    """How an order fills and at which price before slippage; `rested` says that it fills as a limit order."""

    how: int
    base: float
    rested: bool


@njit
def opens(side: int, kind: int, limit: float, trigger: float, triggered: int, open_: float) -> Match:
    """Match a waiting order with an open."""
    if kind == MARKET:
        return Match(SLIPS, open_, False)
    if kind == LIMIT or triggered != 0:
        return Match(EXACT if side * (open_ - limit) <= 0.0 else NOT, open_, False)
    if side * (open_ - trigger) < 0.0:
        return Match(NOT, open_, False)
    if kind == TRIGGER:
        return Match(SLIPS, open_, False)
    return Match(CAPPED if side * (open_ - limit) <= 0.0 else WAITS, open_, False)


@njit
def touches(
    side: int, kind: int, limit: float, trigger: float, triggered: int, high: float, low: float, close: float
) -> Match:
    """Match a resting order with the inside of a bar; its open was not beyond the order."""
    best = low if side > 0 else high  # the price that a limit order waits for
    if kind == LIMIT or triggered == 1:
        return Match(EXACT if side * (best - limit) <= 0.0 else NOT, limit, True)
    if triggered == 0:
        worst = high if side > 0 else low
        if side * (worst - trigger) < 0.0:
            return Match(NOT, trigger, False)
        if kind == TRIGGER:
            return Match(SLIPS, trigger, False)
        if side * (trigger - limit) <= 0.0:
            return Match(CAPPED, trigger, False)
    # Triggered in this bar: what came before is not known to be before, so the close must say it.
    return Match(EXACT if side * (close - limit) <= 0.0 else WAITS, limit, True)


@njit
def fill_price(how: int, side: int, base: float, limit: float, slippage: float) -> float:
    """Return the price of a fill to buy (`side` 1) or to sell (-1)."""
    if how == EXACT:
        return base
    price = base * (1.0 + side * slippage)
    if how == CAPPED:
        return min(price, limit) if side > 0 else max(price, limit)
    return price


@njit
def slippage_before_impact(costs: Any, column: Any, last: int) -> float:
    """Return slippage, half the spread and the share of the range; `last` is the last closed row."""
    found = costs["slippage"] + costs["spread"] / 2.0
    if costs["slippage_volatility"] > 0.0 and last >= 0:
        high, low, close = real(column["high"], last), real(column["low"], last), real(column["close"], last)
        if last > 0:
            before = real(column["close"], last - 1)
            high, low = max(high, before), min(low, before)
        found += costs["slippage_volatility"] * ((high - low) / close)
    return min(found, _MOST_SLIPPAGE)  # type: ignore[no-any-return]


@njit
def with_impact(slippage: float, costs: Any, column: Any, last: int, quantity: float) -> float:
    """Return the slippage with the square root law's; without a volume the quantity counts as all of it."""
    if not costs["impact"] > 0.0:
        return slippage
    volume = said(column["volume"], last)
    share = quantity / volume if volume > 0.0 else 1.0
    return min(slippage + costs["impact"] * math.sqrt(share), _MOST_SLIPPAGE)  # type: ignore[no-any-return]


@njit
def liquidation_price(side: int, entry_price: float, leverage: float, maintenance: float) -> float:
    """Return where the margin no longer carries the position; NaN where nothing is borrowed against it."""
    if not (leverage > 1.0 or maintenance >= 0.0):
        return math.nan
    kept = 0.0 if math.isnan(maintenance) else maintenance
    return entry_price * (1.0 - side / leverage) / (1.0 - side * kept)


@njit
def bankruptcy_price(side: int, entry_price: float, leverage: float) -> float:
    """Return where the whole margin is lost."""
    return entry_price * (1.0 - side / leverage)


@njit
def out_of_reach(side: int, stop: float, target: float, liquidation: float, high: float, low: float) -> bool:
    """Say whether a bar touches none of a position's levels: most bars do not, and need no more looks."""
    if side > 0:
        return not (low <= stop or low <= liquidation or high >= target)
    return not (high >= stop or high >= liquidation or low <= target)


@njit
def bracket_reached(
    book: Book, liquidation: float, bankruptcy: float, open_: float, high: float, low: float,
    slippage: float, policy: int,
) -> tuple[Exit, bool]:  # fmt: skip
    """Let a bar reach a position that came into it; return its exit, and whether a rule chose between two.

    `policy` 1 lets the target come first where the bar does not tell.
    """
    side = 1.0 if book.quantity > 0.0 else -1.0
    worst = low if side > 0.0 else high
    costs = Costs(0.0, slippage, *_FREE)
    if side * (open_ - liquidation) <= 0.0:
        return Exit(bankruptcy, LIQUIDATION), False
    if side * (worst - liquidation) <= 0.0 and not side * (book.stop - liquidation) > 0.0:
        best = high if side > 0.0 else low
        both = side * (best - book.target) >= 0.0
        if both and policy == 1:
            return Exit(max(open_, book.target) if side > 0.0 else min(open_, book.target), TARGET), True
        return Exit(bankruptcy, LIQUIDATION), both
    _, left = match_inside(book, open_, high, low, costs)
    both = chosen(book, left, open_, high, low)
    if both and policy == 1:
        free = Book(
            book.cash, book.quantity, book.entry_price, math.nan, book.target, book.fees, book.entry_bar, 0
        )
        _, left = match_inside(free, open_, high, low, costs)
    return left, both


@njit
def bracket_after_entry(
    book: Book, rested: bool, liquidation: float, bankruptcy: float, high: float, low: float, close: float,
    slippage: float, policy: int,
) -> tuple[Exit, bool]:  # fmt: skip
    """Let the bar in which a resting order filled reach its bracket; return as `bracket_reached`."""
    side = 1 if book.quantity > 0.0 else -1
    worst, best = (low, high) if side > 0 else (high, low)
    liquidated = not math.isnan(liquidation) and not side * (book.stop - liquidation) > 0.0
    level = liquidation if liquidated else book.stop
    stopped = side * (worst - level) <= 0.0
    target = side * (best - book.target) >= 0.0
    beyond = side * (close - book.target) >= 0.0
    below = side * (close - level) <= 0.0
    if rested:
        # What was touched before the limit was is behind us: a stop below it is not, a target above may be.
        both = target and (stopped or not beyond)
        if policy == 0:
            target = beyond and not stopped
    else:
        both = stopped and (target or not below)
        if policy == 0:
            target = target and not stopped
        else:
            stopped = below and stopped
    if target:
        return Exit(book.target, TARGET), both
    if stopped:
        if liquidated:
            return Exit(bankruptcy, LIQUIDATION), both
        return Exit(level * (1.0 - side * slippage), STOP), both
    return Exit(0.0, NO_EXIT), both


@njit
def trail(market: Any, rules: Any, distance: float, high: float, low: float, tick: float) -> None:
    """Move the trailing stop of a position after a (finer) bar; `distance` is the row's, NaN: the rules'.

    One of the two must be given.
    """
    share, entry = rules["trailing"], market["entry_price"]
    if market["quantity"] > 0.0:
        if high >= entry + entry * rules["trailing_from"]:
            market["armed"] = 1
        level = round_down(high - high * share if math.isnan(distance) else high - distance, tick)
        better = not level <= market["stop"]
    else:
        if low <= entry - entry * rules["trailing_from"]:
            market["armed"] = 1
        level = round_up(low + low * share if math.isnan(distance) else low + distance, tick)
        better = not level >= market["stop"]
    if market["armed"] != 0 and better:
        market["stop"] = level
        market["trailed"] = 1


@njit
def why(reason: int, trailed: int) -> int:
    """Return the reason of an exit: a stop that trailing had moved is its own."""
    return TRAILING if reason == STOP and trailed != 0 else reason


@njit
def kind_of(limit: float, trigger: float) -> int:
    """Return which kind of order a row's limit and trigger make."""
    if math.isnan(trigger):
        return MARKET if math.isnan(limit) else LIMIT
    return TRIGGER if math.isnan(limit) else STOP_LIMIT
