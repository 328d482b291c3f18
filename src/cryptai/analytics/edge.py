"""What a trade earns and how sure that is: mean and hits with their intervals, costs that would eat it up.

A trade's return is its net profit over what its entry was worth, a fraction: each trade counts the same,
whatever the account was worth at the time. Costs are tried on the trades as they were, with the funding and
the interest that each has paid. A fee moves no fill, so the fee found is exact; another slippage would also
move stops and targets with the entry, so that one is what these very trades would bear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.analytics.significance import bootstrap_mean, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Resampled trades, all draws together: 100,000 trades are drawn 400 times, which is plenty for their mean.
_DRAWN: Final = 40_000_000


@dataclass(frozen=True, eq=False)
class Fills:
    """Round trips as columns, one row each.

    Attributes
    ----------
    side
        1 for long, -1 for short.
    entry, exit
        Fill prices, above 0, with slippage in them.
    rested, limit
        Whether the entry was a limit order, and whether the exit was one (a target): they paid no slippage.
    fee
        Fees over the worth of both fills.
    carry
        Funding and interest paid over what the entry was worth; below 0 where they were received.
    """

    side: NDArray[np.float64]
    entry: NDArray[np.float64]
    exit: NDArray[np.float64]
    rested: NDArray[np.bool_]
    limit: NDArray[np.bool_]
    fee: NDArray[np.float64]
    carry: NDArray[np.float64]

    def returns(self, fee: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return each trade's net return at a fee of each side."""
        ratio = self.exit / self.entry
        net: NDArray[np.float64] = self.side * (ratio - 1.0) - fee * (1.0 + ratio) - self.carry
        return net

    def slipped(self, before: float, after: float) -> Fills:
        """Return the same trades with a slippage of `after` where they had one of `before`."""
        entry = self.entry * (1.0 + self.side * after) / (1.0 + self.side * before)
        left = self.exit * (1.0 - self.side * after) / (1.0 - self.side * before)
        return replace(
            self,
            entry=np.where(self.rested, self.entry, entry),
            exit=np.where(self.limit, self.exit, left),
        )


@dataclass(frozen=True)
class Edge:
    """What the trades say. Fractions; None is undefined.

    Attributes
    ----------
    mean, low, high
        Mean return of a trade with its 95 % bootstrap interval (None of a single trade).
    win_rate, win_low, win_high
        Share of trades that won, with Wilson's 95 % interval.
    win_needed
        The share at which trades of this average win and loss earn nothing; None where none won or none
        lost.
    before_costs, paid, carried
        Mean return of a trade without any cost, what costs took of it, and how much of that was funding and
        interest: the edge is gone where the costs of a round trip reach the first.
    fee, slippage
        The fee of each side, all else as it is, and the slippage, fees as they are, at which the mean trade
        earns nothing; None where it earns nothing even at zero.
    """

    trades: int
    mean: float
    low: float | None
    high: float | None
    win_rate: float
    win_low: float
    win_high: float
    win_needed: float | None
    before_costs: float
    paid: float
    carried: float
    fee: float | None
    slippage: float | None


def edge(fills: Fills, slippage: float, *, seed: int = 0) -> Edge | None:
    """Return what the trades of a run say, with the slippage it ran with; None of no trade."""
    n = len(fills.side)
    if n == 0:
        return None
    net = fills.returns(fills.fee)
    draws = max(200, min(2_000, _DRAWN // n))
    low, high = bootstrap_mean(net, seed=seed, draws=draws) or (None, None)
    won = net > 0.0
    hits = int(won.sum())
    rates = wilson(hits, n)
    assert rates is not None  # noqa: S101 (there is a trade)
    mean, carried = float(net.mean()), float(fills.carry.mean())
    free = float(fills.slipped(slippage, 0.0).returns(0.0).mean()) + carried
    return Edge(
        n, mean, low, high, hits / n, *rates, _win_needed(net, won),
        free, free - mean, carried, _fee(fills), _slippage(fills, slippage),
    )  # fmt: skip


def _win_needed(net: NDArray[np.float64], won: NDArray[np.bool_]) -> float | None:
    if won.all() or not won.any():
        return None
    win, loss = float(net[won].mean()), -float(net[~won].mean())
    return loss / (win + loss)


def _fee(fills: Fills) -> float | None:
    gross = float(fills.returns(0.0).mean())
    return gross / float((1.0 + fills.exit / fills.entry).mean()) if gross > 0.0 else None


def _slippage(fills: Fills, slippage: float) -> float | None:
    # The mean falls as slippage rises: halve the stretch in which it crosses zero.
    def mean(tried: float) -> float:
        return float(fills.slipped(slippage, tried).returns(fills.fee).mean())

    low, high = 0.0, 0.999
    if mean(low) <= 0.0 or mean(high) > 0.0:
        return None
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (middle, high) if mean(middle) > 0.0 else (low, middle)
    return low
