"""A recorded signal as JSON has it: as it was sealed, and its life since."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from cryptai.market.times import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.screening.record import Event, Sealed

# Sealed as numbers, told as times.
_TIMES: Final = ("decided", "expires")
_TIME_OF: Final = {name: re.compile(rf'"({name})_ms":(-?\d+)(?=[,}}])') for name in _TIMES}


def told(one: Sealed, life: Sequence[Event]) -> dict[str, Any]:
    """Return a recorded signal as JSON takes it."""
    body = dict(one.body)
    for name in _TIMES:
        body[f"{name}_at"] = iso(body.pop(f"{name}_ms"))
    return {"id": one.id, **body, **_beside(one, life)}


def told_text(one: Sealed, life: Sequence[Event]) -> str:
    """Return what `told` does as JSON text, made of the sealed text, which is not read for it.

    >>> from cryptai.screening.record import Sealed
    >>> one = Sealed(3, "", 9_000, False, '{"decided_ms":1000,"expires_ms":2000,"quality":0.5}', "", "")
    >>> json.loads(told_text(one, [])) == told(one, [])
    True
    """
    text = one.text
    for name in _TIMES:
        text, times = _TIME_OF[name].subn(_as_time, text)
        if times != 1:
            # The name stands further in as well: which is the signal's own, only reading tells.
            return json.dumps(told(one, life))
    return f'{{"id":{one.id},{text[1:-1]},{json.dumps(_beside(one, life))[1:]}'


def _as_time(found: re.Match[str]) -> str:
    return f'"{found[1]}_at":"{iso(int(found[2]))}"'


def _beside(one: Sealed, life: Sequence[Event]) -> dict[str, Any]:
    return {
        "sealed_at": iso(one.sealed_ms), "retrospective": one.retrospective, "previous": one.previous,
        "hash": one.hash, "events": [{"event": e.event, "at": iso(e.at_ms), **e.body} for e in life],
    }  # fmt: skip
