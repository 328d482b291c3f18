"""Jobs in Celery, made from the registry: a task and a schedule entry each; the lease still decides who runs.

::

    celery -A cryptai.web.celery worker        # works off all queues; -Q cryptai.heavy for those alone
    celery -A cryptai.web.celery beat          # keeps nothing: what was missed stands in the leases
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cryptai.web.settings")
django.setup()

from celery import Celery  # noqa: E402 (Django's settings come first)
from celery.schedules import BaseSchedule, schedstate  # noqa: E402
from celery.signals import beat_init, worker_init  # noqa: E402
from django.conf import settings  # noqa: E402
from kombu.entity import Exchange, Queue  # noqa: E402

from cryptai.errors import ConflictError  # noqa: E402
from cryptai.seams import now_ms  # noqa: E402
from cryptai.web import live  # noqa: E402
from cryptai.web.jobs import Job, jobs  # noqa: E402
from cryptai.web.ops.runs import run_due, run_now  # noqa: E402
from cryptai.web.relay import tell_once  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.web.due import Due

# What runs for ever is begun anew this long after it ended, or after its process died.
_FOREVER_S: Final = 30.0

app = Celery("cryptai")


class Moments(BaseSchedule):  # type: ignore[misc]
    """A job's due moments as Celery's beat asks for them."""

    def __init__(self, due: Due | None) -> None:
        super().__init__(nowfun=lambda: _moment(now_ms()), app=app)
        self.due = due

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Return whether a moment has come since, and in how many seconds to ask again."""
        now, last = now_ms(), round(last_run_at.timestamp() * 1000)
        if self.due is None:
            return schedstate(now - last >= _FOREVER_S * 1000, _FOREVER_S)
        return schedstate(self.due.last(now) > last, (self.due.next(now) - now) / 1000)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return the time until the next moment."""
        return timedelta(seconds=self.is_due(last_run_at).next)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moments) and self.due == other.due

    __hash__ = None  # type: ignore[assignment]


async def keep() -> None:
    """Do nothing: beat keeps the schedule, not the server."""


def enqueue(job: Job) -> None:
    """Have a worker run the job soon, whatever its schedule says."""
    app.tasks[_name(job)].delay(asked=True)


def _task(job: Job) -> Callable[..., None]:
    def run(*, asked: bool = False) -> None:
        with suppress(ConflictError):  # it is running already: that is what was asked for
            (run_now if asked else run_due)(job)

    return run


def _name(job: Job) -> str:
    return f"cryptai.{job.name}"


def _queue(job: Job) -> str:
    return "cryptai.forever" if job.forever else "cryptai.heavy" if job.heavy else "cryptai"


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


# Beat knows nothing of what it missed while it was down; the leases do, and refuse what is not due.
@beat_init.connect  # type: ignore[untyped-decorator]
def _catch_up(**_said: Any) -> None:
    for job in jobs:
        if job.due or job.forever:
            app.tasks[_name(job)].delay()


# A worker has no browsers: what a job tells a user goes to the servers.
@worker_init.connect  # type: ignore[untyped-decorator]
def _speak(**_said: Any) -> None:
    live.speak_by(lambda event: tell_once(settings.REDIS_URL, settings.REDIS_PREFIX, event))


app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_transport_options={"global_keyprefix": settings.REDIS_PREFIX},
    broker_connection_retry_on_startup=True,
    beat_scheduler="celery.beat:Scheduler",
    beat_max_loop_interval=30,
    enable_utc=True,
    task_ignore_result=True,
    task_default_queue="cryptai",
    task_queues=[
        Queue(name, Exchange("cryptai"), routing_key=name)  # type: ignore[no-untyped-call]
        for name in ("cryptai", "cryptai.heavy", "cryptai.forever")
    ],
    task_routes={_name(job): {"queue": _queue(job)} for job in jobs},
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    beat_schedule={
        job.name: {"task": _name(job), "schedule": Moments(job.due)} for job in jobs if job.due or job.forever
    },
)
for _job in jobs:
    app.task(_task(_job), name=_name(_job))
