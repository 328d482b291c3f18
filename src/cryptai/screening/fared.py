"""How the newest recorded signals fared: what a rate counts of each, read once, for no row ever changes."""

from __future__ import annotations

import json
import math
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.market.rows import Rows
    from cryptai.market.transactions import Transactions


class Fared(NamedTuple):
    """What a rate counts of a recorded signal.

    Attributes
    ----------
    needed
        The hit rate at which such a bet earns nothing, from its card; NaN where that does not say.
    event
        The last thing that befell it, empty where nothing has.
    r
        What it came to, in published risks; NaN where it did not end, or was missed.
    """

    strategy: str
    regime: str | None
    quality: float
    decided_ms: int
    retrospective: bool
    needed: float
    event: str = ""
    r: float = math.nan


class Newest:
    """The newest signals of a venue, kept up: what was added is read, and nothing is read twice.

    It may be asked from any thread. Every answer is the record at one point in time, never an older one.
    """

    def __init__(self, catalog: Transactions, exchange: str, most: int) -> None:
        self._catalog, self._exchange, self._most = catalog, exchange, most
        self._asking = Lock()
        self._state = (-1, -1)
        self._known: dict[int, Fared] = {}

    def fared(self) -> tuple[tuple[int, int], list[Fared]]:
        """Return the newest signals, the newest first, and what stands for them until something is added."""
        with self._asking, self._catalog.look() as rows:
            state = (_last(rows, "signal"), _last(rows, "signal_event"))
            if state != self._state:
                self._take(rows)
                self._state = state
            return state, list(self._known.values())

    def _take(self, rows: Rows) -> None:
        found = rows.execute(
            "SELECT id FROM signal WHERE exchange = ? ORDER BY decided_ms DESC, id DESC LIMIT ?",
            (self._exchange, self._most),
        )
        numbers = [int(number) for (number,) in found]
        known = dict(self._known)
        if known:
            later = "SELECT signal, event, body FROM signal_event WHERE id > ? ORDER BY id"
            for number, event, text in rows.execute(later, (self._state[1],)):
                if number in known:
                    known[number] = _with(known[number], event, text)
        known |= _read(rows, [number for number in numbers if number not in known])
        self._known = {number: known[number] for number in numbers}


def _read(rows: Rows, numbers: Sequence[int]) -> dict[int, Fared]:
    """Return signals that were not read before, with all that befell them."""
    if not numbers:
        return {}
    marks = ", ".join("?" * len(numbers))
    found = {}
    for number, late, text in rows.execute(
        f"SELECT id, retrospective, body FROM signal WHERE id IN ({marks})",  # noqa: S608 (marks only)
        numbers,
    ):
        body = json.loads(text)
        needed = body["evidence"].get("break_even")
        found[int(number)] = Fared(
            body["strategy"], body["regime"], body["quality"], body["decided_ms"], bool(late),
            math.nan if needed is None else needed,
        )  # fmt: skip
    for number, event, text in rows.execute(
        f"SELECT signal, event, body FROM signal_event WHERE signal IN ({marks}) ORDER BY id",  # noqa: S608
        numbers,
    ):
        found[number] = _with(found[number], event, text)
    return found


def _with(one: Fared, event: str, text: str) -> Fared:
    r = json.loads(text).get("r")
    return one._replace(event=event, r=math.nan if r is None else r)


def _last(rows: Rows, table: str) -> int:
    ((number,),) = rows.execute(f"SELECT COALESCE(max(id), 0) FROM {table}")  # noqa: S608 (a name of ours)
    return int(number)
