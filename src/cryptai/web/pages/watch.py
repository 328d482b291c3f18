"""The read model of Today: the watchlist and the state of the data."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptai.market.timeframe import DAY_MS, TIMEFRAMES, Timeframe
from cryptai.web.pages.numbers import decimals_of
from cryptai.web.pages.stored import state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.market.candles import Candles
    from cryptai.market.newness import Stop
    from cryptai.market.store import CandleStore, Stored

_SPARK_DAYS: Final = 7
_SPARK_POINTS: Final = 56
# Hourly bars tell a week best; where there are none, the next longer or shorter ones do.
_PREFERRED: Final = ("1h", "30m", "15m", "4h", "5m", "1d", "1m", "1w")


@dataclass(frozen=True)
class Watched:
    """One row of the watchlist: the live price where there is one, else the last stored close."""

    symbol: str
    timeframe: str
    price: float
    decimals: int
    change_24h: float | None
    closes: list[float]
    last_close_ms: int
    state: str
    holes: int


@dataclass(frozen=True)
class Stock:
    """What is stored of one timeframe over all symbols of a venue."""

    timeframe: str
    symbols: int
    bars: int
    holes: int
    newest_close_ms: int
    state: str


def watchlist(
    store: CandleStore,
    stored: list[Stored],
    latest: Mapping[str, Mapping[str, Any]],
    now_ms: int,
    stops: Mapping[str, Stop],
) -> list[Watched]:
    """Return a row for each symbol, in order of name; `latest` are live prices by symbol."""
    of: dict[str, dict[str, Stored]] = defaultdict(dict)
    for one in stored:
        of[one.symbol][str(one.timeframe)] = one
    return [_watched(store, of[symbol], latest.get(symbol), now_ms, stops) for symbol in sorted(of)]


def stock(stored: list[Stored], now_ms: int, stops: Mapping[str, Stop]) -> list[Stock]:
    """Return a row for each stored timeframe, shortest first."""
    rows = []
    for name in TIMEFRAMES:
        these = [one for one in stored if one.timeframe == name]
        if these:
            newest = max(these, key=lambda one: one.last_ts)
            rows.append(
                Stock(
                    name, len(these), sum(s.bars for s in these), sum(s.holes for s in these),
                    newest.last_ts + newest.timeframe.ms, state(newest, now_ms, stops),
                )
            )  # fmt: skip
    return rows


def change_over(candles: Candles, span_ms: int) -> float | None:
    """Return the last close's change against the close `span_ms` before it; None where no bar is that old."""
    if not len(candles):
        return None
    then = candles.close_ts[-1] - span_ms
    row = int(candles.close_ts.searchsorted(then, side="right")) - 1
    # A hole at that instant may be bridged by one bar, not by more: an older close would be another change.
    if row < 0 or then - candles.close_ts[row] > candles.timeframe.ms:
        return None
    return float(candles.close[-1] / candles.close[row] - 1.0)


def _watched(
    store: CandleStore,
    of: dict[str, Stored],
    price: Mapping[str, Any] | None,
    now_ms: int,
    stops: Mapping[str, Stop],
) -> Watched:
    name = next(timeframe for timeframe in _PREFERRED if timeframe in of)
    one = of[name]
    frame = Timeframe(name)
    bars = max(2, _SPARK_DAYS * DAY_MS // frame.ms + 1)
    candles = store.read(one.exchange, one.symbol, name, last=min(bars, 700))
    every = max(1, -(-len(candles) // _SPARK_POINTS))
    closes = [float(v) for v in candles.close[::-1][::every][::-1]]
    return Watched(
        symbol=one.symbol, timeframe=name, price=float(price["price"] if price else candles.close[-1]),
        decimals=decimals_of(candles.close[-50:].tolist()),
        change_24h=price["change_24h"] if price else change_over(candles, DAY_MS),
        closes=closes, last_close_ms=one.last_ts + frame.ms, state=state(one, now_ms, stops), holes=one.holes,
    )  # fmt: skip
