"""Entering: whether an order that meets the market is allowed, how much it takes, and its bracket."""

from __future__ import annotations

import math
from typing import Any

from cryptai.jit import njit
from cryptai.portfolio.limits import halted, poor, wrong_side
from cryptai.portfolio.refusals import (
    ALLOWED,
    CASH,
    GROUP,
    KELLY,
    MAX_EXPOSURE,
    MAX_OPEN,
    MIN_NOTIONAL,
    REWARD_RISK,
    STEP,
    VOLUME,
    WRONG_SIDE,
)
from cryptai.portfolio.rules import DUST
from cryptai.portfolio.sizing import amount, kelly_fraction, round_down
from cryptai.trading.columns import account_of, column_at, filter_at, market_at, terms_of
from cryptai.trading.fills import enter_position, free_cash, level, step_target
from cryptai.trading.matching import EXACT, Match, fill_price, slippage_before_impact, with_impact
from cryptai.trading.memory import fetch, put_whole, real, said, whole

# Rows in a line of the processor's cache: those after it are asked for by the bars of this one.
_LINE = 8


@njit
def may_enter(run: Any, m: int, row: int, now: int) -> bool:
    """Say whether a market's order may fill in this bar, whatever its price; count what forbids it."""
    market, terms = market_at(run["markets"], m), terms_of(run)
    held = market["quantity"]
    if held * market["side"] < 0.0:
        return False
    if held != 0.0 and math.isnan(market["weight"]) and market["entries"] >= terms["max_entries"]:
        return False
    return _allowed(run, _barred(run, m, row, now))


@njit
def enter(run: Any, m: int, row: int, now: int, match: Match, last: int, inside: bool) -> bool:
    """Fill the order of a market that may enter and met its price, or refuse it; say whether it filled.

    Parameters
    ----------
    row, last
        The bar it fills in, and the last one closed before.
    inside
        Whether the bar has opened since: only what was free after the open may be spent.
    """
    return _allowed(run, _enter(run, m, row, now, match, last, inside))


@njit
def _allowed(run: Any, reason: int) -> bool:
    if reason != ALLOWED:
        put_whole(run["refused"], reason, whole(run["refused"], reason) + 1)
    return reason == ALLOWED


@njit
def _enter(run: Any, m: int, row: int, now: int, match: Match, last: int, inside: bool) -> int:
    # Price the order, size it and fill it, or say why not.
    column, market, terms = column_at(run["columns"], m), market_at(run["markets"], m), terms_of(run)
    slippage = slippage_before_impact(terms, column, last)
    price = fill_price(match.how, market["side"], match.base, market["limit"], slippage)
    stop, target, distance = _bracket(run, m, now, price)
    reason = _unfit(run, m, last, price, stop, target)
    if reason != ALLOWED:
        return reason
    fee = terms["maker"] if match.rested and not math.isnan(terms["maker"]) else terms["fee"]
    free = account_of(run)["free"] if inside else free_cash(run)
    size, reason = _sized(run, m, price, fee, distance, last, free)
    if reason != ALLOWED:
        return reason
    margin = 1.0 / terms["leverage"] + fee
    size = min(size, free / (price * margin))
    if terms["impact"] > 0.0 and match.how != EXACT:
        slippage = with_impact(slippage, terms, column, last, size)
        price = fill_price(match.how, market["side"], match.base, market["limit"], slippage)
        size = min(size, free / (price * margin))
    asked = filter_at(column, now)
    size = round_down(size, asked.step)
    if not size > 0.0 or size < asked.min_quantity:
        return STEP
    if size * price < asked.min_notional:
        return MIN_NOTIONAL
    _fill(run, m, row, now, size, price, fee, last, stop, target)
    if inside:
        account_of(run)["free"] -= size * price / terms["leverage"] + size * price * fee
    return ALLOWED


@njit
def _sized(
    run: Any, m: int, price: float, fee: float, distance: float, last: int, free: float
) -> tuple[float, int]:
    # The quantity by its rule and under its caps, or why there is none.
    market, account = market_at(run["markets"], m), account_of(run)
    sizing = account["sizing"]
    if not (sizing > DUST * account["capital"] and free > DUST * sizing):
        return 0.0, CASH
    weighed = not math.isnan(market["weight"])
    size = market["adds"] if weighed else _wanted(run, market, price, fee, distance)
    if not size > 0.0:
        return 0.0, KELLY
    size = _capped(run, m, size, price, distance, last)
    if not size * price > DUST * sizing:
        return 0.0, MAX_EXPOSURE
    return size, ALLOWED


@njit
def _fill(
    run: Any, m: int, row: int, now: int, size: float, price: float, fee: float, last: int, stop: float,
    target: float,
) -> None:  # fmt: skip
    # Fold the entry, and set the bracket of a new position; steps are measured from the average price.
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    new, weighed, bar = market["quantity"] == 0.0, not math.isnan(market["weight"]), column["base"] + row
    close, tick = real(column["close"], last), filter_at(column, now).tick
    enter_position(run, m, bar, now, market["side"] * size, price, fee, close, not weighed)
    for prices in (column["high"], column["low"], column["close"]):
        fetch(prices, row + _LINE)
    if new:
        _set_bracket(run, m, stop, target, tick)
    if market["by_steps"] != 0:
        step_target(run, market, bar, tick)


@njit
def _bracket(run: Any, m: int, now: int, price: float) -> tuple[float, float, float]:
    # Stop, target and the distance to the stop of an entry at this price.
    column, market, terms = column_at(run["columns"], m), market_at(run["markets"], m), terms_of(run)
    side = market["side"]
    if market["quantity"] != 0.0:
        return market["stop"], market["target"], abs(price - market["stop"])
    tick = filter_at(column, now).tick
    stop, target = market["order_stop"], market["order_target"]
    if math.isnan(stop):
        distance = price * terms["stop"]
        stop = level(price - side * (price * terms["stop"]), side, tick)
    else:
        stop = level(stop, side, tick)
        distance = abs(price - stop)
    fraction = terms["target"]
    if run["pairs"] > 0:
        # The step that counts on the bar of entry.
        fraction = real(run["steps"], 1) if real(run["steps"], 0) <= 0.0 else math.nan
    if math.isnan(target):
        target = price + side * (price * fraction)
    return stop, level(target, side, tick), distance


@njit
def _set_bracket(run: Any, m: int, stop: float, target: float, tick: float) -> None:
    # What comes from the rules is measured from the fill itself.
    market, terms = market_at(run["markets"], m), terms_of(run)
    side, price = market["side"], market["entry_price"]
    if math.isnan(market["order_stop"]):
        stop = level(price - side * (price * terms["stop"]), side, tick)
    own = not math.isnan(market["order_target"])
    if not own:
        target = level(price + side * (price * terms["target"]), side, tick)
    market["stop"], market["target"] = stop, target
    market["by_steps"] = 0 if own or run["pairs"] == 0 else 1


@njit
def _barred(run: Any, m: int, row: int, now: int) -> int:
    # What forbids an entry whatever its price.
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    account, terms = account_of(run), terms_of(run)
    reason = halted(account, market, column["base"] + row, now)
    if reason != ALLOWED or market["quantity"] != 0.0:
        return reason
    if account["open"] >= terms["max_open"]:
        return MAX_OPEN
    if terms["max_per_group"] <= _same_group(run, column["group"]):
        return GROUP
    return ALLOWED


@njit
def _unfit(run: Any, m: int, last: int, price: float, stop: float, target: float) -> int:
    # What makes an order at this price one that cannot be.
    market, terms = market_at(run["markets"], m), terms_of(run)
    asks_volume = terms["impact"] > 0.0 or terms["max_volume_share"] > 0.0
    if asks_volume and not said(column_at(run["columns"], m)["volume"], last) > 0.0:
        return VOLUME
    if market["quantity"] != 0.0:
        return ALLOWED
    own_target = not math.isnan(market["order_target"])
    stepped = run["pairs"] > 0 and not own_target
    if wrong_side(market["side"], price, stop, math.nan if stepped else target):
        return WRONG_SIDE
    own = own_target or not math.isnan(market["order_stop"])
    if own and poor(price, stop, target, terms["min_reward_risk"]):
        return REWARD_RISK
    return ALLOWED


@njit
def _same_group(run: Any, group: int) -> int:
    same = 0
    for i in range(account_of(run)["open"]):
        same += 1 if column_at(run["columns"], whole(run["held"], i))["group"] == group else 0
    return same


@njit
def _wanted(run: Any, market: Any, price: float, fee: float, distance: float) -> float:
    # The quantity by size, stake, risk, Kelly and volatility, before any cap; 0 where Kelly stakes nothing.
    account, terms = account_of(run), terms_of(run)
    equity, size = account["sizing"], market["size"]
    if math.isnan(size):
        if terms["stake"] > 0.0:
            stake = terms["stake"] / price
            if terms["risk"] > 0.0 and distance > 0.0:
                stake = min(stake, equity * terms["risk"] / distance)
            return stake  # type: ignore[no-any-return]
        size = terms["size"]
    if terms["kelly"] > 0.0:
        fraction = kelly_fraction(
            account["wins"], account["losses"], account["closed"], account["won"], account["lost"]
        )
        if not math.isnan(fraction):
            size = min(size, terms["kelly"] * fraction)
            if not size > 0.0:
                return 0.0
    if terms["volatility_target"] > 0.0 and market["volatility"] > 0.0:
        size = min(size, terms["volatility_target"] / market["volatility"])
    return amount(equity, price, fee, size, terms["leverage"], terms["risk"], distance)


@njit
def _capped(run: Any, m: int, size: float, price: float, distance: float, last: int) -> float:
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    account, terms = account_of(run), terms_of(run)
    equity = account["sizing"]
    if terms["max_position_size"] > 0.0:
        size = min(size, terms["max_position_size"] * equity / price - abs(market["quantity"]))
    if terms["max_risk_per_trade"] > 0.0 and distance > 0.0:
        size = min(size, terms["max_risk_per_trade"] * equity / distance)
    if terms["max_exposure"] > 0.0:
        worth = 0.0
        for i in range(account["open"]):
            other = market_at(run["markets"], whole(run["held"], i))
            worth += abs(other["quantity"]) * other["close"]
        size = min(size, (terms["max_exposure"] * equity - worth) / price)
    if terms["max_volume_share"] > 0.0:
        size = min(size, terms["max_volume_share"] * said(column["volume"], last))
    return size
