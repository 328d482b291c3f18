"""Jobs: one function, every way to run it; and the small pool of threads for what outlives a request.

::

    @job(cron="30 2 * * *")
    def update_historical_data_daily_task() -> str:
        \"\"\"Fetch what the day's hourly runs missed.\"\"\"

From it come a call in a test, `.enqueue()` in a view, `cryptai job NAME`, a thread of the server or a
Celery task with its schedule entry, and a row on the page of jobs. What it returns is a sentence, kept with
the run; a `CryptaiError` it raises is the reason of a failed run.
"""

from __future__ import annotations

import inspect
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final, ParamSpec, TypeVar

from django.conf import settings
from django.db import connections

from cryptai.errors import CryptaiError
from cryptai.registry import Registry
from cryptai.web.due import parse_cron, parse_every

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.web.due import Due

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)
_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="job")
# Minutes or hours each, on all cores: one after the other, and never before what a person waits for.
_long_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long job")


@dataclass(frozen=True)
class Job:
    """A function with a name and, mostly, a schedule."""

    work: Callable[[], str]
    due: Due | None
    heavy: bool
    forever: bool
    # Looking at a page must not run what it lists: a template calls what can be called.
    do_not_call_in_templates: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The function's name; the requirements' and the table's."""
        return self.work.__name__

    @property
    def meaning(self) -> str:
        """What it does, in one sentence."""
        return (inspect.getdoc(self.work) or "").split("\n", 1)[0]

    @property
    def schedule(self) -> str:
        """When it runs, as people read it."""
        return self.due.text if self.due else "always" if self.forever else "when asked"

    def __call__(self) -> str:
        """Do the work here and now, without lease or record."""
        return self.work()

    def enqueue(self) -> None:
        """Have it run soon, beside this request: on a thread of the server, or by a Celery worker."""
        import_module(settings.JOB_RUNNER).enqueue(self)


jobs: Final[Registry[Job]] = Registry("job", "cryptai.web.schedule")


def job(
    *, every: str | None = None, cron: str | None = None, heavy: bool = False, forever: bool = False
) -> Callable[[Callable[[], str]], Job]:
    """Register a function as a job, due `every` interval or by a `cron` line, in UTC.

    Parameters
    ----------
    heavy
        It computes for long: it gets a process or a queue of its own.
    forever
        It is to run always, and is started again when it has ended.
    """
    if sum((every is not None, cron is not None, forever)) > 1:
        raise ValueError("A job has one schedule: every, cron or forever.")
    due = parse_every(every) if every else parse_cron(cron) if cron else None

    def register(work: Callable[[], str]) -> Job:
        return jobs.add(work.__name__, Job(work, due, heavy, forever))

    return register


def submit(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """Run it on a thread when one is free; what it raises lies in the future, defects in the log."""
    return _submit(_pool, work, *args, **kwargs)


def submit_long(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """Run what takes long in the same way, after everything long that was asked for before."""
    return _submit(_long_pool, work, *args, **kwargs)


def _submit(pool: ThreadPoolExecutor, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    def run() -> R:
        try:
            return work(*args, **kwargs)
        except CryptaiError as error:
            # An answer to whoever asked, not a defect: no traceback for a misspelt name.
            _log.info("The job %s was refused: %s", getattr(work, "__qualname__", work), error)
            raise
        except Exception:
            _log.exception("The job %s failed.", getattr(work, "__qualname__", work))
            raise
        finally:
            connections.close_all()

    return pool.submit(run)
