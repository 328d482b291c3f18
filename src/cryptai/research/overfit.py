"""How likely the best of many trials is merely the luckiest: the probability of backtest overfitting.

Combinatorially symmetric cross-validation (Bailey, Borwein, López de Prado and Zhu, "The Probability of
Backtest Overfitting", 2015): the rows are cut into blocks, every half of the blocks once is the sample that
chooses the best trial, and the other half shows what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_MOST_BLOCKS: Final = 20
_TWO: Final = "Overfitting needs the returns of two trials at least, one column each."
# Numbers held at a time: what stays in a processor's cache.
_PORTION: Final = 65_536


@dataclass(frozen=True, eq=False)
class Overfit:
    """What the cross-validation says of a set of trials.

    Attributes
    ----------
    pbo
        Share of the splits in which the trial best in sample was no better than the median out of it.
    logits
        For each split, in an order of no meaning, the logit of that trial's relative rank out of sample;
        above 0 is better than the median.
    best_in_sample, best_out_of_sample
        Its Sharpe ratio per row in and out of sample, for each split.
    slope
        Of the line through these: below 0 the better a trial looked, the worse it went on. NaN if they
        are all equal.
    probability_of_loss
        Share of the splits in which that trial lost out of sample.
    """

    pbo: float
    logits: NDArray[np.float64]
    best_in_sample: NDArray[np.float64]
    best_out_of_sample: NDArray[np.float64]
    slope: float
    probability_of_loss: float


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Returns of trials summed by block: `sums` and `squares` of shape (blocks, trials), `rows` a block."""

    rows: int
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]


def probability_of_overfitting(returns: NDArray[np.float64], *, blocks: int = 16) -> Overfit:
    """Return the probability of backtest overfitting of trials by their returns.

    Parameters
    ----------
    returns
        One row a period, one column a trial (all that were tried, not only the good ones); finite.
    blocks
        Blocks the rows are cut into, an even number from 4 to 20; rows left over at the start are not used.
        The paper takes 16: 12,870 splits.

    A trial without deviation (it never traded) counts with a Sharpe ratio of 0; of equal ranks the mean.

    Raises
    ------
    InputError
        With fewer than two trials or two rows a block, another number of blocks, or what is not finite.
    """
    return of_blocks(block_sums(returns, blocks))


def block_sums(returns: NDArray[np.float64], blocks: int = 16) -> BlockSums:
    """Return what the cross-validation needs of the trials' returns; arguments and errors as above.

    Of one trial alone it may be taken, too: what a search keeps of each, to be put side by side.
    """
    _check(returns, blocks)
    rows = len(returns) // blocks
    # Each trial lies by itself, so that no sum depends on how many there are.
    cut = np.ascontiguousarray(returns[len(returns) - rows * blocks :].T).reshape(-1, blocks, rows)
    return BlockSums(rows, cut.sum(axis=2).T, np.square(cut).sum(axis=2).T)


def of_blocks(found: BlockSums) -> Overfit:
    """Return the probability of backtest overfitting of trials by the sums of their blocks."""
    blocks, trials = found.sums.shape
    if trials < 2:
        raise InputError(_TWO, field="returns")
    n = found.rows * blocks // 2
    means, squares = _Picked(found.sums / n), _Picked(found.squares / n)
    portion = max(1, _PORTION // trials)
    looked: list[tuple[NDArray[np.float64], ...]] = []
    for pick in means.picks(portion):
        one, two = (_ratio(means(*half), squares(*half)) for half in (pick, means.others(*pick)))
        # Each half is looked at once for both.
        looked += [_split(one, two), _split(two, one)]
    inside, outside, logits = map(np.concatenate, zip(*looked, strict=True))
    # The deviation is the sample's, which changes no rank.
    inside, outside = (one * np.sqrt((n - 1) / n) for one in (inside, outside))
    spread = float(np.square(inside - inside.mean()).sum())
    slope = (
        float(((inside - inside.mean()) * (outside - outside.mean())).sum()) / spread if spread else np.nan
    )
    return Overfit(
        pbo=float((logits <= 0.0).mean()),
        logits=logits,
        best_in_sample=inside,
        best_out_of_sample=outside,
        slope=slope,
        probability_of_loss=float((outside < 0.0).mean()),
    )


class _Picked:
    """Sums of halves of the blocks: a subset of the first ones and as many others of the last ones."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._size = len(values) // 2
        self._first, last = _subsets(values[: self._size]), _subsets(values[self._size :])
        # By how many they are, so that what goes with one subset of the first lies together.
        count = np.bitwise_count(np.arange(len(last)))
        self._last = [last[count == many] for many in range(self._size + 1)]

    def picks(self, portion: int) -> Iterator[tuple[int, int, slice]]:
        """Yield one of each half and its other: the first's subset, how many of the last, which of these."""
        for subset in range(len(self._first) // 2):
            many = self._size - subset.bit_count()
            for start in range(0, len(self._last[many]), portion):
                yield subset, many, slice(start, start + portion)

    def others(self, subset: int, many: int, part: slice) -> tuple[int, int, slice]:
        """Return the blocks that are not picked, in the same order."""
        # The complements of numbers that rise fall.
        end = len(self._last[many]) - 1
        falling = slice(end - part.start, end - part.stop if part.stop <= end else None, -1)
        return len(self._first) - 1 - subset, self._size - many, falling

    def __call__(self, subset: int, many: int, part: slice) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self._first[subset] + self._last[many][part]
        return found


def _subsets(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.zeros((1 << len(values), values.shape[1]))
    for bit, row in enumerate(values):
        found[1 << bit : 2 << bit] = found[: 1 << bit] + row
    return found


def _split(
    seen: NDArray[np.float64], later: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the best trial's Sharpe ratio in sample and out of it, and the logit of its rank there."""
    best = seen.argmax(axis=1)
    at = np.arange(len(best))
    mine = later[at, best]
    below = np.count_nonzero(later < mine[:, None], axis=1)
    equal = np.count_nonzero(later == mine[:, None], axis=1)
    relative = (below + (equal + 1) / 2.0) / (later.shape[1] + 1.0)
    return seen[at, best], mine, np.log(relative / (1.0 - relative))


def _ratio(mean: NDArray[np.float64], squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the deviation (of the population), 0 where there is none; both are used up."""
    variance = squared - mean * mean
    # What rounding leaves of equal returns is no deviation.
    squared *= 1e-14
    moved = variance > squared
    np.sqrt(variance, out=variance, where=moved)
    found: NDArray[np.float64] = np.divide(mean, variance, out=mean, where=moved)
    found[~moved] = 0.0
    return found


def _check(returns: NDArray[np.float64], blocks: int) -> None:
    if returns.ndim != 2:
        raise InputError(_TWO, field="returns")
    if blocks % 2 or not 4 <= blocks <= _MOST_BLOCKS:
        raise InputError(
            f"blocks must be an even number from 4 to {_MOST_BLOCKS}, was {blocks}.", field="blocks"
        )
    if len(returns) < 2 * blocks:
        raise InputError(
            f"{len(returns)} rows are too few for {blocks} blocks; give {2 * blocks} rows or fewer blocks.",
            field="blocks",
        )
    if not np.isfinite(returns).all():
        raise InputError("The returns must be finite numbers.", field="returns")
