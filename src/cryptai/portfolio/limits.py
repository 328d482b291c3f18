"""What is not allowed now: the protections and limits that refuse an entry."""

from __future__ import annotations

import math
from typing import Any, Final

from cryptai.jit import njit
from cryptai.portfolio.refusals import ALLOWED, COOLDOWN, DAILY_LOSS, DRAWDOWN, STOP_GUARD

_DAY_MS: Final = 86_400_000


@njit
def halted(account: Any, market: Any, bar: int, now: int) -> int:
    """Return which protection forbids entries at this bar of a market, or `ALLOWED`."""
    if account["blocked_day"] == now // _DAY_MS:
        return DAILY_LOSS
    if account["halted"] != 0:
        return DRAWDOWN
    if bar <= market["cool_until"]:
        return COOLDOWN
    if account["step"] <= account["guard_until"]:
        return STOP_GUARD
    return ALLOWED


@njit
def protect(account: Any, rules: Any, first: int, now: int) -> None:
    """Update the protections at a close, once the account's equity, peak and day follow it.

    `first` is the step of the first of the last `rules["stop_guard"]` exits by a stop; before every step
    where there were not so many.
    """
    if account["equity"] <= (1.0 - rules["daily_loss"]) * account["day_start"]:
        account["blocked_day"] = now // _DAY_MS
    if account["equity"] <= (1.0 - rules["drawdown_halt"]) * account["peak"]:
        account["halted"] = 1
    if account["stopped"] > 0:
        account["stopped"] = 0
        if first > account["step"] - rules["stop_guard_bars"]:
            account["guard_until"] = account["step"] + math.floor(rules["stop_guard_pause"])


@njit
def wrong_side(side: int, price: float, stop: float, target: float) -> bool:
    """Say whether a level lies on the wrong side of the price; NaN levels do not."""
    return side * (price - stop) <= 0.0 or side * (target - price) <= 0.0


@njit
def poor(price: float, stop: float, target: float, minimum: float) -> bool:
    """Say whether the target is less than `minimum` stops away; a missing level says nothing."""
    return abs(target - price) / abs(price - stop) < minimum * (1.0 - 1e-12)
