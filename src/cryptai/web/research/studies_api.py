"""`/api/v1/sweeps/` and `/api/v1/walkforwards/`: searches asked for, looked at and cancelled by a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from django.urls import reverse
from rest_framework.exceptions import NotFound, Throttled
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from cryptai.web.context import marked
from cryptai.web.research.api import refuse_large
from cryptai.web.research.asking import QueueFull
from cryptai.web.research.studies import Study

if TYPE_CHECKING:
    from rest_framework.request import Request

    from cryptai.web.accounts.models import User
    from cryptai.web.research.plans import Kind

_MOST_LISTED: Final = 100


class _OfOneKind(APIView):
    # Who may ask is the permission table's to say.
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope: ClassVar[str] = "backtests"
    kind: Kind = "sweep"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what is too large before it is read."""
        super().initial(request, *args, **kwargs)
        refuse_large(request)

    def of_user(self, request: Request, pk: str) -> Study:
        """Return a search of the caller's; another's is as if it were not."""
        found = Study.objects.for_user(request.user).filter(pk=pk, kind=self.kind).first()
        if found is None:
            raise NotFound(detail="There is no such search of yours.")
        row: Study = found
        return row


class Studies(_OfOneKind):
    """The caller's searches of a kind."""

    def get(self, request: Request) -> Response:
        """Answer the newest hundred, without their results."""
        rows = Study.objects.for_user(request.user).filter(kind=self.kind)[:_MOST_LISTED]
        return Response({f"{self.kind}s": [_told(row) for row in rows]})

    def post(self, request: Request) -> Response:
        """Begin one by the options of the command: 202 with its row, and as `Location` where to look."""
        user = cast("User", request.user)  # the permission class lets nobody else in
        try:
            study = Study.objects.start(user, self.kind, cast("dict[str, Any]", request.data))
        except QueueFull as error:
            raise Throttled(detail=str(error)) from error
        study.refresh_from_db()
        where = reverse(f"api-{self.kind}", args=[study.pk])
        return Response(_told(study), status=202, headers={"Location": where})


class OneStudy(_OfOneKind):
    """One of them."""

    def get(self, request: Request, pk: str) -> Response:
        """Answer how far it is, and the object that the command prints once it is done."""
        study = self.of_user(request, pk)
        told = _told(study)
        if study.status == Study.Status.COMPLETED:
            try:
                told["result"] = study.result()
            except (OSError, ValueError):
                told["reason"] = "The result's files are gone or damaged; run it again."
        return Response(told)


class CancelStudy(_OfOneKind):
    """The end of one."""

    def post(self, request: Request, pk: str) -> Response:
        """Cancel it; one that has ended stays as it is."""
        study = self.of_user(request, pk)
        Study.objects.cancel(cast("User", request.user), pk)
        study.refresh_from_db()
        return Response(_told(study))


def _told(study: Study) -> dict[str, Any]:
    return {
        "id": study.pk, "kind": study.kind, "status": study.status, **marked(study.exchange),
        "strategy": study.strategy, "symbol": study.symbol,
        "symbols": study.request.get("symbols") or [study.symbol], "timeframe": study.timeframe,
        "request": study.request, "created_ms": study.created_ms, "started_ms": study.started_ms,
        "finished_ms": study.finished_ms, "done": study.done, "total": study.total, "best": study.best,
        "summary": study.summary, "reason": study.reason or None, "field": study.field or None,
        "result": None,
    }  # fmt: skip
