"""Who may run a job now (a lease), and every run that was (a record)."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from django.db import models

from cryptai.seams import new_id, now_ms

if TYPE_CHECKING:
    from cryptai.web.jobs import Job

# A process that has not extended its lease for so long is taken for dead. Clocks of several machines may
# differ by less than this.
LEASE_MS: Final = 60_000
# A run whose process died is begun once more, not for ever: it may be what killed the process.
_MOST_ATTEMPTS: Final = 2
_KEPT_RUNS: Final = 500


class LeaseManager(models.Manager["Lease"]):
    """The one way to a lease: compare and set, so that of several processes one gets it."""

    def take_due(self, job: Job) -> Held | None:
        """Take the lease if the job is due and nobody holds it; None otherwise.

        However many moments were missed, the newest is caught up, once. A job seen for the first time
        waits for its next moment: nothing was missed.
        """
        now = now_ms()
        if job.due is None and not job.forever:
            return None
        slot = job.due.last(now) if job.due else now
        row = self._seen(job.name, first_slot_ms=0 if job.forever else slot)
        if row.due(slot, now):
            attempt = 1 if slot > row.slot_ms else row.attempt + 1
            return self._take(row, now, slot_ms=slot, attempt=attempt, for_slot=True)
        return None

    def take_now(self, job: Job) -> Held | None:
        """Take the lease whatever the schedule says, unless somebody holds it."""
        return self.take_free(job.name, first_slot_ms=job.due.last(now_ms()) if job.due else 0)

    def take_free(self, name: str, *, first_slot_ms: int = 0, length_ms: int = LEASE_MS) -> Held | None:
        """Take the lease of that name unless somebody holds it, for so long at a time."""
        now = now_ms()
        row = self._seen(name, first_slot_ms=first_slot_ms)
        if row.held(now):
            return None
        return self._take(
            row, now, slot_ms=row.slot_ms, attempt=_MOST_ATTEMPTS, for_slot=False, length_ms=length_ms
        )

    def _seen(self, name: str, *, first_slot_ms: int) -> Lease:
        row, _made = self.get_or_create(
            job=name, defaults={"token": new_id(), "slot_ms": first_slot_ms, "attempt": _MOST_ATTEMPTS}
        )
        return row

    def _take(
        self, row: Lease, now: int, *, slot_ms: int, attempt: int, for_slot: bool, length_ms: int = LEASE_MS
    ) -> Held | None:
        token = new_id()
        # One statement: of all who saw the row as it was, one changes it.
        changed = self.filter(job=row.job, token=row.token).update(
            token=token, until_ms=now + length_ms, slot_ms=slot_ms, attempt=attempt
        )
        if changed != 1:
            return None
        JobRun.objects.filter(job=row.job, status=JobRun.Status.RUNNING).update(
            status=JobRun.Status.FAILED, ended_ms=now, reason="The process that ran it ended before it did."
        )
        run = JobRun.objects.create(
            job=row.job,
            slot_ms=slot_ms if for_slot else None,
            holder=f"{socket.gethostname()}:{os.getpid()}"[:120],
            started_ms=now,
        )
        return Held(row.job, token, run, length_ms)


class Lease(models.Model):
    """The right to run one job. `until_ms` is None while nobody holds it."""

    job = models.CharField(primary_key=True, max_length=80)
    token = models.CharField(max_length=32)  # new with every change: what a compare-and-set compares
    until_ms = models.BigIntegerField(null=True)
    slot_ms = models.BigIntegerField()  # the newest due moment that was begun
    attempt = models.PositiveSmallIntegerField()

    objects: ClassVar[LeaseManager] = LeaseManager()

    def __str__(self) -> str:
        return self.job

    def held(self, now: int) -> bool:
        """Return whether a living process holds it."""
        return self.until_ms is not None and self.until_ms > now

    def due(self, slot: int, now: int) -> bool:
        """Return whether a run for that moment should begin."""
        if self.held(now):
            return False
        abandoned = self.until_ms is not None
        return slot > self.slot_ms or (abandoned and self.attempt < _MOST_ATTEMPTS)


@dataclass(frozen=True)
class Held:
    """A lease this process holds, and the record of the run it is for."""

    job: str
    token: str
    run: JobRun
    length_ms: int = LEASE_MS

    def extend(self) -> bool:
        """Hold it for longer; False if it was lost meanwhile, to whoever took this process for dead."""
        return self._mine().update(until_ms=now_ms() + self.length_ms) == 1

    def finish(self, status: str, reason: str) -> JobRun:
        """Record how the run ended, forget the oldest runs, and let go."""
        runs = JobRun.objects.filter(job=self.job)
        # Whoever took us for dead has closed the record already; that stays.
        runs.filter(pk=self.run.pk, status=JobRun.Status.RUNNING).update(
            status=status, reason=reason, ended_ms=now_ms()
        )
        runs.filter(pk__in=list(runs.values_list("pk", flat=True)[_KEPT_RUNS:])).delete()
        self._mine().update(token=new_id(), until_ms=None)
        self.run.refresh_from_db()
        return self.run

    def _mine(self) -> models.QuerySet[Lease]:
        return Lease.objects.filter(job=self.job, token=self.token)


class JobRun(models.Model):
    """One run of one job: begun, ended, how, and why. Of a job the newest 500 are kept."""

    class Status(models.TextChoices):
        """Where a run stands."""

        RUNNING = "RUNNING"
        COMPLETED = "COMPLETED"
        FAILED = "FAILED"

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    job = models.CharField(max_length=80)
    slot_ms = models.BigIntegerField(null=True)  # the due moment it is for; None when somebody asked
    holder = models.CharField(max_length=120)  # machine and process
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.RUNNING)
    reason = models.TextField(blank=True, default="")
    started_ms = models.BigIntegerField()
    ended_ms = models.BigIntegerField(null=True)

    class Meta:
        """Newest first."""

        ordering = ("-started_ms", "-id")
        indexes = (models.Index(fields=["job", "-started_ms"], name="run_of_job"),)

    def __str__(self) -> str:
        return f"{self.job} {self.status}"
