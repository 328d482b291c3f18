"""Holes of the store asked for once more: of their venue, then of a second source where one is named."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cryptai.errors import InputError
from cryptai.market.fetching import Downloaded, Fetching
from cryptai.market.spans import Span, missing
from cryptai.market.sync import keep
from cryptai.market.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptai.market.fetching import Series
    from cryptai.market.source import CandleSource
    from cryptai.market.store import CandleStore


async def repair(
    source: CandleSource,
    store: CandleStore,
    series: Sequence[Series] | None = None,
    *,
    second: CandleSource | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Downloaded]:
    """Ask the venue again for every hole between the first and the last stored bar of each series.

    Also for those that were recorded before: a venue may have mended its own. What it still has not is asked
    of `second`, if given, and stored as a bar of that source (`CandleStore.revisions` says so); what
    neither has stays a recorded hole. No bar is changed. `series` None is all that are stored of the venue.

    Raises
    ------
    InputError
        If one of the series is not stored.
    SourceError
        As `download` does.
    """
    stored = {(m.symbol, m.timeframe): m for m in await asyncio.to_thread(store.markets, source.name)}
    if lacking := [one for one in series or () if one not in stored]:
        symbol, frame = lacking[0]
        raise InputError(
            f"No bars of {symbol} {frame} of {source.name} are stored; bring some in with: "
            "cryptai data download."
        )
    chosen = list(stored if series is None else dict.fromkeys(series))
    work = {one: await asyncio.to_thread(_holes, store, source.name, one) for one in chosen}
    fetching = Fetching(source, store, chosen, progress)
    await fetching.run(work)
    if second is not None:
        for one in fetching.series.values():
            await _ask_second(second, source, store, one)
    return list(fetching.series.values())


async def _ask_second(
    second: CandleSource, source: CandleSource, store: CandleStore, one: Downloaded
) -> None:
    left: list[Span] = []
    for span in one.absent:
        walked = await walk(second, one.symbol, one.timeframe, span)
        if len(walked.candles):
            await keep(store, source.name, walked.candles, source=second.name)
        if walked.absent:
            await asyncio.to_thread(
                store.absences.add, source.name, one.symbol, one.timeframe, walked.absent, source=second.name
            )
        one.added += len(walked.candles)
        left += walked.absent
    one.absent = left


def _holes(store: CandleStore, exchange: str, series: Series) -> list[Span]:
    ts = store.read(exchange, *series).ts
    return missing(ts, series[1], int(ts[0]), int(ts[-1]))
