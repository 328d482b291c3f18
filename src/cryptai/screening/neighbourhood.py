"""How much a choice of parameters is worth: the sets around the one that is used, and what became of each.

The neighbourhood of a strategy is half, once and twice the value of its first two numbers, within their
ranges: nine sets at most, the one that is used among them. Each one's setups are followed as those of the
strategy itself are, of at most `MOST_MARKETS` markets, those with the longest history.

The probability of backtest overfitting is taken from these by combinatorially symmetric cross-validation
(`cryptai.research.overfit`): days are cut into ten blocks, the set with the best Sharpe ratio on one half of
the blocks is chosen, and the probability is the share of all ways of halving in which that set does no
better than the middle of the sets on the other half. A day's return is the sum of what the setups decided on
it came to. So it says how far "it did best here" can be believed of these parameters; none of the nine
was chosen by it, so they are no trials.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import InputError
from cryptai.market.timeframe import DAY_MS
from cryptai.research.overfit import probability_of_overfitting
from cryptai.screening.outcomes import MISSED, OPEN, outcomes
from cryptai.screening.setups import setups
from cryptai.strategies.strategy import values_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import Field

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.costs import Costs

TRY: Final = np.dtype([("set", "i4"), ("decided_ms", "i8"), ("resolved_ms", "i8"), ("net", "f8")])
"""One setup of one set that was entered and has ended; setups of one market and set do not overlap."""

MOST_MARKETS: Final = 20
FEWEST: Final = 30
"""Setups below which a set says nothing."""
BLOCKS: Final = 10
_FACTORS: Final = (0.5, 1.0, 2.0)
_VARIED: Final = 2


def neighbours(strategy: Strategy) -> list[Strategy]:
    """Return the sets of a neighbourhood, the strategy itself first."""
    made: Any = strategy
    found, seen = [strategy], [values_of(strategy)]
    varied = {one.name: _around(made, one) for one in _numbers(made)[:_VARIED]}
    for values in product(*varied.values()):
        other: Any = replace(made, **dict(zip(varied, values, strict=True))) if varied else made
        if values_of(other) not in seen and _sound(other):
            seen.append(values_of(other))
            found.append(other)
    return found


def tries(
    sets: Sequence[Strategy], markets: Mapping[str, Sequence[Candles]], costs: Costs
) -> NDArray[np.void]:
    """Return what came of the setups of every set, of the markets with the longest history."""
    longest = sorted(markets, key=lambda symbol: (-len(markets[symbol][0]), symbol))[:MOST_MARKETS]
    tables = [
        _table(number, one, markets[symbol][0], costs)
        for symbol in longest
        for number, one in enumerate(sets)
    ]
    return np.concatenate(tables) if tables else np.empty(0, TRY)


def overfitting(rows: NDArray[np.void], until_ms: int) -> float | None:
    """Return the probability that the best of these sets is merely the luckiest, as known by an instant.

    None where fewer than two sets have 30 setups that had ended, or their days are too few to be halved.
    """
    known = rows[rows["resolved_ms"] <= until_ms]
    counts = np.bincount(known["set"]) if len(known) else np.empty(0, np.int64)
    enough = np.flatnonzero(counts >= FEWEST)
    if len(enough) < 2:
        return None
    known = known[np.isin(known["set"], enough)]
    day = known["decided_ms"] // DAY_MS
    days = int(day.max() - day.min()) + 1
    if days < 2 * BLOCKS:
        return None
    returns = np.zeros((days, len(enough)))
    np.add.at(returns, (day - day.min(), np.searchsorted(enough, known["set"])), known["net"])
    return probability_of_overfitting(returns, blocks=BLOCKS).pbo


def _table(number: int, strategy: Strategy, candles: Candles, costs: Costs) -> NDArray[np.void]:
    found = setups(strategy, candles)
    came = outcomes(found, candles, costs)
    ended = (came.outcome != OPEN) & (came.outcome != MISSED)
    rows = np.zeros(int(ended.sum()), TRY)
    rows["set"] = number
    rows["decided_ms"] = candles.close_ts[found.row][ended]
    rows["resolved_ms"] = candles.close_ts[came.row][ended]
    rows["net"] = came.net[ended]
    kept, free = np.zeros(len(rows), bool), 0
    pairs = zip(rows["decided_ms"].tolist(), rows["resolved_ms"].tolist(), strict=True)
    for i, (decided, resolved) in enumerate(pairs):
        if decided >= free:
            kept[i], free = True, resolved
    return rows[kept]


def _numbers(strategy: Any) -> list[Field[Any]]:
    # Declared numbers only: what a blend is made of has no half and no double.
    declared = fields(strategy) if is_dataclass(strategy) else ()
    return [one for one in declared if "low" in one.metadata and _type(one) in ("int", "float")]


def _around(strategy: Any, one: Field[Any]) -> list[float]:
    here, low, high = (float(n) for n in (getattr(strategy, one.name), *_range(one)))
    around = [min(max(here * factor, low), high) for factor in _FACTORS]
    return [round(value) for value in around] if _type(one) == "int" else around


def _range(one: Field[Any]) -> tuple[float, float]:
    return one.metadata["low"], one.metadata["high"]


def _type(one: Field[Any]) -> str:
    # A file that postpones annotations has their text, another one the types themselves.
    return one.type if isinstance(one.type, str) else one.type.__name__


def _sound(made: Strategy) -> bool:
    check: Any = getattr(made, "check", None)
    try:
        if check is not None:
            check()
    except InputError:
        return False
    return True
