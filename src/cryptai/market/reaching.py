"""Whether a venue can be reached: a few tries at the start, and a look from time to time where it was not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from cryptai.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cryptai.market.source import Backoff, CandleSource

_TRIES: Final = 3
_LOOK_S: Final = 60.0


async def reach(
    source: CandleSource,
    backoff: Backoff,
    rest: Callable[[float], Awaitable[object]],
    tell: Callable[[str], None],
) -> None:
    """Return once the venue answered as agreed.

    A venue that answers, if only to ask for a pause or to say that it has trouble of its own, is there: it is
    asked for ever, and `tell` is called with a sentence at each failure.

    Raises
    ------
    SourceError
        The last of three in a row that say that it cannot be reached, or at once one that is permanent.
    """
    unanswered = attempt = 0
    while True:
        try:
            await source.ping()
        except SourceError as error:
            unanswered = 0 if error.answered else unanswered + 1
            if error.permanent or unanswered >= _TRIES:
                raise
            wait = backoff.seconds(attempt)
            attempt += 1
            tell(f"{str(error).rstrip('.')}; trying again in {max(1, round(wait))} s.")
            await rest(wait)
        else:
            return


async def answers(source: CandleSource) -> None:
    """Return once a venue that could not be reached can be; it is asked every minute."""
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            await source.ping()
        except SourceError as error:
            if error.permanent:
                # It will not serve us: there is nothing more to wait for.
                await asyncio.get_running_loop().create_future()
        else:
            return
