"""Whether a result may be believed: probabilistic and deflated Sharpe ratio, track record, intervals.

Sharpe ratios here are per period (not annualised), as in the papers: Bailey and López de Prado, "The Sharpe
Ratio Efficient Frontier" (2012) and "The Deflated Sharpe Ratio" (2014). A normal kurtosis is 3.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.seams import rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NORMAL: Final = NormalDist()
_EULER: Final = 0.577_215_664_901_532_9


def moments(returns: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Return the Sharpe ratio per period, skewness and kurtosis; None of fewer than three, or all equal."""
    ratio = sharpe(returns)
    if ratio is None:
        return None
    centred = returns - returns.mean()
    second = float(np.square(centred).mean())
    skewness = float((centred**3).mean()) / second**1.5
    kurtosis = float((centred**4).mean()) / second**2
    return ratio, skewness, kurtosis


def sharpe(returns: NDArray[np.float64]) -> float | None:
    """Return the Sharpe ratio per period, of sample deviation; None of fewer than three, or all equal."""
    found = float(sharpes(returns[None])[0])
    return None if math.isnan(found) else found


def sharpes(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Sharpe ratio of each row, as `sharpe` has it; NaN where it has none."""
    rows, n = returns.shape
    if n < 3:
        return np.full(rows, np.nan)
    mean = returns.mean(axis=1)
    second = np.square(returns - mean[:, None]).sum(axis=1)
    equal = second / n <= np.square(1e-15 * np.maximum(1.0, np.abs(returns).max(axis=1)))
    found: NDArray[np.float64] = np.divide(
        mean, np.sqrt(second / (n - 1)), out=np.full(rows, np.nan), where=~equal
    )
    return found


def probabilistic_sharpe(
    sharpe: float, n: int, skewness: float = 0.0, kurtosis: float = 3.0, *, benchmark: float = 0.0
) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds `benchmark`; None of under two returns."""
    if n < 2:
        return None
    variance = _variance(sharpe, skewness, kurtosis)
    if variance <= 0.0:
        return None
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(variance))


def expected_maximum(trials: int) -> float:
    """Return the expected largest of that many standard normals (the paper's approximation); 0 for one."""
    if trials < 2:
        return 0.0
    high, higher = _NORMAL.inv_cdf(1.0 - 1.0 / trials), _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return (1.0 - _EULER) * high + _EULER * higher


def deflated_sharpe(
    sharpe: float, n: int, trials: int, trials_deviation: float,
    skewness: float = 0.0, kurtosis: float = 3.0,
) -> float | None:  # fmt: skip
    """Return the probability that the true Sharpe ratio exceeds what the best of many trials shows by luck.

    Parameters
    ----------
    trials
        Distinct configurations tried, this one included.
    trials_deviation
        Standard deviation of the trials' Sharpe ratios per period. Where only one was measured, what
        chance alone gives: `chance_deviation(n)`.
    """
    luck = expected_maximum(trials) * trials_deviation
    return probabilistic_sharpe(sharpe, n, skewness, kurtosis, benchmark=luck)


def chance_deviation(n: int) -> float:
    """Return the standard deviation of the Sharpe ratio per period of `n` returns without any edge."""
    return 1.0 / math.sqrt(n - 1) if n > 1 else 0.0


def minimum_track_record(
    sharpe: float, skewness: float = 0.0, kurtosis: float = 3.0, *, benchmark: float = 0.0,
    confidence: float = 0.95,
) -> float | None:  # fmt: skip
    """Return how many returns it takes to say with `confidence` that the Sharpe ratio exceeds `benchmark`.

    None where the ratio does not exceed it: then no length would do.
    """
    if sharpe <= benchmark:
        return None
    z = _NORMAL.inv_cdf(confidence)
    return 1.0 + _variance(sharpe, skewness, kurtosis) * (z / (sharpe - benchmark)) ** 2


def wilson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Return Wilson's score interval (1927) of a rate; None of no trials."""
    if trials < 1:
        return None
    z = _NORMAL.inv_cdf(0.5 + confidence / 2.0)
    rate, more = hits / trials, z * z / trials
    middle = (rate + more / 2.0) / (1.0 + more)
    half = z / (1.0 + more) * math.sqrt(rate * (1.0 - rate) / trials + more / (4.0 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_mean(
    values: NDArray[np.float64],
    *,
    seed: int = 0,
    confidence: float = 0.95,
    draws: int = 2_000,
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval (Efron 1979) of the mean; None of fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    generator = rng(seed)
    means = np.empty(draws)
    # By portions: all draws at once would take `draws x n` numbers.
    portion = max(1, min(draws, 1_000_000 // n))
    for start in range(0, draws, portion):
        count = min(portion, draws - start)
        means[start : start + count] = values[generator.integers(0, n, (count, n))].mean(axis=1)
    low, high = np.quantile(means, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0])
    return float(low), float(high)


def _variance(sharpe: float, skewness: float, kurtosis: float) -> float:
    return 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe
