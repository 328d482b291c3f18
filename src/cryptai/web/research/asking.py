"""What is looked at before anything is run for a user: whether it can be, and under whose name it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from cryptai.errors import InputError, LimitExceeded, UnknownName
from cryptai.web import live
from cryptai.web.accounts.models import User

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.trading.request import BacktestRequest


class QueueFull(LimitExceeded):
    """The user has as much waiting as one may have."""


def check_known(request: BacktestRequest) -> None:
    """Refuse a request whose strategy or candles are not there.

    Raises
    ------
    InputError
        With the near names, or what is stored; `field` names the option.
    """
    from cryptai.strategies.user import strategy_names  # noqa: PLC0415 (heavy: not at start)

    names = strategy_names(settings.WORKSPACE.strategies)
    if request.strategy not in names:
        raise UnknownName("strategy", request.strategy[:64], names, field="strategy")
    if not request.markets:
        raise InputError("symbol is missing; the data page shows what is stored.", field="symbol")
    if request.timeframe is None:
        raise InputError("timeframe is missing; the data page shows what is stored.", field="timeframe")
    for symbol in request.markets:
        live.store().read(request.exchange, symbol, request.timeframe, last=1)


def in_few_words(markets: Sequence[str]) -> str:
    """Return the markets of a run or a search as a line has room for them."""
    return markets[0] if len(markets) == 1 else f"{markets[0]} and {len(markets) - 1} more"


def tries_as(user: User) -> str:
    """Return under which name the ledger of trials knows a user: the owner's tries are the command's, too."""
    from cryptai.research.trials import OWNER  # noqa: PLC0415 (heavy: not at start)

    return OWNER if user == User.objects.owner() else f"user:{user.pk}"
