"""Monte-Carlo: what else the same trades, or the same days, might have come to.

Trades are drawn again with replacement (bootstrap), or put in another order (shuffle, which leaves the end
where it was and moves the drawdown). Days are drawn in blocks of random length, the stationary bootstrap of
Politis and Romano, "The Stationary Bootstrap" (1994), so that calm and storm stay together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import InputError
from cryptai.seams import rng

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator  # noqa: TID251 (a type; seams make the thing)
    from numpy.typing import NDArray

DRAWS: Final = 2_000
_LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
# Numbers drawn, all draws together: of 100,000 trades 400 draws are plenty.
_DRAWN: Final = 40_000_000
# Numbers held at a time.
_PORTION: Final = 2_000_000


@dataclass(frozen=True)
class Spread:
    """Quantiles of one figure over the draws: a fraction, at 5, 25, 50, 75 and 95 %."""

    p05: float
    p25: float
    p50: float
    p75: float
    p95: float


@dataclass(frozen=True)
class MonteCarlo:
    """What the draws came to.

    Attributes
    ----------
    kind
        `bootstrap` or `shuffle` of trades, or `blocks` of days.
    draws, pieces, block
        How many draws (fewer of very many pieces), of how many trades or days, and the mean length of a
        block (1 for trades).
    total_return, max_drawdown
        Final equity over capital minus 1, and the largest fall from a peak, a positive fraction.
    loss
        Share of draws that end below the capital.
    """

    kind: str
    draws: int
    pieces: int
    block: float
    total_return: Spread
    max_drawdown: Spread
    loss: float

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


def of_trades(
    returns: NDArray[np.float64], *, shuffle: bool = False, draws: int = DRAWS, seed: int = 0
) -> MonteCarlo | None:
    """Return what the trades might have come to; None of fewer than two.

    Parameters
    ----------
    returns
        What each trade added to the account, over what the account was before it: one after the other they
        make the run. Each above -1.
    shuffle
        Put them in another order in place of drawing with replacement.
    """
    n = len(returns)
    if n < 2:
        return None
    generator = rng([seed, 71])

    def pick(count: int) -> NDArray[np.int64]:
        if shuffle:
            return generator.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
        return generator.integers(0, n, (count, n))

    return _drawn("shuffle" if shuffle else "bootstrap", returns, pick, 1.0, draws)


def of_days(
    returns: NDArray[np.float64], *, block: float | None = None, draws: int = DRAWS, seed: int = 0
) -> MonteCarlo | None:
    """Return what the days might have come to, drawn in blocks; None of fewer than two.

    Parameters
    ----------
    returns
        Daily returns, each above -1.
    block
        Mean length of a block, in days, 1 or more; None for the cube root of their number.
    """
    if len(returns) < 2:
        return None
    length = mean_block(len(returns)) if block is None else block
    generator = rng([seed, 72])
    return _drawn(
        "blocks", returns, lambda count: stationary(generator, len(returns), length, count), length, draws
    )


def mean_block(n: int) -> float:
    """Return the mean length of a block for so many days: their cube root, 1 at the least.

    Politis and Romano find that order to be the best one; how many times it is not worth an estimate here.
    """
    return max(1.0, float(round(n ** (1.0 / 3.0))))


def stationary(generator: Generator, n: int, block: float, count: int) -> NDArray[np.int64]:
    """Return `count` draws of n rows: blocks from anywhere, on round the end, of geometric length.

    Raises
    ------
    InputError
        For a mean block under 1 or over the rows there are.
    """
    if not 1.0 <= block <= n:
        raise InputError(f"block must be from 1 to {n} rows, was {block:g}.", field="block")
    fresh = generator.random((count, n)) < 1.0 / block
    fresh[:, 0] = True
    starts = generator.integers(0, n, (count, n))
    # Each row goes on from the last fresh one before it.
    at = np.maximum.accumulate(np.where(fresh, np.arange(n), 0), axis=1)
    rows: NDArray[np.int64] = (np.take_along_axis(starts, at, axis=1) + np.arange(n) - at) % n
    return rows


def monte_carlo(
    found: Mapping[str, Any], daily: NDArray[np.float64] | None, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Return all three of a run: `trades` drawn again, their `order`, and `blocks` of days; or None each.

    Parameters
    ----------
    found
        The object of `backtest --json`.
    daily
        Its daily returns (`cryptai.analytics.returns.daily_returns`).
    """
    pnl = np.array([row["pnl"] for row in found["trades"]], np.float64)
    before = found["capital"] + np.r_[0.0, np.cumsum(pnl)[:-1]] if len(pnl) else np.empty(0)
    sound = len(pnl) > 0 and bool((before > 0.0).all()) and bool((before + pnl > 0.0).all())
    returns = pnl / before if sound else np.empty(0)
    told = {
        "trades": of_trades(returns, draws=draws, seed=seed),
        "order": of_trades(returns, shuffle=True, draws=draws, seed=seed),
        "blocks": None if daily is None else of_days(daily, draws=draws, seed=seed),
    }
    return {name: None if one is None else one.as_object() for name, one in told.items()}


def _drawn(
    kind: str,
    returns: NDArray[np.float64],
    pick: Callable[[int], NDArray[np.int64]],
    block: float,
    draws: int,
) -> MonteCarlo:
    draws = min(draws, max(200, _DRAWN // len(returns)))
    ends, falls = np.empty(draws), np.empty(draws)
    portion = max(1, _PORTION // len(returns))
    growth = np.log1p(returns)
    for start in range(0, draws, portion):
        count = min(portion, draws - start)
        path = np.cumsum(growth[pick(count)], axis=1)
        peaks = np.maximum(np.maximum.accumulate(path, axis=1), 0.0)
        ends[start : start + count] = np.expm1(path[:, -1])
        falls[start : start + count] = -np.expm1((path - peaks).min(axis=1))
    return MonteCarlo(
        kind, draws, len(returns), block, _spread(ends), _spread(np.maximum(falls, 0.0)),
        float((ends < 0.0).mean()),
    )  # fmt: skip


def _spread(values: NDArray[np.float64]) -> Spread:
    return Spread(*(float(one) for one in np.quantile(values, _LEVELS)))
