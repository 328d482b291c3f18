"""Work that outlives a request: a small pool of threads inside the server."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from django.db import connections

from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)
_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="job")


def submit(job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """Run the job on a thread when one is free; what it raises lies in the future, defects in the log."""

    def run() -> R:
        try:
            return job(*args, **kwargs)
        except CryptaiError as error:
            # An answer to whoever asked, not a defect: no traceback for a misspelt name.
            _log.info("The job %s was refused: %s", getattr(job, "__qualname__", job), error)
            raise
        except Exception:
            _log.exception("The job %s failed.", getattr(job, "__qualname__", job))
            raise
        finally:
            connections.close_all()

    return _pool.submit(run)
