"""What ccxt gives, read strictly: rows of bars, tickers, markets."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from cryptai.errors import InputError, SourceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.source import Price
from cryptai.market.symbol import parse_symbol
from cryptai.market.symbols import SymbolInfo
from cryptai.market.timeframe import LATEST_MS

if TYPE_CHECKING:
    from collections.abc import Container

    from cryptai.market.timeframe import Timeframe

# How ccxt says what a precision counts: decimals, significant digits, or the step itself.
_DECIMALS, _DIGITS = 2, 3
_LONGEST: Final = 80


def read_bars(rows: Any, symbol: str, frame: Timeframe, title: str) -> Candles:
    """Return rows of `[time, open, high, low, close, volume]` as candles, in their order.

    Raises
    ------
    SourceError
        If they are no bars of that timeframe, in order and each once; an empty list is no error.
    """
    what = f"a page of {symbol} {frame} bars"
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) >= 6 for row in rows):
        raise SourceError(f"{title} sent {what} of another shape than agreed: {_short(rows)}.")
    for row in rows:
        if type(row[0]) is not int or not all(_is_number(value) for value in row[1:6]):
            raise SourceError(f"{title} sent {what} with {_short(row)}, which is no bar.")
    columns: dict[str, Any] = {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}
    try:
        return Candles(**columns, symbol=symbol, timeframe=frame)
    except InputError as error:
        raise SourceError(f"{title} sent {what} that cannot be: {error}") from error


def read_price(ticker: Any, names: Container[str], now_ms: int) -> Price | None:
    """Return a ticker's last price; None without one, or for a market that is not in `names`.

    One that does not say when it was is as of now.
    """
    symbol = ticker.get("symbol") if isinstance(ticker, dict) else None
    if not isinstance(symbol, str) or symbol not in names:
        return None
    last, at, change = ticker.get("last"), ticker.get("timestamp"), ticker.get("percentage")
    if not _is_number(last) or last <= 0.0:
        return None
    told = at if type(at) is int and 0 < at < LATEST_MS else now_ms
    return Price(symbol, float(last), told, change / 100.0 if _is_number(change) else None)


def read_markets(markets: Any, mode: int) -> dict[str, SymbolInfo]:
    """Return spot markets and perpetuals by symbol.

    Left out are contracts that end, options, names that are not of our spelling, and markets without a step
    of price or amount (`mode` is ccxt's `precisionMode`). A market that is not called inactive trades.
    """
    found = {}
    for symbol, market in markets.items() if isinstance(markets, dict) else ():
        if not (market.get("spot") or market.get("swap")) or not _ours(symbol):
            continue
        precision = market.get("precision") or {}
        tick, step = _step(precision.get("price"), mode), _step(precision.get("amount"), mode)
        if tick is None or step is None:
            continue
        limits, created = market.get("limits") or {}, market.get("created")
        active = market.get("active")
        found[symbol] = SymbolInfo(
            symbol=symbol,
            status="halted" if active is False else "trading",
            tick=tick,
            step=step,
            min_amount=_least(limits.get("amount")),
            min_notional=_least(limits.get("cost")),
            listed_ms=created if type(created) is int and 0 < created < LATEST_MS else None,
            venue_status={True: "active", False: "inactive"}.get(active, ""),
        )
    return found


def _ours(symbol: str) -> bool:
    try:
        return parse_symbol(symbol) == symbol
    except InputError:
        return False


def _step(value: Any, mode: int) -> Decimal | None:
    if not _is_number(value) or mode == _DIGITS:
        return None
    size = Decimal(10) ** -int(value) if mode == _DECIMALS else Decimal(repr(value))
    return size if size > 0 else None


def _least(limit: Any) -> Decimal | None:
    least = limit.get("min") if isinstance(limit, dict) else None
    return Decimal(repr(least)) if _is_number(least) and least > 0 else None


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and math.isfinite(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
