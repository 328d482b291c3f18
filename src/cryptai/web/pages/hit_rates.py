"""Hit rates of recorded signals: of what was sealed in time and has ended, beside the rate it needed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptai.analytics.significance import wilson
from cryptai.market.times import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptai.screening.fared import Fared

ENDED: Final = ("target", "stop", "expired")
"""What befalls one last that was entered; one that was missed has not ended."""


class Rate(NamedTuple):
    """How often signals of a kind reached their target, with Wilson's interval, and how often they had to."""

    name: str
    ended: int
    hits: int
    low: float
    high: float
    needed: float
    mean_r: float

    @property
    def value(self) -> float:
        """Return the share."""
        return self.hits / self.ended


def rates(some: Iterable[Fared], kind: Callable[[Fared], str]) -> list[Rate]:
    """Return the hit rate of each kind of signal that has ended, the most frequent kind first."""
    kinds: dict[str, list[Fared]] = defaultdict(list)
    for one in some:
        if one.event in ENDED:
            kinds[kind(one)].append(one)
    found = [_rate(name, of_kind) for name, of_kind in kinds.items()]
    return sorted(found, key=lambda rate: (-rate.ended, rate.name))


def by_month(some: Iterable[Fared], most: int) -> list[Rate]:
    """Return the hit rates of the newest months in which signals were decided, the newest first."""
    found = rates(some, lambda one: iso(one.decided_ms)[:7])
    return sorted(found, key=lambda rate: rate.name, reverse=True)[:most]


def fifth(one: Fared) -> str:
    """Return the fifth that a signal's quality lies in."""
    low = min(int(one.quality * 5), 4) / 5
    return f"{low:.1f} to {low + 0.2:.1f}"


def _rate(name: str, some: Sequence[Fared]) -> Rate:
    hits = sum(one.event == "target" for one in some)
    low, high = wilson(hits, len(some)) or (0.0, 1.0)
    # A stop is a loss of 1 R: what expires leaves fewer to be won, by as much as it came to.
    left = 1.0 - sum(1.0 + one.r for one in some if one.event == "expired") / len(some)
    needed = min(1.0, max(0.0, left)) * sum(one.needed for one in some) / len(some)
    came_to = sum(one.r for one in some) / len(some)
    return Rate(name, len(some), hits, low, high, needed, came_to)
