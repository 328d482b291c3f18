"""What the catalog keeps things by and under: a market, what a write must know of it, a segment, the tail."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptai.market.candles import Candles
    from cryptai.market.timeframe import Timeframe


class Market(NamedTuple):
    """What candles are kept by: venue, symbol and timeframe."""

    exchange: str
    symbol: str
    timeframe: Timeframe

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe} of {self.exchange}"


class State(NamedTuple):
    """What a write must know of a market: its key, newest bar, last change, and how long its tail is."""

    id: int
    last_ts: int
    changed_at_ms: int
    tail_rows: int
    tail_bars: int


class Segment(NamedTuple):
    """One file of candles: its partition, the digest of its bars and their extent."""

    partition: str
    digest: str
    rows: int
    first_ts: int
    last_ts: int


class Tail(NamedTuple):
    """The bars that are not in a segment, and the rows they are kept in."""

    candles: Candles
    ids: tuple[int, ...]
    written_at_ms: int
