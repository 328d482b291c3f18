"""Jobs inside the server: what is due is begun on threads, with nothing else to install."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, connections

from cryptai.errors import ConflictError
from cryptai.seams import now_ms
from cryptai.web.jobs import jobs
from cryptai.web.ops.models import Lease
from cryptai.web.ops.runs import run_due, run_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.web.jobs import Job

_log = logging.getLogger(__name__)
# The feed, pages and the first scan go before what was missed.
_FIRST_LOOK_S: Final = 15.0
# At least so often we look whether another process has died in the middle of a job.
_LOOK_S: Final = 30.0
# Not the threads of backtests: a long download must not keep a person waiting.
_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="schedule")
_underway: set[str] = set()
_changing = Lock()


async def keep() -> None:
    """Begin for ever what is due."""
    await asyncio.sleep(_FIRST_LOOK_S)
    while True:
        try:
            wait_s = await asyncio.to_thread(begin_due)
        except DatabaseError:
            _log.exception("The schedule could not be looked at.")
            wait_s = _LOOK_S
        await asyncio.sleep(wait_s)


def begin_due() -> float:
    """Begin each job that is due on a thread; return the seconds after which to look again."""
    now = now_ms()
    try:
        leases = {lease.job: lease for lease in Lease.objects.all()}
        for job in jobs:
            slot = job.due.last(now) if job.due else now
            lease = leases.get(job.name)
            if (job.due or job.forever) and (lease is None or lease.due(slot, now)):
                _begin(job, run_due)
    finally:
        connections.close_all()
    nexts = [job.due.next(now) - now for job in jobs if job.due]
    return min(_LOOK_S, *(next_ms / 1000 for next_ms in nexts)) if nexts else _LOOK_S


def enqueue(job: Job) -> None:
    """Run the job soon, on a thread; one that is running already is left at that."""
    _begin(job, run_now)


def _begin(job: Job, run: Callable[[Job], object]) -> None:
    with _changing:
        if job.name in _underway:
            return
        _underway.add(job.name)
    if job.forever:
        Thread(target=_work, args=(job, run), name=f"forever {job.name}", daemon=True).start()
    else:
        _pool.submit(_work, job, run)


def _work(job: Job, run: Callable[[Job], object]) -> None:
    try:
        run(job)
    except ConflictError:
        pass
    except Exception:  # noqa: BLE001 (the database, mostly; the next look tries again)
        _log.exception("The job %s could not be run.", job.name)
    finally:
        connections.close_all()
        with _changing:
            _underway.discard(job.name)
