"""Metrics: the numbers of a run, each by one convention, undefined ones None.

Returns and drawdown are fractions (0.25 is 25 %). Sharpe is taken from daily UTC equity: the capital, then
the last equity of each UTC day that has bars; sample deviation, zero risk-free rate, times √365, since crypto
trades every day (Sharpe 1994; Z-14 of the requirements).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAYS_A_YEAR = 365


@dataclass(frozen=True)
class Metrics:
    """What is told of every run. None means undefined: no trade, no loss, no deviation.

    total_return
        Final equity over capital, minus 1.
    sharpe_ratio
        See above; None with fewer than two days, no deviation, or an equity at or below zero.
    max_drawdown
        Largest fall from a peak, as a positive fraction of the peak; the capital is the first peak, equity
        is looked at on bar closes.
    win_rate
        Share of trades with `pnl` above 0.
    profit_factor
        Sum of winning over sum of losing `pnl`.
    trades, final_equity, fees
        Count of round trips; equity after the last bar; sum of all fees.
    time_in_market
        Share of bars on which a position was open at some moment.
    """

    total_return: float
    sharpe_ratio: float | None
    max_drawdown: float
    win_rate: float | None
    profit_factor: float | None
    trades: int
    final_equity: float
    fees: float
    time_in_market: float


def measure(
    capital: float, final_equity: float, max_drawdown: float, bars: int,
    daily: NDArray[np.float64], trades: NDArray[np.void],
) -> Metrics:  # fmt: skip
    """Return the metrics of a run.

    Parameters
    ----------
    daily
        The last equity of each UTC day that has bars.
    trades
        Record array with `pnl`, `fees`, `entry_bar` and `exit_bar`.
    """
    pnl = trades["pnl"]
    won, lost = float(pnl[pnl > 0].sum()), -float(pnl[pnl <= 0].sum())
    held = int((trades["exit_bar"] - trades["entry_bar"] + 1).sum())
    # A trade that leaves at an open and one that enters there share that bar.
    shared = int((trades["exit_bar"][:-1] == trades["entry_bar"][1:]).sum())
    return Metrics(
        total_return=final_equity / capital - 1.0,
        sharpe_ratio=sharpe_ratio(np.concatenate([[capital], daily])),
        max_drawdown=max_drawdown,
        win_rate=float((pnl > 0).mean()) if len(pnl) else None,
        profit_factor=won / lost if lost > 0 else None,
        trades=len(trades),
        final_equity=final_equity,
        fees=float(trades["fees"].sum()),
        time_in_market=(held - shared) / bars if bars else 0.0,
    )


def sharpe_ratio(equity: NDArray[np.float64], periods_a_year: float = DAYS_A_YEAR) -> float | None:
    """Return mean over sample deviation of the returns between the given equities, annualised; or None."""
    if len(equity) < 3 or not (equity > 0.0).all():
        return None
    returns = np.diff(equity) / equity[:-1]
    deviation = float(returns.std(ddof=1))
    # Rounding alone makes a deviation of the last digit's size out of equal returns.
    if deviation <= 1e-15 * max(1.0, float(np.abs(returns).max())):
        return None
    ratio = float(returns.mean()) / deviation * math.sqrt(periods_a_year)
    return ratio if math.isfinite(ratio) else None
