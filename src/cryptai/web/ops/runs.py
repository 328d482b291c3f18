"""Run a job: under its lease, recorded, extended while it lasts."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, connections
from django.db.models import OuterRef, Subquery

from cryptai.errors import ConflictError, CryptaiError
from cryptai.web.jobs import jobs
from cryptai.web.ops.models import LEASE_MS, Held, JobRun, Lease

if TYPE_CHECKING:
    from cryptai.web.jobs import Job

_log = logging.getLogger(__name__)
# What a heavy job's own process runs; its last line is what the job returned or refused.
_CHILD: Final = """
import json, sys, django
django.setup()
from cryptai.errors import CryptaiError
from cryptai.web.jobs import jobs
try:
    told = {"said": jobs.get(sys.argv[1])()}
except CryptaiError as error:
    told = {"failed": str(error)}
print(json.dumps(told))
"""


class JobFailed(CryptaiError):
    """A heavy job's own process ended without an answer, or with a refusal."""


def run_due(job: Job) -> JobRun | None:
    """Run the job if it is due and nobody else runs it; return its record, None if it was not for us."""
    held = Lease.objects.take_due(job)
    return _run(job, held) if held else None


def run_now(job: Job) -> JobRun:
    """Run the job whatever its schedule says; raise `ConflictError` if it is running already."""
    held = Lease.objects.take_now(job)
    if held is None:
        raise ConflictError(f"{job.name} is running already; let it finish.", field="job")
    return _run(job, held)


def newest_runs() -> dict[str, JobRun]:
    """Return the newest run of each registered job that ever ran."""
    newest = JobRun.objects.filter(job=OuterRef("job")).values("pk")[:1]
    found = JobRun.objects.filter(
        pk__in=Lease.objects.filter(job__in=jobs.names()).values(newest=Subquery(newest))
    )
    return {run.job: run for run in found}


def _run(job: Job, held: Held) -> JobRun:
    over = Event()
    extending = Thread(target=_extend, args=(held, over), name=f"lease of {job.name}", daemon=True)
    extending.start()
    try:
        said = _in_own_process(job.name) if job.heavy else job()
        outcome = JobRun.Status.COMPLETED, said
    except CryptaiError as error:
        outcome = JobRun.Status.FAILED, str(error)
    except Exception as error:  # noqa: BLE001 (whatever it was: the run is recorded, and others go on)
        _log.exception("The job %s failed.", job.name)
        outcome = JobRun.Status.FAILED, f"A mistake of ours ({type(error).__name__}); the log says more."
    except BaseException:
        held.finish(JobRun.Status.FAILED, "It was interrupted.")
        raise
    finally:
        over.set()
        extending.join()
    return held.finish(*outcome)


def _extend(held: Held, over: Event) -> None:
    try:
        while not over.wait(LEASE_MS / 1000 / 4):
            try:
                if not held.extend():
                    _log.error("The lease of %s was lost while it ran.", held.job)
                    return
            except DatabaseError:
                _log.exception("The lease of %s could not be extended.", held.job)
    finally:
        connections.close_all()


def _in_own_process(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, name], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False
    )
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode or not lines:
        raise JobFailed(f"Its own process ended with {done.returncode}; the log says more.")
    told: dict[str, str] = json.loads(lines[-1])
    if "failed" in told:
        raise JobFailed(told["failed"])
    return told["said"]
