"""The metrics of many runs at once, from what the kernel of a search leaves of each.

The same numbers, to the last bit, as `cryptai.analytics.metrics.measure` finds of each run alone: rows of a
matrix are summed in the order in which NumPy sums one of them.
"""

from __future__ import annotations

import math
from dataclasses import fields
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics import returns as stats
from cryptai.analytics.logarithm import expm1_of_each, log
from cryptai.analytics.metrics import Metrics
from cryptai.market.timeframe import DAY_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Table = NDArray[np.float64]

TALLIES: Final = 14
"""Numbers a run, in this order: trades, wins, losses, sums of winning and losing `pnl`, of all `pnl`, its
deviation, its largest amount, sums of fees and of the traded worth, bars in the market, drawdown, equity at
the end, highest equity."""
_FIELDS: Final = tuple(field.name for field in fields(Metrics))
_YEAR: Final = math.sqrt(stats.DAYS_A_YEAR)
_NORMAL: Final = NormalDist()


def measure_all(
    capital: float, bars: int, span_ms: int, held: float, tallies: Table, daily: Table
) -> list[Metrics]:
    """Return the metrics of runs over the same bars.

    Parameters
    ----------
    tallies, daily
        One row a run: `TALLIES` numbers, all but the deviation finite, and the last equity of each UTC day
        that has bars.
    span_ms, held
        As `measure` takes them.
    """
    with np.errstate(all="ignore"):  # what leaves the range of numbers is told as undefined
        columns = _columns(capital, bars, span_ms / DAY_MS, tallies, daily)
    columns["buy_and_hold_return"] = [held] * len(tallies)
    return [Metrics(*row) for row in zip(*(columns[name] for name in _FIELDS), strict=True)]


def day_ends(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of the last bar of each UTC day that has bars; `ts` are bar opens, ms UTC, rising."""
    midnights = np.arange(int(ts[0]) // DAY_MS + 1, int(ts[-1]) // DAY_MS + 2) * DAY_MS
    return np.unique(np.searchsorted(ts, midnights) - 1).astype(np.int64)


def daily_returns(capital: float, daily: Table) -> Table:
    """Return each run's daily returns; a lost account has -1 on the day it was lost, and 0 after it."""
    equity = np.concatenate([np.full((len(daily), 1), capital), daily], axis=1)
    with np.errstate(all="ignore"):
        found: Table = np.diff(equity, axis=1) / equity[:, :-1]
    for run in np.flatnonzero(lost(daily)).tolist():
        # It earns nothing any more, whatever its debts do.
        day = int(np.argmax(daily[run] <= 0.0))
        found[run, day] = -1.0
        found[run, day + 1 :] = 0.0
    return found


def lost(daily: Table) -> NDArray[np.bool_]:
    """Return which of the runs were at or below zero at the end of a day."""
    return np.asarray((daily <= 0.0).any(axis=1))


def _columns(capital: float, bars: int, days: float, tallies: Table, daily: Table) -> dict[str, list[Any]]:
    # Of each metric one value a run, by name.
    count, wins, losses, won, lost_, total, spread, largest, fees, traded, open_for, fell, final, _ = (
        tallies.T
    )
    equity = np.concatenate([np.full((len(daily), 1), capital), daily], axis=1)
    fallen = 1.0 - equity / np.maximum.accumulate(equity, axis=1)
    average = equity.mean(axis=1)
    growth = _growth(final / capital, days)
    mean, rate, win, loss = total / count, wins / count, won / wins, lost_ / losses
    # Rounding alone makes a deviation of the last digit's size out of equal amounts.
    spreads = (count > 1.0) & (spread > 1e-15 * np.maximum(1.0, largest))
    told = {
        "profit_factor": np.where(lost_ < 0.0, won / -lost_, np.nan),
        "win_rate": rate,
        "cagr": growth,
        "calmar_ratio": np.where(fell > 0.0, growth / fell, np.nan),
        "expectancy": mean,
        "average_win": win,
        "average_loss": loss,
        "sqn": np.where(spreads, np.sqrt(count) * mean / spread, np.nan),
        "kelly": np.where((win != 0.0) & (loss != 0.0), rate - (1.0 - rate) * -loss / win, np.nan),
    }
    # Of a lost account there are no returns: it has nothing left to earn them on.
    known = ~lost(equity)
    of_returns = _of_returns(np.diff(equity, axis=1) / equity[:, :-1])
    told |= {name: np.where(known, column, np.nan) for name, column in of_returns.items()}
    return {name: _told(column) for name, column in told.items()} | {
        "total_return": (final / capital - 1.0).tolist(),
        "max_drawdown": fell.tolist(),
        "trades": count.astype(np.int64).tolist(),
        "final_equity": final.tolist(),
        "fees": fees.tolist(),
        "time_in_market": (open_for / bars).tolist(),
        "max_drawdown_days": _longest(fallen > 0.0),
        "ulcer_index": np.sqrt(np.square(fallen).mean(axis=1)).tolist(),
        "turnover": np.where(average > 0.0, traded / average, 0.0).tolist(),
    }


def _growth(growth: Table, days: float) -> Table:
    # As `stats.cagr` has it of one; NaN is undefined.
    if days < stats.SHORTEST_DAYS:
        return np.full(len(growth), np.nan)
    exponent = log(growth) * stats.DAYS_A_YEAR / days
    sound = exponent < 700.0
    rate = np.where(sound, expm1_of_each(np.where(sound, exponent, 0.0)), np.nan)
    if days < stats.DAYS_A_YEAR:
        rate = np.where(rate > stats.LARGEST_RATE, np.nan, rate)
    return np.where(growth <= 0.0, -1.0, rate)


def _of_returns(returns: Table) -> dict[str, Table]:
    # NaN is undefined.
    n = returns.shape[1]
    mean = returns.mean(axis=1)
    losses = np.minimum(returns, 0.0)
    downside = np.sqrt(np.square(losses).mean(axis=1))
    gone = -losses.sum(axis=1)
    worst = int((n - 1) * (1.0 - 0.95) + 1e-9)
    sortino = np.where(downside == 0.0, np.nan, mean / downside * _YEAR)
    omega = np.where(gone > 0.0, np.maximum(returns, 0.0).sum(axis=1) / gone, np.nan)
    quantile = np.quantile(returns, 1.0 - 0.95, axis=1)
    # Sorted, as `expected_shortfall` has it: a partition's order depends on the processor.
    shortfall = np.sort(np.partition(returns, worst, axis=1)[:, : worst + 1], axis=1).mean(axis=1)
    told = {
        "sortino_ratio": _finite(sortino), "omega_ratio": _finite(omega), "var_95": quantile,
        "cvar_95": shortfall,
    }  # fmt: skip
    if n < 2:
        nothing = np.full(len(returns), np.nan)
        return told | dict.fromkeys(
            ("sharpe_ratio", "volatility", "var_95_normal", "cvar_95_normal"), nothing
        )
    deviation = returns.std(axis=1, ddof=1)
    sound = deviation > 1e-15 * np.maximum(1.0, np.abs(returns).max(axis=1))
    density = _NORMAL.pdf(_NORMAL.inv_cdf(1.0 - 0.95))
    return told | {
        "sharpe_ratio": _finite(np.where(sound, mean / deviation * _YEAR, np.nan)),
        "volatility": deviation * _YEAR,
        "var_95_normal": mean + deviation * _NORMAL.inv_cdf(1.0 - 0.95),
        "cvar_95_normal": mean - deviation * density / (1.0 - 0.95),
    }


def _longest(under: NDArray[np.bool_]) -> list[int]:
    # The capital is the first peak, so that each row begins with one that is not under.
    day = np.arange(under.shape[1])
    peak = np.maximum.accumulate(np.where(under, 0, day), axis=1)
    longest: list[int] = (day - peak).max(axis=1).tolist()
    return longest


def _finite(values: Table) -> Table:
    return np.where(np.isfinite(values), values, np.nan)


def _told(values: Table) -> list[float | None]:
    found: list[float | None] = values.tolist()
    for index in np.flatnonzero(np.isnan(values)).tolist():
        found[index] = None
    return found
