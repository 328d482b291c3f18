"""Excursions: how far a trade went against us and for us while it was open (Sweeney, MAE and MFE)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.ledger.book import END, LONG, TARGET

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


def excursions(bars: Candles, trades: NDArray[np.void]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return MAE and MFE of each trade: fractions of its entry price, never negative.

    Seen are: high and low of every bar held to its close, the open of the exit bar where the position came
    into it, and both fills. Of the exit bar's own extremes nobody knows on which side of the fill they
    lie. After a stop they do not count (the stop came first); before a target the adverse one does
    (the cautious reading).

    Parameters
    ----------
    bars
        The bars of the run.
    trades
        The kernel's records (`TRADE`): in time order, none overlapping.
    """
    side, entry, leave = trades["side"], trades["entry_bar"], trades["exit_bar"]
    paid, got, reason = trades["entry_price"], trades["exit_price"], trades["exit_reason"]
    held = leave + (reason == END)  # the first row not held to its close
    highest = _extreme(np.maximum, bars.high, entry, held)
    lowest = _extreme(np.minimum, bars.low, entry, held)
    came_in = np.where(entry < leave, bars.open[leave], paid)
    highest = np.fmax(highest, np.maximum(np.maximum(paid, got), came_in))
    lowest = np.fmin(lowest, np.minimum(np.minimum(paid, got), came_in))
    at_target = reason == TARGET
    lowest = np.where(at_target & (side == LONG), np.fmin(lowest, bars.low[leave]), lowest)
    highest = np.where(at_target & (side != LONG), np.fmax(highest, bars.high[leave]), highest)
    up, down = (highest - paid) / paid, (paid - lowest) / paid
    return np.where(side == LONG, down, up), np.where(side == LONG, up, down)


def _extreme(reduce: Any, values: NDArray[np.float64], first: Any, end: Any) -> NDArray[np.float64]:
    """Return the extreme of `values[first:end]` of each pair; NaN where that is empty."""
    if not len(first):
        return np.empty(0)
    # reduceat takes edges in pairs; one value more lets the last pair end at the end.
    padded = np.append(values, values[-1:])
    found: NDArray[np.float64] = reduce.reduceat(padded, np.stack([first, end], axis=1).ravel())[::2]
    return np.where(end > first, found, np.nan)
