"""The interval of what bars cannot decide: the worst and the best end over all orders of their events.

A bar tells that two levels were touched, not which one first. By default a rule takes the worse reading
(docs/guide/execution.md); here the run is made again with the other readings. Where nothing but stop and
target is at stake, a bar ends flat either way: outcomes rejoin, more cash never ends in less, and two runs
are the exact interval. Elsewhere one reading changes what comes after it, so every path is run, up to
`MOST_ORDERS` of them, or as many as go through twenty million bars; beyond that the interval is the widest
one found, and says that it is not exact.

Levels are taken to fill at their price: what a price may jump inside a bar is no order of events.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_ORDERS: Final = 128
_FEWEST_ORDERS: Final = 8
_MOST_BARS: Final = 20_000_000
BEST: Final = -1
# Readings are the bits of a number, whose sign is that of all further ones.
_BITS: Final = 62


class Ending(NamedTuple):
    """How a run under some readings ended: its equity, how many readings it met, its lowest equity."""

    equity: float
    met: int
    lowest: float


@dataclass(frozen=True)
class Undecided:
    """What bars left open of a run.

    Attributes
    ----------
    trades, share
        Round trips on which a rule chose a reading, and their share of all of them (0 without a trade).
    worst, best
        Final equity in the worst and in the best of the orders that were run.
    exact
        Whether these are the bounds over all orders; else some order may end outside them.
    orders
        How many were run.
    """

    trades: int
    share: float
    worst: float
    best: float
    exact: bool
    orders: int

    def as_object(self, capital: float) -> dict[str, Any]:
        """Return it as JSON takes it, with the total returns beside."""
        return {
            "trades": self.trades, "share": self.share, "worst": self.worst, "best": self.best,
            "worst_return": self.worst / capital - 1.0, "best_return": self.best / capital - 1.0,
            "exact": self.exact, "orders": self.orders,
        }  # fmt: skip


def interval(
    run: Callable[[int], Ending], base: Ending, *, trades: int, marked: int, rejoins: bool,
    most: int = MOST_ORDERS,
) -> Undecided:  # fmt: skip
    """Return the interval of a run.

    Parameters
    ----------
    run
        Runs it again: bit k of the number is the reading of the k-th event that bars do not decide, 0 the
        worse one, 1 the better.
    base
        The run with the worse reading of each.
    trades, marked
        All round trips of that run, and those on which a reading was chosen.
    rejoins
        Whether a bar ends the same way up to cash, whatever the reading, and sizes are a share of the equity.
    most
        How many orders are run at most.
    """
    share = marked / trades if trades else 0.0
    if base.met == 0:
        return Undecided(marked, share, base.equity, base.equity, True, 1)
    best = run(BEST)
    # An account that owes money grows no more, whatever it might have earned: then more is not always more.
    if rejoins and base.lowest > 0.0 and best.lowest > 0.0:
        return Undecided(marked, share, base.equity, best.equity, True, 2)
    ends = {0: base.equity, BEST: best.equity}
    orders, exact = 2, True
    paths = deque(_turns(0, 0, base.met))
    while paths:
        if orders >= most:
            exact = False
            break
        readings, fixed = paths.popleft()
        ending = run(readings)
        orders += 1
        ends[readings] = ending.equity
        paths.extend(_turns(readings, fixed, ending.met))
    exact = exact and base.met <= _BITS
    return Undecided(marked, share, min(ends.values()), max(ends.values()), exact, orders)


def orders_for(bars: int) -> int:
    """Return how many orders of a run over so many bars, of all its markets, are run at most."""
    return max(_FEWEST_ORDERS, min(MOST_ORDERS, _MOST_BARS // max(bars, 1)))


def _turns(readings: int, fixed: int, met: int) -> list[tuple[int, int]]:
    # Each event after those that are fixed, read the better way, and all before it as they were: every path
    # is come to once. Fewer turns come first.
    return [(readings | 1 << at, at + 1) for at in range(fixed, min(met, _BITS))]
