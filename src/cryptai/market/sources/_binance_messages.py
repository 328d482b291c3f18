"""What Binance sends, read strictly: a page of klines, a message of the stream, the clock of an answer."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from cryptai.errors import InputError, SourceError
from cryptai.market.candles import Candles
from cryptai.market.source import Bar, Price
from cryptai.market.timeframe import TIMEFRAMES, Timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cryptai.market.source import Event

# float() would also take "1_0", " 1 ", "nan" and "inf".
_NUMBER: Final = re.compile(r"[0-9]{1,30}+(?:\.[0-9]{1,30}+)?+")
_NUMBERS: Final = re.compile(rf"{_NUMBER.pattern}(?:,{_NUMBER.pattern})*+")

# As Binance writes most: eight decimals, and so few digits that an integer of all of them is exact.
_CENTS: Final = re.compile(r"[0-9]{1,7}+\.[0-9]{8}(?:,[0-9]{1,7}+\.[0-9]{8})*+")


class MarketNonsense(SourceError):
    """A stream message about one market that cannot be: the other markets of the connection are sound."""

    def __init__(self, symbol: str, message: str) -> None:
        super().__init__(message)
        self.symbol = symbol


def parse_json(text: str | bytes, what: str) -> Any:
    """Return the JSON value; raise `SourceError` for anything that is not strict JSON, NaN included."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"Binance sent {what} that is not JSON: {_short(text)}.") from error


def parse_klines(rows: Any, symbol: str, frame: Timeframe) -> Candles:
    """Return a page of `/api/v3/klines` as candles, the unfinished last one with it.

    A row is `[open time, "open", "high", "low", "close", "volume", close time, …]`.
    """
    what = f"a page of {symbol} {frame} klines"
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) >= 6 for row in rows):
        raise SourceError(f"Binance sent {what} of another shape than agreed: {_short(rows)}.")
    numbers = _numbers([value for row in rows for value in row[1:6]], what).reshape(-1, 5)
    return _candles([[_time(row[0], what) for row in rows], *numbers.T], symbol, frame, what)


def parse_message(text: str | bytes, names: Mapping[str, str]) -> Event | None:
    """Return what a message of the combined stream says; None if it is about nothing we follow.

    `names` gives our symbol for the venue's: `{"BTCUSDT": "BTC/USDT"}`. A kline is closed when the venue
    says so (`k.x`) at a time of its own (`E`) at which it can be, and only then.

    Raises
    ------
    MarketNonsense
        For what is about one of the markets in `names` and cannot be.
    SourceError
        For what is not a message at all.
    """
    message = parse_json(text, "a stream message")
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        raise SourceError(f"Binance sent a stream message of another shape than agreed: {_short(message)}.")
    symbol = names.get(str(data.get("s")))
    if symbol is None:
        return None
    try:
        if data.get("e") == "kline":
            return _kline(data["k"], symbol, data["E"])
        if data.get("e") == "24hrMiniTicker":
            return _mini_ticker(data, symbol)
    except (KeyError, TypeError) as error:
        raise MarketNonsense(
            symbol, f"Binance sent a {data['e']} of {symbol} that lacks {error}: {_short(message)}."
        ) from error
    except SourceError as error:
        raise MarketNonsense(symbol, str(error)) from error
    return None


def parse_tickers(rows: Any, names: Mapping[str, str]) -> list[Price]:
    """Return what `/ticker/24hr` says of the markets in `names` (our symbol by the venue's).

    A market without a trade has no price and is left out.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceError(f"Binance sent prices of another shape than agreed: {_short(rows)}.")
    found = []
    for row in rows:
        symbol = names.get(str(row.get("symbol")))
        if symbol is None:
            continue
        what = f"a price of {symbol}"
        price, before = _number(row.get("lastPrice"), what), _number(row.get("openPrice"), what)
        if price > 0.0:
            change = price / before - 1.0 if before > 0.0 else None
            found.append(Price(symbol, price, _time(row.get("closeTime"), what), change))
    return found


def _kline(k: Any, symbol: str, said_ms: Any) -> Bar | None:
    if k["i"] not in TIMEFRAMES:
        return None
    frame, what = Timeframe(k["i"]), f"a {k['i']} kline of {symbol}"
    if not isinstance(k["x"], bool):
        raise SourceError(f"Binance sent {what} that is neither closed nor open: {_short(k)}.")
    ts = _time(k["t"], what)
    opens, high, low, close, volume = (_number(k[key], what) for key in "ohlcv")
    _candles([[ts], [opens], [high], [low], [close], [volume]], symbol, frame, what)
    closed = k["x"] and _time(said_ms, what) >= ts + frame.ms
    return Bar(symbol, str(frame), (ts, opens, high, low, close, volume), closed=closed)


def _mini_ticker(data: dict[str, Any], symbol: str) -> Price | None:
    what = f"a price of {symbol}"
    price, before = _number(data["c"], what), _number(data["o"], what)
    ts = _time(data["E"], what)
    if price == 0.0:
        # A market that is halted, or was never traded, has no price; it does not cost 0.
        return None
    return Price(symbol, price, ts, price / before - 1.0 if before > 0.0 else None)


def _candles(columns: Sequence[Any], symbol: str, frame: Timeframe, what: str) -> Candles:
    ts, opens, high, low, close, volume = columns
    try:
        return Candles(ts, opens, high, low, close, volume, symbol, frame)
    except InputError as error:
        raise SourceError(f"Binance sent {what} that cannot be: {error}") from error


def _time(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise SourceError(f"Binance sent {what} with the time {_short(value)}, which is not one.")
    return value


def _number(value: Any, what: str) -> float:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise SourceError(f"Binance sent {what} with {_short(value)} where a number stands.")
    return float(value)


def _numbers(values: list[Any], what: str) -> NDArray[np.float64]:
    # A page is thousands of them: all are looked at together, and one by one where one is none.
    try:
        text = ",".join(values)
        if text.count(",") == len(values) - 1 and _CENTS.fullmatch(text):
            # Both are exact, and a division rounds once: the nearest number to what is written.
            return np.fromstring(text.replace(".", ""), np.int64, sep=",") / 1e8
    except TypeError:
        pass
    return np.array([_number(value, what) for value in values])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _short(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
