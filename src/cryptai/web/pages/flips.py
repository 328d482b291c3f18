"""What would have flipped a signal, as its page tells it: computed when it is asked for, and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptai.errors import CryptaiError
from cryptai.web import live

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.screening.flip import Flip

_REMEMBERED: Final = 256
_told: dict[tuple[str, str], Flips] = {}


class Flips(NamedTuple):
    """What flips it, each with its words; the ways in which no close does; or why that cannot be told."""

    turns: list[tuple[Flip, str]]
    never: list[str]
    silence: str = ""


def flips(body: Mapping[str, Any]) -> Flips:
    """Return what would have flipped a signal, by its body."""
    from cryptai.signals import identity_of  # noqa: PLC0415 (the engine waits until it is asked for)

    key = (identity_of(body), body["data_digest"])
    if key not in _told:
        try:
            found = _found(body)
        except CryptaiError as error:
            return Flips([], [], str(error))
        if len(_told) >= _REMEMBERED:
            _told.clear()
        _told[key] = found
    return _told[key]


def _found(body: Mapping[str, Any]) -> Flips:
    from cryptai.screening.flip import clause, flips_of  # noqa: PLC0415
    from cryptai.strategies.strategy import build, strategies  # noqa: PLC0415

    if body["strategy"] not in strategies.names():
        # A person's own code never runs in this process.
        return Flips([], [], "Your own strategies are not asked again here; `cryptai signals why` does it.")
    made = build(strategies.get(body["strategy"]), body["params"])
    told = flips_of(live.store(), made, body)
    by_close = [one.change for one in told if one.of == "close"]
    never = [] if any(change < 0.0 for change in by_close) else ["lower"]
    never += [] if any(change > 0.0 for change in by_close) else ["higher"]
    return Flips([(one, clause(one, body["strategy"])) for one in told], never)
