"""What a series of returns was like: growth, risk and their ratios, each by one convention.

Returns are simple, on a fixed clock (daily UTC equity), fractions (0.01 is 1 %); a year has 365 of them,
since crypto trades every day; the risk-free rate is zero (Z-14 of the requirements). Losses are negative:
a `var_95` of -0.04 says that one day in twenty lost 4 % or more. Undefined is None, never infinite.
"""

from __future__ import annotations

import math
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from cryptai.analytics.logarithm import expm1, log_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAYS_A_YEAR: Final = 365
# Growth over less than this is no yearly rate: 3 % in a day would be 4.8 million per cent a year.
SHORTEST_DAYS: Final = 30.0
# The highest yearly rate that is told of less than a year: 10,000 %. Above it, growth that was seen for some
# weeks is carried on to sums that exist nowhere. Of a year or more the rate is what was seen.
LARGEST_RATE: Final = 100.0
_NORMAL: Final = NormalDist()
_DAY_MS: Final = 86_400_000


class Sample:
    """Returns, and what more than one figure is made of: taken from them once.

    Attributes
    ----------
    returns, count
        The returns themselves, and how many they are.
    mean, spread
        Their mean, and their sample standard deviation; NaN of none, and of fewer than two.
    """

    def __init__(self, returns: NDArray[np.float64]) -> None:
        self.returns = returns
        self.count = len(returns)
        self.mean = self.spread = math.nan
        if self.count > 0:
            self.mean = float(np.add.reduce(returns)) / self.count
        if self.count > 1:
            off = returns - self.mean
            self.spread = math.sqrt(float(np.add.reduce(off * off)) / (self.count - 1))

    @classmethod
    def of(cls, returns: Returns) -> Sample:
        """Return the sample of some returns; one that is made already is itself."""
        return returns if isinstance(returns, Sample) else cls(returns)

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """Return each return where it is a loss, else 0."""
        return np.minimum(self.returns, 0.0)

    @cached_property
    def ordered(self) -> NDArray[np.float64]:
        """Return the returns in order, the worst first."""
        return np.sort(self.returns)


Returns: TypeAlias = "NDArray[np.float64] | Sample"


def daily_returns(
    capital: float, ts: NDArray[np.int64], equity: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return a run's daily returns: from the capital to the last equity of each UTC day that has bars.

    `ts` are bar opens, ms UTC, rising; None where the account was lost (an equity at or below zero on one of
    these days): there is nothing left to earn returns on.
    """
    if not len(equity):
        return np.empty(0)
    day = ts // _DAY_MS
    last = np.append(np.flatnonzero(day[1:] != day[:-1]), len(ts) - 1)
    kept = np.concatenate([[capital], equity[last]])
    return np.diff(kept) / kept[:-1] if (kept > 0.0).all() else None


def cagr(growth: float, days: float) -> float | None:
    """Return the compound annual growth rate of `growth`, final over first equity, in that many days.

    -1 for an equity at or below zero; None under 30 days, where a yearly rate would be an invention, where
    less than a year gives more than 10,000 %, and where the rate leaves the range of numbers.
    """
    if days < SHORTEST_DAYS or math.isnan(growth):
        return None
    if growth <= 0.0:
        return -1.0
    exponent = log_of(growth) * DAYS_A_YEAR / days
    rate = expm1(exponent) if exponent < 700.0 else None
    return None if rate is not None and rate > LARGEST_RATE and days < DAYS_A_YEAR else rate


def deviation(returns: Returns) -> float | None:
    """Return the sample standard deviation; None of fewer than two, or where rounding is all there is."""
    known = Sample.of(returns)
    if known.count < 2:
        return None
    # Rounding alone makes a deviation of the last digit's size out of equal returns.
    least = 1e-15 * max(1.0, float(np.abs(known.returns).max()))
    return known.spread if known.spread > least else None


def volatility(returns: Returns, periods_a_year: float = DAYS_A_YEAR) -> float | None:
    """Return the annualised sample standard deviation; None of fewer than two returns."""
    known = Sample.of(returns)
    return known.spread * math.sqrt(periods_a_year) if known.count > 1 else None


def sharpe(returns: Returns, periods_a_year: float = DAYS_A_YEAR) -> float | None:
    """Return mean over sample deviation, annualised (Sharpe 1994); None without a deviation."""
    known = Sample.of(returns)
    spread = deviation(known)
    return None if spread is None else _finite(known.mean / spread * math.sqrt(periods_a_year))


def sortino(returns: Returns, periods_a_year: float = DAYS_A_YEAR) -> float | None:
    """Return mean over downside deviation, annualised (Sortino and Price 1994); None without a loss.

    The downside deviation is the root of the mean of the squared losses over all returns, against zero.
    """
    known = Sample.of(returns)
    if not known.count:
        return None
    downside = math.sqrt(float(np.add.reduce(np.square(known.losses))) / known.count)
    if downside == 0.0:
        return None
    return _finite(known.mean / downside * math.sqrt(periods_a_year))


def omega(returns: Returns) -> float | None:
    """Return the sum of gains over that of losses, against zero (Keating and Shadwick 2002); or None."""
    known = Sample.of(returns)
    lost = -float(np.add.reduce(known.losses))
    gained = np.maximum(known.returns, 0.0)
    return _finite(float(np.add.reduce(gained)) / lost) if lost > 0.0 else None


def value_at_risk(returns: Returns, level: float = 0.95) -> float | None:
    """Return the historical quantile at `1 - level`, linearly interpolated: a return, negative for a loss."""
    known = Sample.of(returns)
    if not known.count:
        return None
    # As NumPy's quantile, to the last bit: of two neighbours the nearer one is where it begins.
    at = (known.count - 1) * (1.0 - level)
    row = min(int(at), known.count - 2) if known.count > 1 else 0
    under, over, last = (float(known.ordered[one]) for one in (row, min(row + 1, known.count - 1), -1))
    if math.isnan(last):
        return math.nan
    share, step = at - row, over - under
    return under + step * share if share < 0.5 else over - step * (1.0 - share)


def expected_shortfall(returns: Returns, level: float = 0.95) -> float | None:
    """Return the mean of the returns at or below the historical quantile (CVaR): negative for a loss."""
    known = Sample.of(returns)
    if not known.count:
        return None
    # In order: a sum's last digit depends on it.
    worst = int((known.count - 1) * (1.0 - level) + 1e-9) + 1
    return float(np.add.reduce(known.ordered[:worst])) / worst


def value_at_risk_normal(returns: Returns, level: float = 0.95) -> float | None:
    """Return the same quantile of the normal distribution of that mean and sample deviation."""
    known = Sample.of(returns)
    return known.mean + known.spread * _NORMAL.inv_cdf(1.0 - level) if known.count > 1 else None


def expected_shortfall_normal(returns: Returns, level: float = 0.95) -> float | None:
    """Return the expected shortfall of that normal distribution."""
    known = Sample.of(returns)
    if known.count < 2:
        return None
    density = _NORMAL.pdf(_NORMAL.inv_cdf(1.0 - level))
    return known.mean - known.spread * density / (1.0 - level)


def drawdowns(equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fall from the peak so far at each row, as a positive fraction of that peak."""
    if not len(equity):
        return np.empty(0)
    peaks = np.maximum.accumulate(equity)
    fallen: NDArray[np.float64] = 1.0 - equity / peaks
    return fallen


def longest_drawdown(equity: NDArray[np.float64]) -> int:
    """Return the most rows in a row below a peak: to the one that reaches it again, or the end."""
    peaks = np.flatnonzero(~(drawdowns(equity) > 0.0))
    around = np.empty(len(peaks) + 2, np.int64)
    around[0], around[1:-1], around[-1] = -1, peaks, len(equity)
    return int(np.diff(around).max()) - 1


def ulcer_index(equity: NDArray[np.float64]) -> float | None:
    """Return the root mean square of the drawdowns (Martin 1987), a fraction; None of no equity."""
    if not len(equity):
        return None
    return math.sqrt(float(np.add.reduce(np.square(drawdowns(equity)))) / len(equity))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
