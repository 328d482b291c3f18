"""Work that one of several servers does at a time: who holds its lease, and another when that one ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar

from django.db import DatabaseError, connections

from cryptai.web.ops.models import JobRun, Lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cryptai.web.ops.models import Held

T = TypeVar("T")

_log = logging.getLogger(__name__)
# A server that died loses its turn after so long; another looks so often whether it has. Both together are
# what a standstill of the market lasts at most, beside the time to begin the work. The servers' clocks must
# agree to within the first.
TURN_MS: Final = 12_000
LOOK_S: Final = 2.0


async def in_turn(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work for ever whenever it is this process's turn; it is cancelled when the turn is lost."""
    while True:
        try:
            held = await asyncio.to_thread(_ask, lambda: Lease.objects.take_free(name, length_ms=TURN_MS))
            if held is not None:
                await _while_held(held, work)
        except DatabaseError:
            _log.exception("Whose turn it is with %s cannot be known now.", name)
        await asyncio.sleep(LOOK_S)


async def _while_held(held: Held, work: Callable[[], Awaitable[None]]) -> None:
    doing = asyncio.ensure_future(work())
    try:
        while not doing.done():
            await asyncio.wait([doing], timeout=held.length_ms / 1000 / 4)
            if not await asyncio.to_thread(_ask, held.extend):
                return
    finally:
        doing.cancel()
        await asyncio.wait([doing])
        await asyncio.to_thread(_ask, lambda: held.finish(JobRun.Status.COMPLETED, "The turn ended."))


def _ask(question: Callable[[], T]) -> T:
    try:
        return question()
    finally:
        connections.close_all()
