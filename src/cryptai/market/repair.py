"""Holes of the store asked for once more: of their venue, then of a second source where one is named."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cryptai.errors import InputError
from cryptai.market.fetching import Downloaded, Fetching
from cryptai.market.second import ask_second
from cryptai.market.spans import Span, missing

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
    paused: Callable[[float], None] | None = None,
) -> list[Downloaded]:
    """Ask the venue again for every hole between the first and the last stored bar of each series.

    Also for those that were recorded before: a venue may have mended its own. What it still has not is asked
    of `second`, if given, and stored as a bar of that source (`CandleStore.revisions` says so); what
    neither has stays a recorded hole. No bar is changed. Pauses are waited out as `download` does. `series`
    None is all that are stored of the venue.

    Raises
    ------
    InputError
        If one of the series is not stored.
    SourceError
        As `download` does; a failure of the second source is told in `Downloaded.failed`.
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
    fetching = Fetching(source, store, chosen, progress, paused)
    await fetching.run(work)
    if second is not None:
        await ask_second(second, source.name, store, fetching.series.values())
    return list(fetching.series.values())


def _holes(store: CandleStore, exchange: str, series: Series) -> list[Span]:
    ts = store.read(exchange, *series).ts
    return missing(ts, series[1], int(ts[0]), int(ts[-1]))
