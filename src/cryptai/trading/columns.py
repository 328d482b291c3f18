"""What the loop over many markets reads and writes, by one record of addresses (`RUN`).

Each rule's function takes the run and the market's number, and finds the rest here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cryptai.jit import njit
from cryptai.ledger.book import FILL, TRADE
from cryptai.ledger.state import ACCOUNT, MARKET_STATE
from cryptai.trading.memory import real, records, whole
from cryptai.trading.tables import COLUMNS, TERMS

column_at = records(COLUMNS)
market_at = records(MARKET_STATE)
trade_at = records(TRADE)
fill_at = records(FILL)
_account_at = records(ACCOUNT)
_terms_at = records(TERMS)


@njit
def account_of(run: Any) -> Any:
    """Return the run's account (`ACCOUNT`)."""
    return _account_at(run["account"], 0)


@njit
def terms_of(run: Any) -> Any:
    """Return the run's terms (`TERMS`)."""
    return _terms_at(run["terms"], 0)


class Filter(NamedTuple):
    """What a venue asked of orders at one time; 0 asks nothing."""

    tick: float
    step: float
    min_quantity: float
    min_notional: float


@njit
def filter_at(column: Any, ts: int) -> Filter:
    """Return the filter in force at a time: the last one that began by then."""
    at = column["filters"] - 1
    while at >= 0 and whole(column["filter_ts"], at) > ts:
        at -= 1
    if at < 0:
        return Filter(0.0, 0.0, 0.0, 0.0)
    return Filter(
        real(column["tick"], at),
        real(column["step"], at),
        real(column["min_quantity"], at),
        real(column["min_notional"], at),
    )
