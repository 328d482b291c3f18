"""`cryptai job NAME` and `cryptai jobs`: run one of the platform's jobs now, and list them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Json

if TYPE_CHECKING:
    from cryptai.web.jobs import Job
    from cryptai.web.ops.models import JobRun


def register(app: typer.Typer) -> None:
    """Add both verbs."""
    app.command("job", epilog="Example: cryptai job update_historical_data_task")(run_job)
    app.command("jobs", epilog="Example: cryptai jobs --json")(list_jobs)


def run_job(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that `cryptai jobs` lists.")],
    json_: Json = False,
) -> None:
    """Run a job of the platform here and now, whatever its schedule says.

    Works beside a running server; what runs there already is not begun a second time. The run is recorded
    like any other. Exit status 2 if it failed.
    """
    from cryptai.cli.platform import open_platform
    from cryptai.errors import CryptaiError

    open_platform()
    from cryptai.web.jobs import jobs
    from cryptai.web.ops.models import JobRun
    from cryptai.web.ops.runs import run_now

    run = run_now(jobs.get(name, field="name"))
    if json_:
        print(json.dumps(_run(run)))
    if run.status == JobRun.Status.FAILED:
        raise CryptaiError(f"{run.job} failed: {run.reason}")
    if not json_:
        print(run.reason)


def list_jobs(json_: Json = False) -> None:
    """List the platform's jobs: when each is due, and how its last run ended."""
    from cryptai.cli.platform import open_platform

    open_platform()
    from cryptai.seams import now_ms
    from cryptai.web.jobs import jobs
    from cryptai.web.ops.runs import newest_runs

    now, newest = now_ms(), newest_runs()
    rows = [_listed(job, newest.get(job.name), now) for job in jobs]
    if json_:
        print(json.dumps({"jobs": rows}, indent=2))
        return
    for row in rows:
        last = row["last_run"]
        print(f"{row['name']}  ({row['schedule']})")
        print(f"    {row['meaning']}")
        if last:
            reason = f": {last['reason']}" if last["reason"] else ""
            print(f"    {last['status'].lower()} {last['started']}{reason}")
        print(f"    next {row['next']}" if row["next"] else "    runs when asked")


def _listed(job: Job, newest: JobRun | None, now: int) -> dict[str, Any]:
    from cryptai.market.times import iso

    return {
        "name": job.name,
        "meaning": job.meaning,
        "schedule": job.schedule,
        "next": iso(job.due.next(now)) if job.due else None,
        "last_run": _run(newest) if newest else None,
    }


def _run(run: JobRun) -> dict[str, Any]:
    from cryptai.market.times import iso

    return {
        "job": run.job,
        "status": run.status,
        "reason": run.reason,
        "due": None if run.slot_ms is None else iso(run.slot_ms),
        "started": iso(run.started_ms),
        "ended": None if run.ended_ms is None else iso(run.ended_ms),
    }
