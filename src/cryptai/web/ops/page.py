"""`/ops/jobs/` answers: is everything being kept up, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from cryptai.errors import UnknownName
from cryptai.seams import now_ms
from cryptai.web.jobs import jobs
from cryptai.web.ops.models import JobRun, Lease
from cryptai.web.ops.runs import newest_runs

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_RUNS: Final = 25


@require_http_methods(["GET", "HEAD", "POST"])
def jobs_page(request: HttpRequest) -> HttpResponse:
    """Show every job with its schedule and last run; a posted name has that job run soon."""
    if request.method == "POST":
        try:
            job = jobs.get(request.POST.get("job", "")[:80], field="job")
        except UnknownName as error:
            return _page(request, error=str(error), status=400)
        job.enqueue()
        return HttpResponseRedirect(f"{reverse('jobs')}?{urlencode({'asked': job.name})}")
    return _page(request)


def _page(request: HttpRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    now, newest = now_ms(), newest_runs()
    held = {lease.job for lease in Lease.objects.all() if lease.held(now)}
    rows = [
        {
            "job": job,
            "next_ms": job.due.next(now) if job.due else None,
            "newest": newest.get(job.name),
            "running": job.name in held,
        }
        for job in jobs
    ]
    asked = request.GET.get("asked", "")
    page = {
        "section": "jobs",
        "rows": rows,
        "runs": JobRun.objects.all()[:_RUNS],
        "asked": asked if asked in jobs.names() else "",
        # What was just asked for may not have begun.
        "busy": bool(asked) or any(row["running"] for row in rows),
        "error": error,
    }
    return render(request, "pages/jobs.html", page, status=status)
