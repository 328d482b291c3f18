"""History into the store: what is missing and only that, several at a time, safe to kill at any moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai import seams
from cryptai.market.fetching import Downloaded, Fetching
from cryptai.market.second import ask_second
from cryptai.market.spans import Span, missing, without
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import DAY_MS, Timeframe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cryptai.market.source import CandleSource
    from cryptai.market.store import CandleStore

# A bar not had within a day of its close may still come: it is asked for again by the next download.
_SETTLED_MS: Final = DAY_MS


async def download(
    source: CandleSource,
    store: CandleStore,
    symbols: Sequence[str],
    timeframes: Sequence[str],
    *,
    since_ms: int,
    until_ms: int | None = None,
    listed: Mapping[str, int] | None = None,
    second: CandleSource | None = None,
    progress: Callable[[int, int], None] | None = None,
    paused: Callable[[float], None] | None = None,
    rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[Downloaded]:
    """Store every closed bar that opens in `[since_ms, until_ms)` and that the venue has.

    What is stored, and what the venue was known not to have a day after its close, is not asked for again.
    What the venue does not give when asked twice, although it has newer bars, is recorded as a hole, and
    asked of `second`, if given, whose bars keep its name (`CandleStore.revisions`).
    What lies before the day that `listed` names for a market (ms UTC) is not asked for at all.
    Killed at any moment, the next call goes on: each write is whole, the oldest bars come first.
    `progress(done, total)` counts bars. A pause that the venue asks for is waited out (by `rest`), up to an
    hour without an answer; `paused(seconds)` is told when one begins.

    Raises
    ------
    InputError
        If the venue has not one of the markets: nothing was stored.
    SourceError
        When asking is hopeless (permanent), or everything fails; what was stored stays. A
        failure of one series is told in its `Downloaded.failed`, and the others go on.
    """
    frames = [Timeframe(name) for name in dict.fromkeys(timeframes)]
    names = dict.fromkeys(parse_symbol(symbol) for symbol in symbols)
    series = [(symbol, frame) for symbol in names for frame in frames]
    since = {symbol: max(since_ms, _day(listed, symbol)) for symbol in names}
    work = {
        one: await asyncio.to_thread(_lacking, store, source, *one, since[one[0]], until_ms) for one in series
    }
    for one in series:
        await asyncio.to_thread(store.sync_log.cut_off, source.name, *one)
    fetching = Fetching(source, store, series, progress, paused, rest)
    newest = await fetching.newest([one for one, spans in work.items() if spans])
    # Where the venue's own bars end nothing is missing yet: a hole is one only before its newest bar.
    await fetching.run({one: _before(work[one], ts + one[1].ms) for one, ts in newest.items()})
    if second is not None:
        await ask_second(second, source.name, store, fetching.series.values())
    return list(fetching.series.values())


def _day(listed: Mapping[str, int] | None, symbol: str) -> int:
    # The whole day, and the week that it is in: the first bar may open before trading did.
    return Timeframe("1w").floor((listed or {}).get(symbol, 0))


def _before(spans: list[Span], end: int) -> list[Span]:
    return [(first, min(last, end)) for first, last in spans if first < end]


def _lacking(
    store: CandleStore, source: CandleSource, symbol: str, frame: Timeframe, start: int, until: int | None
) -> list[Span]:
    end = frame.last_closed(max(source.now_ms(), seams.now_ms())) + frame.ms
    end = end if until is None else min(end, until)
    known = any((m.symbol, m.timeframe) == (symbol, frame) for m in store.markets(source.name))
    ts = store.read(source.name, symbol, frame).ts if known else np.empty(0, np.int64)
    settled = [
        (one.first_ts, one.end_ts)
        for one in store.absences.of(source.name, symbol, frame)
        if one.end_ts <= one.asked_at_ms - _SETTLED_MS
    ]
    return without(missing(ts, frame, start, end), settled)
