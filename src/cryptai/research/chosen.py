"""The evidence of a set that was chosen out of many: that of its run, and what the choice takes of it.

The probability of backtest overfitting (`cryptai.research.overfit`) is asked to be at most 0.05, as its
authors propose; the period that was held out is told beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.research.evidence import ENOUGH, NOT_ENOUGH
from cryptai.research.overfit import BlockSums, of_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryptai.research.measured import Measured

MOST_PBO: Final = 0.05
"""Bailey, Borwein, López de Prado and Zhu (2015): reject where the probability is above."""
# 12,870 splits of 16 blocks for so many sets; of more, the blocks are put together in pairs.
_MANY: Final = 4_000


def of_choice(
    told: Mapping[str, Any], results: Sequence[Measured], held_out: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the `evidence` of a search: that of its best run, with the search's own figures and reasons.

    Parameters
    ----------
    told
        The `evidence` object of the best set's run.
    results
        All sets that were run.
    held_out
        Metrics of the best set in the period that was held out; None where there was none.
    """
    found = overfitting(results)
    against = list(_against(found, held_out))
    reasons = [] if told["status"] == ENOUGH and against else list(told["reasons"])
    if told["status"] == ENOUGH and not against:
        reasons = list(_for(reasons, found, held_out))
    enough = told["status"] == ENOUGH and not against
    first = {
        "status": ENOUGH if enough else NOT_ENOUGH, "reasons": against + reasons,
        "trials": told["trials"], "deflated_sharpe": told["deflated_sharpe"], "pbo": found["pbo"],
    }  # fmt: skip
    return first | {"overfitting": found} | {name: told[name] for name in told if name not in first}


def overfitting(results: Sequence[Measured]) -> dict[str, Any]:
    """Return the probability of overfitting of the sets; figures are None where it cannot be told.

    `splits` is how many ways of halving were tried, `sets` how many sets took part.
    """
    taken = [one.blocks for one in results if one.blocks is not None]
    told: dict[str, Any] = {
        "pbo": None, "sets": len(taken), "blocks": None, "splits": 0, "slope": None,
        "probability_of_loss": None,
    }  # fmt: skip
    if len(taken) < 2:
        return told
    found = BlockSums(
        taken[0].rows,
        np.hstack([one.sums for one in taken]),
        np.hstack([one.squares for one in taken]),
    )
    if len(taken) > _MANY and len(found.sums) == 16:
        found = BlockSums(2 * found.rows, _paired(found.sums), _paired(found.squares))
    over = of_blocks(found)
    slope = float(over.slope)
    return told | {
        "pbo": over.pbo, "blocks": len(found.sums), "splits": len(over.logits),
        "slope": slope if np.isfinite(slope) else None, "probability_of_loss": over.probability_of_loss,
    }  # fmt: skip


def _paired(sums: Any) -> Any:
    return sums.reshape(len(sums) // 2, 2, -1).sum(axis=1)


def _against(found: Mapping[str, Any], held_out: Mapping[str, Any] | None) -> Iterator[str]:
    pbo, sets = found["pbo"], found["sets"]
    if pbo is None:
        yield (
            "How likely the choice fits chance cannot be told: "
            + ("there was no other set to choose." if sets < 2 else "it takes 20 days of bars.")
        )
    elif pbo > MOST_PBO:
        how = "was chosen by chance" if pbo >= 0.5 else "may be chosen by chance"
        asked = "" if pbo >= 0.5 else f"; at most {_share(MOST_PBO)} is asked for"
        yield f"The best of {sets:,} sets {how}: {_halved(found)}{asked}."
    if held_out is not None and not held_out["trades"]:
        yield "In the period that was held out it made no trade."
    elif held_out is not None and held_out["total_return"] <= 0.0:
        yield f"In the period that was held out it lost {_share(-held_out['total_return'])}."


def _for(
    reasons: Sequence[str], found: Mapping[str, Any], held_out: Mapping[str, Any] | None
) -> Iterator[str]:
    # The last of them says that nothing was held out.
    yield from reasons if held_out is None else reasons[:-1]
    said = _halved(found)
    yield f"{said[0].upper()}{said[1:]}."
    if held_out is not None:
        yield (
            f"In the period that was held out it made {_share(held_out['total_return'])}; looked at once, "
            "that says something, and looked at often, nothing."
        )


def _halved(found: Mapping[str, Any]) -> str:
    return (
        f"in {_share(found['pbo'])} of {found['splits']:,} ways of halving this past, the set that won one "
        "half was no better than the middle in the other"
    )


def _share(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")
