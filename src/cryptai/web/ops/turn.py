"""Work that one of several servers does at a time: who holds its lease, and another when that one ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar

from django.db import DatabaseError, connections

from cryptai.web.ops.models import LEASE_MS, JobRun, Lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cryptai.web.ops.models import Held

T = TypeVar("T")

_log = logging.getLogger(__name__)
_LOOK_S: Final = 5.0


async def in_turn(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work for ever whenever it is this process's turn; it is cancelled when the turn is lost."""
    while True:
        try:
            held = await asyncio.to_thread(_ask, lambda: Lease.objects.take_free(name))
            if held is not None:
                await _while_held(held, work)
        except DatabaseError:
            _log.exception("Whose turn it is with %s cannot be known now.", name)
        await asyncio.sleep(_LOOK_S)


async def _while_held(held: Held, work: Callable[[], Awaitable[None]]) -> None:
    doing = asyncio.ensure_future(work())
    try:
        while not doing.done():
            await asyncio.wait([doing], timeout=LEASE_MS / 1000 / 4)
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
