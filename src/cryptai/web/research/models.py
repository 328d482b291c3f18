"""Run: one backtest of one user, from the asking to the result on the disk."""

from __future__ import annotations

import json
import logging
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from shutil import rmtree
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.conf import settings
from django.db import models, transaction

from cryptai.errors import CryptaiError, InputError, WorkspaceError
from cryptai.market.exchange import PRACTICE
from cryptai.seams import new_id, now_ms
from cryptai.web import jobs, live
from cryptai.web.accounts.models import User
from cryptai.web.research.asking import QueueFull, check_known, in_few_words, tries_as
from cryptai.web.research.studies import Study
from cryptai.web.scoped import ScopedQuerySet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.trading.request import BacktestRequest

__all__ = ["QueueFull", "Run", "Study"]

_log = logging.getLogger(__name__)
# More would only wait: two run at a time.
MOST_WAITING: Final = 20


class RunQuerySet(ScopedQuerySet["Run"]):
    """Many runs, and the one way to start one."""

    def run_backtest(self, user: User, options: Mapping[str, Any], *, patience_s: float = 0.0) -> Run:
        """Run a backtest of the command's options by name on a thread, and return its Run.

        Waits `patience_s` at most; the run may then still be queued or running, and its row says so.

        Raises
        ------
        InputError
            For options that cannot be, if it shows within `patience_s`; then nothing is stored. Later it is
            the reason of a failed run.
        LimitExceeded
            If the user's strategy took too much, or (`QueueFull`) too many of the user's runs are waiting.
        """
        request = _checked(options)
        run = self._enqueue(user, request)
        future = jobs.submit(run.execute, request)
        with suppress(NotYet):
            try:
                future.result(timeout=patience_s)
            except InputError:
                with transaction.atomic():
                    self.for_user(user).filter(pk=run.pk).delete()
                rmtree(run.folder, ignore_errors=True)
                raise
        run.refresh_from_db()
        return run

    def fail_abandoned(self, *, before_ms: int | None = None) -> int:
        """Close the runs (begun before) that a server left behind when it stopped; return how many."""
        begun = {} if before_ms is None else {"created_ms__lt": before_ms}
        return (
            self.unscoped("at start, runs of whoever was served before")
            .filter(status__in=(Run.Status.QUEUED, Run.Status.RUNNING), **begun)
            .update(status=Run.Status.FAILED, reason="The server stopped.", finished_ms=now_ms())
        )

    def _enqueue(self, user: User, request: BacktestRequest) -> Run:
        with transaction.atomic():
            waiting = self.for_user(user).filter(status__in=(Run.Status.QUEUED, Run.Status.RUNNING)).count()
            if waiting >= MOST_WAITING:
                raise QueueFull(f"{waiting} of your backtests are waiting already; let some of them finish.")
            return self.create(
                owner=user, created_ms=now_ms(), strategy=request.strategy, params=dict(request.params),
                exchange=request.exchange, symbol=request.markets[0], timeframe=request.timeframe or "",
                from_ms=request.start_ms, to_ms=request.end_ms, request=request.as_options(),
            )  # fmt: skip


class Run(models.Model):
    """One backtest of one user. Its result lies in `folder`, written before the row says COMPLETED."""

    class Status(models.TextChoices):
        """Where a run stands."""

        QUEUED = "QUEUED"
        RUNNING = "RUNNING"
        COMPLETED = "COMPLETED"
        FAILED = "FAILED"

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="runs")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED)
    reason = models.TextField(blank=True, default="")  # of a failure: a sentence
    field = models.CharField(max_length=80, blank=True, default="")  # the option to blame for it
    created_ms = models.BigIntegerField()
    started_ms = models.BigIntegerField(null=True)
    finished_ms = models.BigIntegerField(null=True)
    strategy = models.CharField(max_length=64)
    params = models.JSONField(default=dict)
    exchange = models.CharField(max_length=32)
    symbol = models.CharField(max_length=41)
    timeframe = models.CharField(max_length=3)
    from_ms = models.BigIntegerField(null=True)
    to_ms = models.BigIntegerField(null=True)
    request = models.JSONField()  # the options by name, as `POST /signals/api/backtests/` takes them
    metrics = models.JSONField(null=True)
    data_digest = models.CharField(max_length=64, blank=True, default="")
    run_digest = models.CharField(max_length=64, blank=True, default="")

    objects: ClassVar[models.Manager[Run]] = RunQuerySet.as_manager()

    class Meta:
        """Newest first, and quickly so for one user."""

        ordering = ("-created_ms", "-id")
        indexes = (models.Index(fields=("owner", "-created_ms"), name="run_of_owner"),)

    def __str__(self) -> str:
        return f"{self.strategy} {self.market_text} {self.timeframe}"

    @property
    def folder(self) -> Path:
        """Where `result.json` and `equity.npy` lie."""
        folder: Path = settings.WORKSPACE.runs / self.id
        return folder

    @property
    def markets(self) -> list[str]:
        """Return its markets: several of a portfolio."""
        return list(self.request.get("symbols") or [self.symbol])

    @property
    def market_text(self) -> str:
        """Return its markets in a few words."""
        return in_few_words(self.markets)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in (self.Status.COMPLETED, self.Status.FAILED)

    @property
    def practice(self) -> bool:
        """Whether it saw synthetic candles."""
        return self.exchange == PRACTICE

    def result(self) -> dict[str, Any]:
        """Return the command's object of a completed run."""
        found: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return found

    def equity(self) -> NDArray[np.float64]:
        """Return two rows: the open time of each bar (ms UTC), and the equity at its close."""
        import numpy as np  # noqa: PLC0415 (heavy: not at start)

        found: NDArray[np.float64] = np.load(self.folder / "equity.npy", allow_pickle=False)
        return found

    def evidence(self, found: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the evidence of `result()` by what was tried until now; None for runs of before evidence."""
        from cryptai.research.evidence import renewed  # noqa: PLC0415 (heavy: not at start)
        from cryptai.research.trials import tried  # noqa: PLC0415

        kept: dict[str, Any] | None = found.get("evidence")
        if kept is None:
            return None
        try:
            return renewed(found, tried(settings.WORKSPACE, self.strategy, user=tries_as(self.owner)))
        except WorkspaceError as error:
            _log.warning("%s", error)
            return kept

    def execute(self, request: BacktestRequest) -> None:
        """Run it here and now, and keep how it went; what it raises is in the row too."""
        self._change(status=self.Status.RUNNING, started_ms=now_ms())
        try:
            found = self._run(request)
        except CryptaiError as error:
            self._fail(str(error), getattr(error, "field", None) or "")
            raise
        except Exception:
            self._fail("The backtest failed; the server's log says why.")
            raise
        self._change(
            status=self.Status.COMPLETED, finished_ms=now_ms(), metrics=found["metrics"],
            data_digest=found["data_digest"], run_digest=found["run"], params=found["params"],
        )  # fmt: skip

    def _run(self, request: BacktestRequest) -> dict[str, Any]:
        import numpy as np  # noqa: PLC0415 (heavy: not at start)

        from cryptai.market.durable import make_folder, sync_file, sync_folder  # noqa: PLC0415
        from cryptai.research.noted import evidence_of  # noqa: PLC0415
        from cryptai.research.run_writing import markets_of, write_run  # noqa: PLC0415
        from cryptai.strategies.user import user_files  # noqa: PLC0415
        from cryptai.trading.isolated import run_isolated, save  # noqa: PLC0415
        from cryptai.trading.run import run_request  # noqa: PLC0415

        workspace, began_ms = settings.WORKSPACE, now_ms()
        make_folder(self.folder)
        if request.strategy in user_files(workspace.strategies):
            # A user's code never runs in this process.
            found = run_isolated(request.as_options(), workspace.root, self.folder)
            markets: Mapping[str, Candles] = {
                symbol: live.store().read(
                    request.exchange, symbol, str(request.timeframe), end_ms=request.end_ms, as_of_ms=began_ms
                )
                for symbol in request.markets
            }
        else:
            result = run_request(request, live.store())
            found, markets = save(result, self.folder), markets_of(result)
        ts, equity = self.equity()
        found["evidence"] = evidence_of(
            found, ts.astype(np.int64), equity, workspace, user=tries_as(self.owner), markets=markets
        )
        (self.folder / "result.json").write_text(json.dumps(found, allow_nan=False))
        for name in ("result.json", "equity.npy"):
            sync_file(self.folder / name)
        sync_folder(self.folder)
        write_run(
            found, ts.astype(np.int64), equity, self.folder, markets=markets, request=request.as_options(),
            as_of_ms=began_ms, strategy_file=user_files(workspace.strategies).get(request.strategy),
        )  # fmt: skip
        return found

    def _fail(self, reason: str, field: str = "") -> None:
        rmtree(self.folder, ignore_errors=True)  # nothing is stored by halves
        self._change(status=self.Status.FAILED, finished_ms=now_ms(), reason=reason, field=field)

    # Only these columns of only this row: whoever deleted it meanwhile is not undone by it.
    def _change(self, **values: Any) -> None:
        Run.objects.unscoped("the runner's own row").filter(pk=self.pk).update(**values)
        live.tell_user(self.owner_id, type="run", id=self.pk, status=values["status"])


# What can be said at once is said before a row is made; the rest the engine says.
def _checked(options: Mapping[str, Any]) -> BacktestRequest:
    from cryptai.trading.request import BacktestRequest  # noqa: PLC0415 (heavy: not at start)

    request = BacktestRequest.parse(options)
    check_known(request)
    return request
