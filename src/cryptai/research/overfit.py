"""How likely the best of many trials is merely the luckiest: the probability of backtest overfitting.

Combinatorially symmetric cross-validation (Bailey, Borwein, López de Prado and Zhu, "The Probability of
Backtest Overfitting", 2015): the rows are cut into blocks, every half of the blocks once is the sample that
chooses the best trial, and the other half shows what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_BLOCKS: Final = 20
_TWO: Final = "Overfitting needs the returns of two trials at least, one column each."
# Numbers held at a time: 64 MiB of them.
_PORTION: Final = 8_388_608


@dataclass(frozen=True, eq=False)
class Overfit:
    """What the cross-validation says of a set of trials.

    Attributes
    ----------
    pbo
        Share of the splits in which the trial best in sample was no better than the median out of it.
    logits
        For each split the logit of that trial's relative rank out of sample; above 0 is better than the
        median.
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
    cut = returns[len(returns) - rows * blocks :].reshape(blocks, rows, -1)
    return BlockSums(rows, cut.sum(axis=1), np.square(cut).sum(axis=1))


def of_blocks(found: BlockSums) -> Overfit:
    """Return the probability of backtest overfitting of trials by the sums of their blocks."""
    rows, sums, squares = found.rows, found.sums, found.squares
    blocks, trials = sums.shape
    if trials < 2:
        raise InputError(_TWO, field="returns")
    picks = list(combinations(range(blocks), blocks // 2))
    chosen = np.zeros((len(picks), blocks))
    chosen[np.arange(len(picks))[:, None], np.array(picks)] = 1.0
    logits, inside, outside = (np.empty(len(picks)) for _ in range(3))
    portion = max(1, _PORTION // trials)
    for start in range(0, len(picks), portion):
        part = slice(start, min(start + portion, len(picks)))
        seen = _sharpe(chosen[part] @ sums, chosen[part] @ squares, rows * blocks // 2)
        later = _sharpe((1.0 - chosen[part]) @ sums, (1.0 - chosen[part]) @ squares, rows * blocks // 2)
        best = seen.argmax(axis=1)
        at = np.arange(len(best))
        inside[part], outside[part] = seen[at, best], later[at, best]
        mine = later[at, best][:, None]
        rank = (later < mine).sum(axis=1) + ((later == mine).sum(axis=1) + 1) / 2.0
        relative = rank / (trials + 1.0)
        logits[part] = np.log(relative / (1.0 - relative))
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


def _sharpe(sums: NDArray[np.float64], squares: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    mean = sums / n
    # What rounding leaves of equal returns is no deviation.
    variance = np.maximum(squares / n - np.square(mean), 0.0)
    variance[variance <= 1e-14 * squares / n] = 0.0
    found: NDArray[np.float64] = np.divide(
        mean, np.sqrt(variance * n / (n - 1)), out=np.zeros_like(mean), where=variance > 0.0
    )
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
