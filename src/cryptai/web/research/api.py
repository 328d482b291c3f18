"""`POST /signals/api/backtests/`: the command's options as JSON, answered with the command's object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from rest_framework.exceptions import APIException, Throttled
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from cryptai.portfolio.rules import STOP, TARGET
from cryptai.trading.request import with_defaults
from cryptai.web.research.models import QueueFull, Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest_framework.request import Request

    from cryptai.web.accounts.models import User

# A user's strategy may take 60 s, and two runs may be before it.
_PATIENCE_S = 200.0
_LARGEST = 64 * 1024


class TooLarge(APIException):
    """The body is larger than any backtest needs."""

    status_code = 413
    default_detail = f"The body may be {_LARGEST // 1024} KiB long."


class StillRunning(APIException):
    """The run takes longer than a connection should be held."""

    status_code = 504
    default_detail = "The backtest takes longer than this address waits; its result will be in your history."


def refuse_large(request: Request) -> None:
    """Raise `TooLarge` for a body larger than any request of research needs, before it is read."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > _LARGEST:
        raise TooLarge


class Backtests(APIView):
    """Run a backtest and keep it in the user's history."""

    defaults: ClassVar[Mapping[str, Any]] = {}
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope: ClassVar[str] = "backtests"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what is too large before it is read."""
        super().initial(request, *args, **kwargs)
        refuse_large(request)

    def post(self, request: Request) -> Response:
        """Answer 200 with the object of `cryptai backtest --json`."""
        user = cast("User", request.user)  # the permission class lets nobody else in
        options = with_defaults(request.data, self.defaults)
        try:
            run = Run.objects.run_backtest(user, options, patience_s=_PATIENCE_S)
        except QueueFull as error:
            raise Throttled(detail=str(error)) from error
        if not run.finished:
            raise StillRunning
        return Response(run.result())


class BacktestsFixed(Backtests):
    """The second door to the one engine: `POST /signals/api/backtests-fixed/`.

    What is not said is another bracket: stop 8 % and target 15 %, whatever the strategy states for itself.
    Everything else, edge cases and holes in the data too, is the engine's, and one for both.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"stop": STOP, "target": TARGET}
