"""Metrics: the numbers of a run, each by one convention, undefined ones None.

Returns and drawdown are fractions (0.25 is 25 %). Sharpe is taken from daily UTC equity: the capital, then
the last equity of each UTC day that has bars; sample deviation, zero risk-free rate, times √365, since crypto
trades every day (Sharpe 1994; Z-14 of the requirements).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.analytics import returns as stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DAY_MS: Final = 86_400_000


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
    cagr, calmar_ratio
        Compound annual growth rate over the time from the first open to the last close, None under 30 days;
        that over `max_drawdown`.
    volatility, sortino_ratio, omega_ratio
        Of the daily returns; see `cryptai.analytics.returns`.
    var_95, cvar_95, var_95_normal, cvar_95_normal
        What a day loses in one of twenty, and on average then: a daily return, negative for a loss; by the
        days that were, and by the normal distribution.
    max_drawdown_days, ulcer_index
        Most UTC days in a row below a peak; root mean square of the drawdowns, both of daily equity.
    expectancy, average_win, average_loss
        Mean `pnl` of all, of winning and of losing trades, in the quote currency; a loss is negative.
    sqn, kelly
        System quality number (Tharp): root of the count times mean over deviation of `pnl`; the fraction
        Kelly's criterion would stake: win rate - loss rate / (average win over average loss).
    turnover
        Value bought and sold over the mean daily equity: 2 is once in and out with all of it.
    buy_and_hold_return
        Last close over first open, minus 1: what holding would have given, without costs.
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
    cagr: float | None = None
    calmar_ratio: float | None = None
    volatility: float | None = None
    sortino_ratio: float | None = None
    omega_ratio: float | None = None
    var_95: float | None = None
    cvar_95: float | None = None
    var_95_normal: float | None = None
    cvar_95_normal: float | None = None
    max_drawdown_days: int = 0
    ulcer_index: float | None = None
    expectancy: float | None = None
    average_win: float | None = None
    average_loss: float | None = None
    sqn: float | None = None
    kelly: float | None = None
    turnover: float = 0.0
    buy_and_hold_return: float | None = None


def measure(
    capital: float, final_equity: float, max_drawdown: float, bars: int,
    daily: NDArray[np.float64], trades: NDArray[np.void], *, span_ms: int = 0, held: float | None = None,
) -> Metrics:  # fmt: skip
    """Return the metrics of a run.

    Parameters
    ----------
    daily
        The last equity of each UTC day that has bars.
    trades
        Record array (`TRADE` of the ledger).
    span_ms
        Time from the first bar's open to the last one's close.
    held
        What holding would have given, a fraction.
    """
    with np.errstate(all="ignore"):  # what leaves the range of numbers is told as undefined
        return _measured(capital, final_equity, max_drawdown, bars, daily, trades, span_ms, held)


def time_in_market(clock: NDArray[np.int64], trades: NDArray[np.void], step_ms: int = 0) -> float:
    """Return the share of the bars in which anything was held: positions beside each other count once.

    `clock` are bar opens, `step_ms` apart or, across a hole, more; 0 is not known.
    """
    if not len(trades):
        return 0.0
    begins = _rows(clock, trades["entry_time"], step_ms)
    # Trades are in the order of their exits.
    order = np.argsort(begins)
    begins = begins[order]
    reached = np.maximum.accumulate(_rows(clock, trades["exit_time"], step_ms)[order] + 1)
    # Of each, what lies beyond all that began before it.
    alone = reached.copy()
    alone[0] -= begins[0]
    alone[1:] -= np.maximum(begins[1:], reached[:-1])
    return int(np.add.reduce(alone)) / len(clock)


def _rows(clock: NDArray[np.int64], times: NDArray[np.int64], step_ms: int) -> NDArray[np.int64]:
    # Where the clock has no hole a time says its row.
    if step_ms > 0 and int(clock[-1]) - int(clock[0]) == (len(clock) - 1) * step_ms:
        rows: NDArray[np.int64] = (times - clock[0]) // step_ms
        return rows
    return np.searchsorted(clock, times)


def _measured(
    capital: float, final_equity: float, max_drawdown: float, bars: int, daily: NDArray[np.float64],
    trades: NDArray[np.void], span_ms: int, held: float | None,
) -> Metrics:  # fmt: skip
    # Columns one after the other: in a row of a record they lie far apart, and each look at them costs again.
    pnl, entered, left = (np.ascontiguousarray(trades[name]) for name in ("pnl", "entry_bar", "exit_bar"))
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    won, lost = float(np.add.reduce(wins)), -float(np.add.reduce(losses))
    open_for = int(left.sum()) - int(entered.sum()) + len(trades)
    # A trade that leaves at an open and one that enters there share that bar.
    shared = int(np.count_nonzero(left[:-1] == entered[1:]))
    equity = np.concatenate([[capital], daily])
    sample = _sample(equity)
    growth = stats.cagr(final_equity / capital, span_ms / _DAY_MS)
    win, loss = won / len(wins) if len(wins) else None, -lost / len(losses) if len(losses) else None
    rate = len(wins) / len(pnl) if len(pnl) else None
    earned = stats.Sample(pnl)
    spread = stats.deviation(earned)
    traded = float((np.abs(trades["quantity"]) * (trades["entry_price"] + trades["exit_price"])).sum())
    average = float(equity.mean())
    return Metrics(
        total_return=final_equity / capital - 1.0,
        sharpe_ratio=None if sample is None else stats.sharpe(sample),
        max_drawdown=max_drawdown,
        win_rate=rate,
        profit_factor=won / lost if lost > 0 else None,
        trades=len(trades),
        final_equity=final_equity,
        fees=float(trades["fees"].sum()),
        time_in_market=(open_for - shared) / bars if bars else 0.0,
        cagr=growth,
        calmar_ratio=growth / max_drawdown if growth is not None and max_drawdown > 0.0 else None,
        **({} if sample is None else _of_returns(sample)),
        max_drawdown_days=stats.longest_drawdown(equity),
        ulcer_index=stats.ulcer_index(equity),
        expectancy=earned.mean if len(pnl) else None,
        average_win=win,
        average_loss=loss,
        sqn=math.sqrt(len(pnl)) * earned.mean / spread if spread else None,
        kelly=rate - (1.0 - rate) * -loss / win if rate is not None and win and loss else None,
        turnover=traded / average if average > 0.0 else 0.0,
        buy_and_hold_return=held,
    )


def _sample(equity: NDArray[np.float64]) -> stats.Sample | None:
    # Of a lost account there are no returns: it has nothing left to earn them on.
    return stats.Sample(np.diff(equity) / equity[:-1]) if (equity > 0.0).all() else None


def _of_returns(sample: stats.Sample) -> dict[str, float | None]:
    return {
        "volatility": stats.volatility(sample),
        "sortino_ratio": stats.sortino(sample),
        "omega_ratio": stats.omega(sample),
        "var_95": stats.value_at_risk(sample),
        "cvar_95": stats.expected_shortfall(sample),
        "var_95_normal": stats.value_at_risk_normal(sample),
        "cvar_95_normal": stats.expected_shortfall_normal(sample),
    }
