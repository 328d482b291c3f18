"""Calm bars: those of a held market that change nothing but its close. Most bars are.

Nothing here is a rule: a bar that any rule might look at is not calm, and takes the long way.
"""

from __future__ import annotations

import math
from typing import Any

from cryptai.jit import njit
from cryptai.trading.columns import column_at, market_at, terms_of
from cryptai.trading.matching import out_of_reach
from cryptai.trading.memory import code, fetch, real, whole
from cryptai.trading.reading import NEVER

# How many rows before they are read prices are asked for: more than a line of the cache holds. Of many
# markets the processor does not see by itself which will be read on.
_AHEAD = 12


@njit
def may_be_calm(run: Any) -> bool:
    """Say whether the terms leave a bar calm: nothing falls due by time, trails or fills at closes."""
    terms = terms_of(run)
    for rule in (terms["trailing"], terms["max_bars"], terms["maintenance"]):
        if not math.isnan(rule):
            return False
    timed = terms["at_close"] != 0 or run["carries"] != 0 or run["pairs"] != 0
    return not timed and not terms["leverage"] > 1.0


@njit
def speaks_of_positions(column: Any) -> bool:
    """Say whether a market has columns or finer bars that any bar of a position must be held against."""
    for said in (
        column["reduce"], column["trail"], column["weight"], column["limit"], column["trigger"],
        column["finer"],
    ):  # fmt: skip
        if said != 0:
            return True
    return False


@njit
def calm(run: Any, m: int) -> bool:
    """Say whether the bar of a market that is up changes nothing but its close."""
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    if market["quantity"] == 0.0 or market["side"] != 0 or market["exits"] != 0 or column["speaks"] != 0:
        return False
    row = market["row"]
    side = 1 if market["quantity"] > 0.0 else -1
    if not out_of_reach(
        side, market["stop"], market["target"], math.nan, real(column["high"], row), real(column["low"], row)
    ):
        return False
    # Neither a row that says something, nor the last one, at which the run may close.
    if row == column["rows"] - 1:
        return False
    silent: bool = code(column["entry"], row) == 0 and code(column["exits"], row) == 0
    return silent


@njit
def pass_calm(run: Any, m: int) -> int:
    """Take a market through its calm bar; return when it must be looked at again."""
    column, market = column_at(run["columns"], m), market_at(run["markets"], m)
    row = market["row"]
    market["close"] = real(column["close"], row)
    market["row"] = row + 1
    ask_ahead(column, row)
    return whole(column["ts"], row + 1) if row + 1 < column["rows"] else NEVER


@njit
def ask_ahead(column: Any, row: int) -> None:
    """Ask for the prices that a position will be held against some rows on."""
    for prices in (column["high"], column["low"], column["close"]):
        fetch(prices, row + _AHEAD)
