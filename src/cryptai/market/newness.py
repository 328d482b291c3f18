"""How new a stored series is, in one word; a market that its venue has stopped has a word of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cryptai.market.quality import freshness

if TYPE_CHECKING:
    from cryptai.market.timeframe import Timeframe

Newness: TypeAlias = Literal["fresh", "late", "stale", "halted", "delisted"]


class Stop(NamedTuple):
    """A market that the venue has halted or delisted, and since when that is known (ms UTC)."""

    status: Literal["halted", "delisted"]
    known_ms: int

    def holds(self, last_ts: int) -> bool:
        """Whether it stands still to this day, its newest bar opening at `last_ts`: a newer one ends it."""
        return last_ts < self.known_ms


def newness(last_ts: int, timeframe: Timeframe, now_ms: int, stop: Stop | None = None) -> Newness:
    """Return the word for a series whose newest bar opens at `last_ts`.

    `fresh`: no closed bar is missing after it. Where some are, it is `halted` or `delisted` if the venue
    says so and no bar has opened since we learned of it: there is nothing to wait for. Else it is `late` (one
    or two are missing) or `stale` (more).
    """
    word = freshness(last_ts, timeframe, now_ms)
    return stop.status if word != "fresh" and stop and stop.holds(last_ts) else word
