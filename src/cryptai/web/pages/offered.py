"""What the forms of the laboratory offer: strategies with their parameters, and the markets of a venue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from cryptai.errors import CryptaiError
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.web import live
from cryptai.web.context import shown
from cryptai.web.pages import stored

if TYPE_CHECKING:
    from django.http import HttpRequest

    from cryptai.parameters import Parameter


def strategy_names() -> list[str]:
    """Return the names of all strategies, the user's own files among them."""
    from cryptai.strategies.user import strategy_names as names  # noqa: PLC0415 (it imports the strategies' files)

    return names(settings.WORKSPACE.strategies)


def declared_of(strategy: str) -> list[Parameter] | None:
    """Return a strategy's parameters; None for a user's own: its file is not imported in this process."""
    from cryptai.strategies.strategy import parameters, strategies  # noqa: PLC0415

    return parameters(strategies.get(strategy)) if strategy in strategies else None


def about(strategy: str) -> str:
    """Return in a sentence what a strategy does."""
    from cryptai.strategies.strategy import strategies  # noqa: PLC0415

    if strategy not in strategies:
        return (
            "Your own file in the workspace; it runs in a process of its own, with limits of time and memory."
        )
    return (strategies.get(strategy).__doc__ or "").strip().partition("\n")[0]


def venue_of(request: HttpRequest, given: dict[str, str]) -> str:
    """Return the venue a form is for: the one given, if something of it is stored, else the one shown."""
    name = given.get("exchange", "")
    return name if name in live.exchanges() else str(shown(request)["exchange"])


def markets_of(exchange: str, given: dict[str, str]) -> tuple[list[str], list[str], dict[str, str]]:
    """Return a venue's stored symbols, the timeframes that can be read, and the form's values with a symbol.

    A timeframe can be read where it is stored, or made of finer bars that are; the one that was asked for
    stands among them, so that no form asks for another instead.
    """
    try:
        found = live.store().markets(exchange)
    except CryptaiError:
        found = []
    symbols = stored.symbols(found)
    kept = {one.timeframe for one in found}
    frames = [
        name
        for name in TIMEFRAMES
        if name == given.get("timeframe") or any(one == name or one.divides(Timeframe(name)) for one in kept)
    ]
    if symbols and "symbol" not in given:
        given = {**given, "symbol": "BTC/USDT" if "BTC/USDT" in symbols else symbols[0]}
    return symbols, frames if kept else list(TIMEFRAMES), given
