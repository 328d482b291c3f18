"""Study: one search of one user, a sweep or a walk-forward, from the asking to the result on the disk."""

from __future__ import annotations

import json
from contextlib import closing
from shutil import rmtree
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.conf import settings
from django.db import models, transaction

from cryptai.errors import CryptaiError
from cryptai.market.exchange import PRACTICE
from cryptai.seams import monotonic, new_id, now_ms
from cryptai.web import jobs, live
from cryptai.web.accounts.models import User
from cryptai.web.research.asking import QueueFull, check_known, in_few_words, tries_as
from cryptai.web.scoped import ScopedQuerySet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptai.trading.request import BacktestRequest
    from cryptai.web.research.plans import Kind

# One runs at a time, for it takes all cores.
MOST_WAITING: Final = 5
_TOLD_S: Final = 0.5


class StudyQuerySet(ScopedQuerySet["Study"]):
    """Many searches, the one way to start one, and the one to stop it."""

    def start(self, user: User, kind: Kind, options: Mapping[str, Any]) -> Study:
        """Have a search run by the command's options, and return its row at once.

        Raises
        ------
        InputError
            For options that cannot be, as far as it shows without running the user's own code; then nothing
            is stored. What shows later is the reason of a failed search.
        QueueFull
            If too many of the user's searches are waiting.
        """
        from cryptai.strategies.strategy import strategies  # noqa: PLC0415 (heavy: not at start)
        from cryptai.web.research.plans import as_kept, read_study, sets_of  # noqa: PLC0415

        request, plan = read_study(kind, options)
        check_known(request)
        # A user's file is not imported in the server's process: how many sets it takes shows when it runs.
        total = sets_of(strategies.get(request.strategy), plan) if request.strategy in strategies else 0
        study = self._enqueue(user, kind, request, as_kept(options, request), total)
        jobs.submit_long(study.execute)
        return study

    def cancel(self, user: User, pk: str) -> bool:
        """Stop a search of the user's that has not ended, and soon its process; False where there is none."""
        waiting = self.for_user(user).filter(pk=pk, status__in=_OPEN)
        return waiting.update(status=Study.Status.CANCELLED, finished_ms=now_ms()) == 1

    def fail_abandoned(self, *, before_ms: int | None = None) -> int:
        """Close the searches (begun before) that a server left behind when it stopped; return how many."""
        begun = {} if before_ms is None else {"created_ms__lt": before_ms}
        return (
            self.unscoped("at start, searches of whoever was served before")
            .filter(status__in=_OPEN, **begun)
            .update(
                status=Study.Status.FAILED, finished_ms=now_ms(),
                reason="The server stopped. The sets that were finished are kept: started again, the same "
                "search goes on from there.",
            )
        )  # fmt: skip

    def _enqueue(
        self, user: User, kind: Kind, request: BacktestRequest, options: dict[str, Any], total: int
    ) -> Study:
        with transaction.atomic():
            waiting = self.for_user(user).filter(status__in=_OPEN).count()
            if waiting >= MOST_WAITING:
                raise QueueFull(
                    f"{waiting} of your searches are waiting already; let some finish, or cancel one."
                )
            return self.create(
                owner=user, kind=kind, created_ms=now_ms(), strategy=request.strategy,
                exchange=request.exchange, symbol=request.markets[0], timeframe=request.timeframe or "",
                request=options, total=total,
            )  # fmt: skip


class Study(models.Model):
    """One search of one user. Its result lies in `folder`, written before the row says COMPLETED."""

    class Kind(models.TextChoices):
        """What is searched."""

        SWEEP = "sweep", "Sweep"
        WALKFORWARD = "walkforward", "Walk-forward"

    class Status(models.TextChoices):
        """Where it stands."""

        QUEUED = "QUEUED"
        RUNNING = "RUNNING"
        COMPLETED = "COMPLETED"
        FAILED = "FAILED"
        CANCELLED = "CANCELLED"

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="studies")
    kind = models.CharField(max_length=11, choices=Kind.choices)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED)
    reason = models.TextField(blank=True, default="")  # of a failure: a sentence
    field = models.CharField(max_length=80, blank=True, default="")  # the option to blame for it
    created_ms = models.BigIntegerField()
    started_ms = models.BigIntegerField(null=True)
    finished_ms = models.BigIntegerField(null=True)
    strategy = models.CharField(max_length=64)
    exchange = models.CharField(max_length=32)
    symbol = models.CharField(max_length=41)
    timeframe = models.CharField(max_length=3)
    request = models.JSONField()  # the options by name, as the API takes them
    done = models.IntegerField(default=0)
    total = models.IntegerField(default=0)  # 0: not known yet
    best = models.JSONField(null=True)  # so far: `params` and `value`
    summary = models.JSONField(null=True)  # of the result: what a list shows

    objects: ClassVar[models.Manager[Study]] = StudyQuerySet.as_manager()

    class Meta:
        """Newest first, and quickly so for one user."""

        ordering = ("-created_ms", "-id")
        indexes = (models.Index(fields=("owner", "-created_ms"), name="study_of_owner"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.strategy} on {self.market_text} {self.timeframe}"

    @property
    def market_text(self) -> str:
        """Return its markets in a few words."""
        return in_few_words(self.request.get("symbols") or [self.symbol])

    @property
    def folder(self) -> Path:
        """Where `study.json` and what a page shows of it lie."""
        folder: Path = settings.WORKSPACE.runs / self.id
        return folder

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status not in _OPEN

    @property
    def practice(self) -> bool:
        """Whether it saw synthetic candles."""
        return self.exchange == PRACTICE

    def result(self, *, whole: bool = True) -> dict[str, Any]:
        """Return the command's object of a completed search; not whole, with its best sets only."""
        from cryptai.web.research.worker import RESULT, SHOWN  # noqa: PLC0415

        found: dict[str, Any] = json.loads((self.folder / (RESULT if whole else SHOWN)).read_text())
        return found

    def execute(self) -> None:
        """Run it in a process of its own, and keep how it went; a cancelled one leaves nothing."""
        from cryptai.web.research.searching import searched  # noqa: PLC0415

        if not self._change((self.Status.QUEUED,), status=self.Status.RUNNING, started_ms=now_ms()):
            return
        task = {
            "kind": self.kind,
            "options": self.request,
            "out": str(self.folder),
            "user": tries_as(self.owner),
        }
        summary = None
        try:
            with closing(searched(task, settings.WORKSPACE.root)) as lines:
                summary = self._followed(lines)
        except CryptaiError as error:
            self._fail(str(error), getattr(error, "field", None) or "")
        except Exception:
            self._fail("The search failed; the server's log says why.")
            raise
        finally:
            ended = {"status": self.Status.COMPLETED, "finished_ms": now_ms(), "summary": summary}
            if summary is None or not self._change((self.Status.RUNNING,), **ended):
                rmtree(self.folder, ignore_errors=True)

    def _followed(self, lines: Any) -> dict[str, Any] | None:
        """Keep the row's progress; return the summary at the end, None once it was cancelled."""
        noted = 0.0
        further: dict[str, Any] = {}
        for line in lines:
            if line is not None and "end" in line:
                self._change((self.Status.RUNNING,), **further)
                summary: dict[str, Any] = line["end"]
                return summary
            further = _progress(line) or further
            if line is None or monotonic() - noted >= _TOLD_S:
                noted = monotonic()
                if not self._change((self.Status.RUNNING,), **further):
                    return None
        return None

    def _fail(self, reason: str, field: str = "") -> None:
        self._change(_OPEN, status=self.Status.FAILED, finished_ms=now_ms(), reason=reason, field=field)

    # Only where it stands as it should: whoever cancelled or deleted it meanwhile is not undone by it.
    def _change(self, standing: tuple[str, ...], **values: Any) -> bool:
        rows = Study.objects.unscoped("the runner's own row").filter(pk=self.pk, status__in=standing)
        changed = rows.update(**values) == 1 if values else rows.exists()
        if changed and "status" in values:
            live.tell_user(self.owner_id, type="run", id=self.pk, status=values["status"])
        return changed


_OPEN: Final = (Study.Status.QUEUED, Study.Status.RUNNING)


def _progress(line: Mapping[str, Any] | None) -> dict[str, Any]:
    if line is None:
        return {}
    best = None if line["best"] is None else {"params": line["best"], "value": line["value"]}
    return {"done": line["done"], "total": line["total"], "best": best}
