"""Exposure: how much of the equity stood in positions at each close, and how many were open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.analytics.round_trips import RoundTrips
    from cryptai.market.candles import Candles


@dataclass(frozen=True, eq=False)
class Exposure:
    """One row a bar, at its close.

    Attributes
    ----------
    gross
        Sum of the positions' worth, long or short, over the equity; NaN where no equity was left, and where
        the candles of a market that was held are not given.
    positions
        How many trades were open.
    """

    gross: NDArray[np.float64]
    positions: NDArray[np.int64]

    @property
    def mean(self) -> float | None:
        """Return the mean of `gross` where it is known; None where it is nowhere, or beyond all numbers."""
        known = self.gross[np.isfinite(self.gross)]
        with np.errstate(over="ignore"):
            found = float(known.mean()) if len(known) else np.nan
        return found if np.isfinite(found) else None

    @property
    def highest(self) -> float | None:
        """Return the largest `gross`; None where it is nowhere known."""
        known = self.gross[np.isfinite(self.gross)]
        return float(known.max()) if len(known) else None


def exposure(
    trips: RoundTrips, ts: NDArray[np.int64], equity: NDArray[np.float64], markets: Mapping[str, Candles]
) -> Exposure:
    """Return the exposure of a run.

    A position is open at a bar's close from the bar its trade began in to the one before that it ended in. A
    market without a bar at some time is valued at its last close before.

    Parameters
    ----------
    ts, equity
        Bar opens (ms UTC, rising) and the equity at each close.
    markets
        The candles of each symbol that was traded.
    """
    worth, open_ = np.zeros(len(ts)), np.zeros(len(ts), np.int64)
    for name in np.unique(trips.symbol):
        rows = np.flatnonzero(trips.symbol == name)
        first = np.maximum(np.searchsorted(ts, trips.entry_ms[rows], side="right") - 1, 0)
        end = np.maximum(np.searchsorted(ts, trips.exit_ms[rows], side="right") - 1, 0)
        count = _between(first, end, np.ones(len(rows)), len(ts)).round().astype(np.int64)
        open_ += count
        candles = markets.get(str(name))
        if candles is None or not len(candles):
            worth[count > 0] = np.nan
            continue
        side = np.where(trips.side[rows] > 0, 1.0, -1.0)
        held = np.abs(_between(first, end, side * trips.quantity[rows], len(ts)))
        price = candles.close[np.maximum(last_bars(candles, ts), 0)]
        # What is added and taken away again leaves a last digit behind: nothing is held where none is open.
        worth += np.where(count > 0, held * price, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Exposure(np.where(equity > 0.0, worth / equity, np.nan), open_)


def last_bars(candles: Candles, ts: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the row of the last bar that opens before each step of the clock ends; -1 where there is none.

    A step lasts as long as the shortest of the clock: a day where days are told of a market of minutes.
    """
    step = int(np.diff(ts).min()) if len(ts) > 1 else candles.timeframe.ms
    return np.searchsorted(candles.ts, ts + step) - 1


def _between(
    first: NDArray[np.intp], end: NDArray[np.intp], amount: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    steps = np.zeros(n + 1)
    np.add.at(steps, first, amount)
    np.add.at(steps, end, -amount)
    return np.cumsum(steps)[:n]
