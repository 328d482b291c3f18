"""The second source: who is asked for a bar that its venue has not, and how its answer is kept.

No source is asked unless one is named: by `--second` of a command, or for all of them by CRYPTAI_SECOND. A
bar that it has is stored among the venue's and keeps its name (`CandleStore.revisions` tells); what it has
not is recorded as asked of both.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from cryptai.errors import InputError, SourceError
from cryptai.market.source import open_source
from cryptai.market.sync import keep
from cryptai.market.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptai.market.fetching import Downloaded
    from cryptai.market.source import CandleSource
    from cryptai.market.spans import Span
    from cryptai.market.store import CandleStore

SETTING: Final = "CRYPTAI_SECOND"


def open_second(exchange: str, named: str | None = None) -> CandleSource | None:
    """Return the source to ask for what a venue has not: the one named, else the setting's; None without one.

    The setting is passed over for the venue that it names: no source is its own second.

    Raises
    ------
    InputError
        If the name given is the venue itself, or either names the practice market, whose bars are synthetic.
    UnknownName
        If there is no such source.
    """
    name = named or os.environ.get(SETTING, "").strip()
    field = "second" if named else SETTING
    if not name or (name == exchange and not named):
        return None
    if name == exchange:
        raise InputError(f"--second must be another source than {exchange}.", field=field)
    source = open_source(name)
    if source.practice:
        raise InputError("The practice market is synthetic: it fills no hole of a venue.", field=field)
    return source


async def ask_second(
    second: CandleSource, exchange: str, store: CandleStore, done: Iterable[Downloaded]
) -> None:
    """Ask for the absent spans of each series, keep what comes, and take it off `absent`.

    A market that the source does not know keeps its holes. Where the source fails, the series says so in
    `failed`, and the others go on.
    """
    for one in done:
        left: list[Span] = []
        for span in one.absent:
            try:
                walked = await walk(second, one.symbol, one.timeframe, span)
            except InputError:
                left.append(span)
                continue
            except SourceError as error:
                one.failed = one.failed or f"{second.title} as the second source: {error}"
                left.append(span)
                continue
            if len(walked.candles):
                await keep(store, exchange, walked.candles, source=second.name)
            if walked.absent:
                await asyncio.to_thread(
                    store.absences.add, exchange, one.symbol, one.timeframe, walked.absent, source=second.name
                )
            one.added += len(walked.candles)
            left += walked.absent
        one.absent = left
