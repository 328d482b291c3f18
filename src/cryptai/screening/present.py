"""What stands at present: a venue's signals by market, each as it is at its market's newest close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cryptai.market.quality import freshness
from cryptai.market.timeframe import Timeframe
from cryptai.screening.screen import ranked
from cryptai.screening.standing import restated, signal_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.market.newness import Stop
    from cryptai.signals import Signal

    # Symbol and timeframe; a setup of one of these, by strategy and the close that decided it.
    Series = tuple[str, Timeframe]
    Key = tuple[str, int]


class Closed(NamedTuple):
    """The newest bar of a series: when it opens, its close, and how many came since the look before.

    `bars` is None where the series was begun anew: of what stood before nothing counts then.
    """

    ts: int
    close: float
    bars: int | None


class Look(NamedTuple):
    """What one look saw (`cryptai.screening.lookout`).

    Attributes
    ----------
    closed
        The series that were looked at.
    ended
        What of them stands no longer.
    found
        What stands of them newly, as it is now.
    decided
        Of these what was decided at closes that were not looked at before.
    failed
        What strategies failed of, by name.
    waits
        Whether closes are left for the next look, since one of a coarser timeframe is still to come.
    """

    closed: dict[Series, Closed]
    ended: dict[Series, list[Key]]
    found: dict[Series, list[Signal]]
    decided: list[Signal]
    failed: dict[str, str]
    waits: bool

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it, for another process of ours: all but `decided` as it is.

        Of that its places among `found` are kept, whose order it has.
        """
        newly = set(map(id, self.decided))
        return {
            "closed": [(*series, *one) for series, one in self.closed.items()],
            "ended": [(*series, keys) for series, keys in self.ended.items()],
            "found": [(*series, [vars(one) for one in some]) for series, some in self.found.items()],
            "decided": [[id(one) in newly for one in some] for some in self.found.values()],
            "failed": self.failed,
            "waits": self.waits,
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Look:
        """Return the look that was told."""
        found = {(s, Timeframe(f)): [signal_with(one) for one in some] for s, f, some in told["found"]}
        newly = zip(found.values(), told["decided"], strict=True)
        return cls(
            {(symbol, Timeframe(frame)): Closed(*one) for symbol, frame, *one in told["closed"]},
            {(s, Timeframe(frame)): [(name, ms) for name, ms in keys] for s, frame, keys in told["ended"]},
            found,
            [one for some, which in newly for one, new in zip(some, which, strict=True) if new],
            told["failed"],
            told["waits"],
        )

    def beside(self, other: Look) -> Look:
        """Return both as one; they are of different series."""
        return Look(
            self.closed | other.closed,
            self.ended | other.ended,
            self.found | other.found,
            [*self.decided, *other.decided],
            self.failed | other.failed,
            self.waits or other.waits,
        )


class Present:
    """Signals of one venue, put together from looks."""

    def __init__(self) -> None:
        self._standing: dict[Series, dict[Key, Signal]] = {}
        self._newest: dict[Series, Closed] = {}

    def __len__(self) -> int:
        return sum(map(len, self._standing.values()))

    def take(self, look: Look, now: int) -> None:
        """Bring it up to a look's closes."""
        for series, closed in look.closed.items():
            self._newest[series] = closed
            there = self._standing.pop(series, {})
            for key in look.ended.get(series, ()):
                there.pop(key, None)
            stale = freshness(closed.ts, series[1], now) == "stale"
            kept = {}
            if closed.bars is not None:
                bars, price = closed.bars, closed.close
                kept = {k: restated(one, price, one.age_bars + bars, stale=stale) for k, one in there.items()}
            kept |= {key_of(one): one for one in look.found.get(series, ())}
            if kept:
                self._standing[series] = kept

    def still(self, stops: Mapping[str, Stop]) -> set[str]:
        """Return the symbols that their venue has stopped and of which no bar has opened since."""
        return standing_still(self._newest, stops)

    def signals(self, now: int, stops: Mapping[str, Stop] | None = None) -> list[Signal]:
        """Return what stands, best first; what has grown stale says so.

        In markets that their venue has stopped (`stops`) nothing does, until a bar opens again.
        """
        still = self.still(stops or {})
        for series, some in self._standing.items():
            closed = self._newest[series]
            stale = freshness(closed.ts, series[1], now) == "stale"
            for key, one in some.items():
                if one.stale != stale:
                    some[key] = restated(one, closed.close, one.age_bars, stale=stale)
        trading = (some for (symbol, _), some in self._standing.items() if symbol not in still)
        return ranked([one for some in trading for one in some.values()])


def standing_still(closed: Mapping[Series, Closed], stops: Mapping[str, Stop]) -> set[str]:
    """Return the symbols that their venue has stopped, as far as these newest bars say."""
    newest: dict[str, int] = {}
    for (symbol, _), one in closed.items():
        if symbol in stops:
            newest[symbol] = max(one.ts, newest.get(symbol, 0))
    return {symbol for symbol, ts in newest.items() if stops[symbol].holds(ts)}


def key_of(one: Signal) -> Key:
    """Return what tells a signal from all others of its series."""
    return one.strategy, one.decided_at_ms
