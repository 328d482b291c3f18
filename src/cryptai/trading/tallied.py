"""The metrics of many runs at once, from what the kernel of a search leaves of each.

The same numbers, to the last bit, as `cryptai.analytics.metrics.measure` finds of each run alone: rows of a
matrix are summed in the order in which NumPy sums one of them.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics import returns as stats
from cryptai.analytics.metrics import Metrics
from cryptai.market.timeframe import DAY_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Table = NDArray[np.float64]

TALLIES: Final = 14
"""Numbers a run, in this order: trades, wins, losses, sums of winning and losing `pnl`, of all `pnl`, its
deviation, its largest amount, sums of fees and of the traded worth, bars in the market, drawdown, equity at
the end, highest equity."""
_YEAR: Final = math.sqrt(stats.DAYS_A_YEAR)
_NORMAL: Final = NormalDist()


def measure_all(
    capital: float, bars: int, span_ms: int, held: float, tallies: Table, daily: Table
) -> list[Metrics]:
    """Return the metrics of runs over the same bars.

    Parameters
    ----------
    tallies, daily
        One row a run: `TALLIES` numbers, and the last equity of each UTC day that has bars.
    span_ms, held
        As `measure` takes them.
    """
    with np.errstate(all="ignore"):  # what leaves the range of numbers is told as undefined
        columns = _of_days(capital, daily)
    days = span_ms / DAY_MS
    found = []
    for tally, row in zip(tallies.tolist(), zip(*columns, strict=True), strict=True):
        found.append(_metrics(capital, bars, days, held, tally, row))
    return found


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


def _metrics(
    capital: float, bars: int, days: float, held: float, tally: list[float], row: tuple[Any, ...]
) -> Metrics:
    count, wins, losses, won, lost_, total, spread, largest, fees, traded, open_for, fell, final, _ = tally
    mean, trades = total / count if count else None, int(count)
    rate = wins / count if count else None
    win, loss = won / wins if wins else None, lost_ / losses if losses else None
    # Rounding alone makes a deviation of the last digit's size out of equal amounts.
    spread = spread if trades > 1 and spread > 1e-15 * max(1.0, largest) else 0.0
    growth = stats.cagr(final / capital, days)
    average, below, ulcer, *of_returns = row
    return Metrics(
        total_return=final / capital - 1.0,
        sharpe_ratio=of_returns[0],
        max_drawdown=fell,
        win_rate=rate,
        profit_factor=won / -lost_ if lost_ < 0.0 else None,
        trades=trades,
        final_equity=final,
        fees=fees,
        time_in_market=open_for / bars if bars else 0.0,
        cagr=growth,
        calmar_ratio=growth / fell if growth is not None and fell > 0.0 else None,
        volatility=of_returns[1],
        sortino_ratio=of_returns[2],
        omega_ratio=of_returns[3],
        var_95=of_returns[4],
        cvar_95=of_returns[5],
        var_95_normal=of_returns[6],
        cvar_95_normal=of_returns[7],
        max_drawdown_days=below,
        ulcer_index=ulcer,
        expectancy=mean,
        average_win=win,
        average_loss=loss,
        sqn=math.sqrt(count) * mean / spread if spread and mean is not None else None,
        kelly=rate - (1.0 - rate) * -loss / win if rate is not None and win and loss else None,
        turnover=traded / average if average > 0.0 else 0.0,
        buy_and_hold_return=held,
    )


def _of_days(capital: float, daily: Table) -> list[list[Any]]:
    equity = np.concatenate([np.full((len(daily), 1), capital), daily], axis=1)
    peaks = np.maximum.accumulate(equity, axis=1)
    fallen = 1.0 - equity / peaks
    columns = [
        equity.mean(axis=1).tolist(),
        _longest(fallen > 0.0),
        np.sqrt(np.square(fallen).mean(axis=1)).tolist(),
    ]
    # Of a lost account there are no returns: it has nothing left to earn them on.
    known = ~lost(equity)
    found = _of_returns(np.diff(equity, axis=1) / equity[:, :-1])
    return columns + [_told(column, known) for column in found]


def _of_returns(returns: Table) -> list[Table]:
    # Sharpe, volatility, Sortino, omega, VaR, CVaR and both of the normal distribution; NaN is undefined.
    n = returns.shape[1]
    nothing = np.full(len(returns), np.nan)
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
    if n < 2:
        return [nothing, nothing, _finite(sortino), _finite(omega), quantile, shortfall, nothing, nothing]
    deviation = returns.std(axis=1, ddof=1)
    sound = deviation > 1e-15 * np.maximum(1.0, np.abs(returns).max(axis=1))
    sharpe = np.where(sound, mean / deviation * _YEAR, np.nan)
    normal_var = mean + deviation * _NORMAL.inv_cdf(1.0 - 0.95)
    density = _NORMAL.pdf(_NORMAL.inv_cdf(1.0 - 0.95))
    normal_cvar = mean - deviation * density / (1.0 - 0.95)
    return [
        _finite(sharpe), deviation * _YEAR, _finite(sortino), _finite(omega), quantile, shortfall, normal_var,
        normal_cvar,
    ]  # fmt: skip


def _longest(under: NDArray[np.bool_]) -> list[int]:
    longest, length = np.zeros(len(under), np.int64), np.zeros(len(under), np.int64)
    for below in under.T:
        length = np.where(below, length + 1, 0)
        longest = np.maximum(longest, length)
    found: list[int] = longest.tolist()
    return found


def _finite(values: Table) -> Table:
    return np.where(np.isfinite(values), values, np.nan)


def _told(values: Table, known: NDArray[np.bool_]) -> list[float | None]:
    found: list[float | None] = values.astype(object).tolist()
    for index in np.flatnonzero(~known | np.isnan(values)).tolist():
        found[index] = None
    return found
