"""Binance's exchangeInfo, read strictly: symbols with their rules, and the limit of a minute's requests."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptai.errors import InputError, SourceError
from cryptai.market.sources._binance_messages import parse_json
from cryptai.market.symbol import parse_symbol
from cryptai.market.symbols import SymbolInfo
from cryptai.market.timeframe import LATEST_MS

if TYPE_CHECKING:
    from cryptai.market.symbols import Status

_STATUS: Final[dict[str, Status]] = {
    "TRADING": "trading",
    "PRE_TRADING": "announced",
    "PENDING_TRADING": "announced",
    "CLOSE": "delisted",
    "DELIVERED": "delisted",
    "SETTLING": "delisted",
    "PRE_SETTLE": "halted",
    "PRE_DELIVERING": "halted",
    "DELIVERING": "halted",
}
# A perpetual's day of delivery, where it has none: 2100-12-25.
_NEVER_MS: Final = 4_133_404_800_000
# Decimal() would also take "1_0", "1e9", "nan" and "-0".
_SIZE: Final = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_CONTRACTS: Final = ("PERPETUAL", "TRADIFI_PERPETUAL")


class ExchangeInfo(NamedTuple):
    """The symbols, how many could not be named in our spelling, and the weight of a minute (0: not told)."""

    symbols: list[SymbolInfo]
    left_out: int
    limit: int


def parse_exchange_info(content: bytes, *, perpetuals: bool) -> ExchangeInfo:
    """Return what `/api/v3/exchangeInfo` or, for perpetuals, `/fapi/v1/exchangeInfo` says.

    A status of which we do not know the meaning (BREAK, HALT, …) is a halt. Contracts with a day of delivery
    are left alone.

    Raises
    ------
    SourceError
        For a list that is not what was agreed: the message names the symbol and the field.
    """
    info = parse_json(content, "its list of symbols")
    rows = info.get("symbols") if isinstance(info, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceError("Binance sent a list of symbols of another shape than agreed.")
    symbols: dict[str, SymbolInfo] = {}
    left_out = 0
    for row in rows:
        if perpetuals and row.get("contractType") not in _CONTRACTS:
            continue
        try:
            one = _symbol(row, perpetuals=perpetuals)
        except InputError:
            left_out += 1
            continue
        if one.symbol in symbols:
            raise SourceError(f"Binance sent {one.symbol} twice in its list of symbols.")
        symbols[one.symbol] = one
    return ExchangeInfo(list(symbols.values()), left_out, _limit(info.get("rateLimits")))


def _symbol(row: dict[str, Any], *, perpetuals: bool) -> SymbolInfo:
    what = str(row.get("symbol"))[:40]
    try:
        name = f"{row['baseAsset']}/{row['quoteAsset']}"
        filters = {entry["filterType"]: entry for entry in row["filters"]}
        tick = _decimal(filters["PRICE_FILTER"]["tickSize"], what, "tickSize")
        step = _decimal(filters["LOT_SIZE"]["stepSize"], what, "stepSize")
        least = _decimal(filters["LOT_SIZE"]["minQty"], what, "minQty")
        status = str(row["status"])
        if perpetuals:
            name = f"{name}:{row['marginAsset']}"
    except (KeyError, TypeError) as error:
        raise SourceError(f"Binance sent the symbol {what} without {error}.") from error
    status_ = _STATUS.get(status, "halted")
    until = row.get("deliveryDate")
    return SymbolInfo(
        symbol=parse_symbol(name),
        status=status_,
        tick=tick,
        step=step,
        min_amount=least,
        min_notional=_least_value(filters, what),
        listed_ms=_time(row.get("onboardDate")),
        delisted_ms=_time(until) if until != _NEVER_MS else None,
        venue_status=status[:40],
    )


def _least_value(filters: dict[str, Any], what: str) -> Decimal | None:
    # Spot says MIN_NOTIONAL (older) or NOTIONAL, perpetuals MIN_NOTIONAL with another key.
    for kind in ("NOTIONAL", "MIN_NOTIONAL"):
        entry = filters.get(kind)
        if isinstance(entry, dict):
            for key in ("minNotional", "notional"):
                if key in entry:
                    return _decimal(entry[key], what, key)
    return None


def _limit(rows: Any) -> int:
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("rateLimitType") == "REQUEST_WEIGHT":
            per = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}.get(str(row.get("interval")))
            limit, number = row.get("limit"), row.get("intervalNum")
            if per and type(limit) is int and type(number) is int and limit > 0 and number > 0:
                return max(1, limit * 60 // (per * number))
    return 0


def _decimal(value: Any, what: str, field: str) -> Decimal:
    if not isinstance(value, str) or not _SIZE.fullmatch(value):
        raise SourceError(f"Binance sent {what} with {field} {str(value)[:40]!r}, which is no size.")
    return Decimal(value)


def _time(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < LATEST_MS else None
