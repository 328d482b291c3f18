"""Cards computed again: each recorded signal's from the table it names, to be the card that was sealed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptai.errors import DataError
from cryptai.features.regimes import REGIMES
from cryptai.screening.card import FORM, Asked, card
from cryptai.screening.past import PastSetups

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cryptai.screening.record import Sealed

_CODES = {name: code for code, name in REGIMES.items()}


class Different(NamedTuple):
    """A recorded signal whose card is not the one that its table gives, and the keys that differ."""

    id: int
    keys: tuple[str, ...]


class Recomputed(NamedTuple):
    """How many cards came out the same, the numbers of those that cannot be asked, and those that differ.

    A card cannot be asked where its table is not here, or where it was made by other rules (`form`).

    A card that was made of no table at all (`past` is null) is computed again from none. Where a table is
    not what its name says, its cards differ in `past`.
    """

    same: int
    unknown: list[int]
    different: list[Different]


def recompute(signals: Iterable[Sealed], folder: Path) -> Recomputed:
    """Compute the card of every recorded signal again, from the tables that are kept in a folder."""
    # Signals of one day and configuration share a table: the newest few are held.
    table = lru_cache(maxsize=64)(lambda digest: PastSetups.load(folder, digest))
    same, unknown, different = 0, [], []
    for one in signals:
        sealed = one.body["evidence"]
        digest = sealed.get("past")
        if sealed.get("form") != FORM or (digest is not None and not (folder / f"{digest}.past").exists()):
            unknown.append(one.id)
            continue
        try:
            past = None if digest is None else table(digest)
        except DataError:
            different.append(Different(one.id, ("past",)))
            continue
        again = card(past, asked_of(one.body), sealed.get("trials"))
        if past is None:
            # What is said in place of a card that was still being looked up is no computation.
            again["missing"] = sealed.get("missing")
        keys = tuple(sorted(name for name in {*again, *sealed} if again.get(name) != sealed.get(name)))
        if keys:
            different.append(Different(one.id, keys))
        else:
            same += 1
    return Recomputed(same, unknown, different)


def asked_of(body: Mapping[str, Any]) -> Asked:
    """Return what the card of a recorded signal was asked for."""
    return Asked(
        symbol=body["symbol"], side=1 if body["side"] == "long" else -1, regime=_CODES.get(body["regime"], 0),
        decided_ms=body["decided_ms"], entry=body["entry"], stop=body["stop"], target=body["target"],
    )  # fmt: skip
