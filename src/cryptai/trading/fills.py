"""What a fill changes: the account, the position, the trades and fills written down.

The counterpart of `cryptai.ledger.fold` where positions are many and leave in parts.
"""

from __future__ import annotations

import math
from typing import Any

from cryptai.jit import njit
from cryptai.ledger.book import LIQUIDATION, STOP, TRAILING, Book, Exit
from cryptai.ledger.fold import settle, write
from cryptai.portfolio.sizing import round_down, round_up
from cryptai.trading.columns import account_of, fill_at, market_at, terms_of, trade_at
from cryptai.trading.memory import put_whole, real, whole


@njit
def enter_position(
    run: Any,
    m: int,
    bar: int,
    now: int,
    quantity: float,
    price: float,
    fee: float,
    close: float,
    counts: bool,
) -> None:
    """Fold the fill that opens a position of `quantity` (signed), or adds to the one there is.

    `close` is the market's last known one; `counts` says that this is one of `max_entries`. Levels are set by
    the caller where the position is new.
    """
    market, account = market_at(run["markets"], m), account_of(run)
    paid = abs(quantity) * price * fee
    account["cash"] = settle(account["cash"], quantity, price, fee)
    held = market["quantity"]
    if held == 0.0:
        market["quantity"] = quantity
        market["entry_price"] = price
        market["fees"] = paid
        market["funding"] = 0.0
        market["entry_bar"] = bar
        market["entry_time"] = now
        market["entry_kind"] = market["kind"]
        market["entries"] = 1
        market["close"] = close
        market["armed"] = market["trailed"] = market["undecided"] = 0
        at = account["open"]
        while at > 0 and whole(run["held"], at - 1) > m:
            put_whole(run["held"], at, whole(run["held"], at - 1))
            at -= 1
        put_whole(run["held"], at, m)
        account["open"] += 1
    else:
        worth = abs(held) * market["entry_price"] + abs(quantity) * price
        market["entry_price"] = worth / (abs(held) + abs(quantity))
        market["quantity"] = held + quantity
        market["fees"] += paid
        if counts:
            market["entries"] += 1
    note(run, m, bar, now, quantity, price, paid, 1, market["kind"])


@njit
def leave_position(
    run: Any, m: int, bar: int, now: int, quantity: float, price: float, reason: int, fee: float
) -> None:
    """Fold the fill that closes `quantity` (unsigned) of a position, or all of it; write the trade."""
    market, account = market_at(run["markets"], m), account_of(run)
    held = market["quantity"]
    all_of_it = quantity >= abs(held)
    leaves = held if all_of_it else math.copysign(quantity, held)
    part = 1.0 if all_of_it else quantity / abs(held)
    fees, funding = market["fees"] * part, market["funding"] * part
    book = Book(
        account["cash"], leaves, market["entry_price"], math.nan, math.nan, fees, market["entry_bar"], 0
    )
    trade = trade_at(run["trades"], account["trades"])
    pnl = write(trade, book, market["entry_time"], bar, now, Exit(price, reason), fee, funding)
    trade["market"] = m
    trade["entry_kind"] = market["entry_kind"]
    trade["undecided"] = market["undecided"]
    account["trades"] += 1
    account["cash"] = settle(account["cash"], -leaves, price, fee)
    _count(run, market, pnl, reason)
    if all_of_it:
        market["quantity"] = 0.0
        market["stop"] = market["target"] = math.nan
        at = 0
        while whole(run["held"], at) != m:
            at += 1
        account["open"] -= 1
        while at < account["open"]:
            put_whole(run["held"], at, whole(run["held"], at + 1))
            at += 1
    else:
        market["quantity"] = held - leaves
        market["fees"] -= fees
        market["funding"] -= funding
    note(run, m, bar, now, -leaves, price, abs(leaves) * price * fee, 0, reason)


@njit
def _count(run: Any, market: Any, pnl: float, reason: int) -> None:
    account = account_of(run)
    account["closed"] += 1
    if pnl > 0.0:
        account["wins"] += 1
        account["won"] += pnl
    elif pnl < 0.0:
        account["losses"] += 1
        account["lost"] -= pnl
        market["lost"] = 1
    if reason in (STOP, TRAILING, LIQUIDATION) and run["places"] > 0:
        put_whole(run["stops"], account["stops"] % run["places"], account["step"])
        account["stops"] += 1
        account["stopped"] += 1


@njit
def note(
    run: Any, m: int, bar: int, now: int, quantity: float, price: float, paid: float, entered: int, why: int
) -> None:
    """Write a fill down, where somebody asked for fills."""
    account = account_of(run)
    if account["fills"] >= run["fill_room"]:
        return
    fill = fill_at(run["fills"], account["fills"])
    fill["time"] = now
    fill["market"] = m
    fill["bar"] = bar
    fill["quantity"] = quantity
    fill["price"] = price
    fill["fee"] = paid
    fill["entered"] = entered
    fill["why"] = why
    account["fills"] += 1


@njit
def valued(run: Any) -> float:
    """Return cash and every position at its market's last known close."""
    account = account_of(run)
    equity = account["cash"]
    for i in range(account["open"]):
        market = market_at(run["markets"], whole(run["held"], i))
        equity += market["quantity"] * market["close"]
    return equity  # type: ignore[no-any-return]


@njit
def free_cash(run: Any) -> float:
    """Return the cash that is no position's margin; profit that is not realised is not in it."""
    account, leverage = account_of(run), terms_of(run)["leverage"]
    locked = 0.0
    for i in range(account["open"]):
        market = market_at(run["markets"], whole(run["held"], i))
        worth = market["quantity"] * market["entry_price"]
        locked += worth - abs(worth) / leverage
    return account["cash"] + locked  # type: ignore[no-any-return]


@njit
def step_target(run: Any, market: Any, bar: int, tick: float) -> None:
    """Set the target of a position to that of the last step reached; NaN before the first."""
    found = math.nan
    held = bar - market["entry_bar"]
    for i in range(run["pairs"]):
        if real(run["steps"], 2 * i) <= held:
            found = real(run["steps"], 2 * i + 1)
    side = 1.0 if market["quantity"] > 0.0 else -1.0
    market["target"] = level(market["entry_price"] + side * (market["entry_price"] * found), side, tick)


@njit
def level(price: float, side: float, tick: float) -> float:
    """Round the stop or target of a position to the tick: a long's down, a short's up."""
    return round_down(price, tick) if side > 0.0 else round_up(price, tick)
