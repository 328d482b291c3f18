"""Strategies beside each other on the same bars: figures, evidence, and who is really better than whom.

Of many candidates one always looks good. Each one's daily return over cash and over holding is tested by the
stationary bootstrap with Holm's correction, the best of all by Hansen's test (`cryptai.analytics.several`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics.returns import daily_returns
from cryptai.analytics.several import Superior, superior
from cryptai.errors import InputError
from cryptai.market.times import iso
from cryptai.research.evidence import FEWEST_TRADES
from cryptai.research.monte_carlo import mean_block, stationary
from cryptai.research.noted import evidence_of
from cryptai.research.trials import OWNER
from cryptai.seams import rng

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cryptai.trading.result import Result
    from cryptai.workspace import Workspace

LEVEL: Final = 0.05
DRAWS: Final = 2_000
_FEWEST_DAYS: Final = 20
_ALWAYS: Final = 0.9


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs over the same bars, in the order given, with what tells them apart.

    Attributes
    ----------
    evidence
        Of each run.
    over_cash, over_holding
        Whether its mean daily return is above 0, and above that of holding; None of under 20 days, or where
        an account was lost.
    reasons
        What can be said, in words.
    """

    results: tuple[Result, ...]
    evidence: tuple[Mapping[str, Any], ...]
    over_cash: Superior | None
    over_holding: Superior | None
    reasons: tuple[str, ...]

    def as_object(self) -> dict[str, Any]:
        """Return the one object that `compare --json` prints."""
        first = self.results[0]
        rows = []
        for number, (result, evidence) in enumerate(zip(self.results, self.evidence, strict=True)):
            told = result.as_object()
            rows.append(
                {
                    **{name: told[name] for name in ("strategy", "params", "run", "metrics")},
                    "evidence": dict(evidence),
                    "over_cash": _of(self.over_cash, number),
                    "over_holding": _of(self.over_holding, number),
                }
            )
        best = {
            name: None if one is None else one.best
            for name, one in (("over_cash", self.over_cash), ("over_holding", self.over_holding))
        }
        told = {
            "exchange": first.exchange, "symbol": first.symbol, "timeframe": first.timeframe,
            "from": iso(int(first.ts[0])), "to": iso(int(first.ts[-1])), "strategies": rows,
            "best_by_luck": best, "reasons": list(self.reasons),
        }  # fmt: skip
        if first.as_object().get("practice"):
            told["practice"] = True
        return told


def compare(
    results: Sequence[Result], workspace: Workspace, *, seed: int = 0, draws: int = DRAWS, user: str = OWNER
) -> Comparison:
    """Compare runs over the same bars; each is counted as a trial of its strategy.

    Raises
    ------
    InputError
        For fewer than two runs, or runs over different bars.
    """
    if len(results) < 2:
        raise InputError("A comparison needs two strategies at least.", field="strategies")
    first = results[0]
    for other in results[1:]:
        if other.symbol != first.symbol or not np.array_equal(other.ts, first.ts):
            raise InputError("A comparison is of runs over the same bars.", field="strategies")
    evidence = tuple(
        evidence_of(one.as_object(), one.ts, one.equity, workspace, user=user) for one in results
    )
    cash = holding = None
    columns = [daily_returns(one.capital, one.ts, one.equity) for one in results]
    sound = [one for one in columns if one is not None and len(one) >= _FEWEST_DAYS]
    if len(sound) == len(results):
        returns = np.stack(sound, axis=1)
        n = len(returns)
        rows = stationary(rng([seed, 73]), n, mean_block(n), draws)
        held = _held(first)
        cash = superior(returns, rows)
        holding = None if held is None else superior(returns - held[:, None], rows)
    return Comparison(tuple(results), evidence, cash, holding, tuple(_reasons(results, cash, holding)))


def _held(result: Result) -> NDArray[np.float64] | None:
    # Bought at the first open with all the capital.
    return daily_returns(result.bars.open[0], result.ts, result.bars.close)


def _of(found: Superior | None, number: int) -> dict[str, float] | None:
    return None if found is None else {"p": found.chances[number], "holm": found.adjusted[number]}


def _reasons(results: Sequence[Result], cash: Superior | None, holding: Superior | None) -> list[str]:
    if cash is None:
        return ["Nothing can be told of so few days, or of an account that was lost."]
    said = []
    for found, what in ((cash, "nothing"), (holding, "holding")):
        if found is None:
            continue
        names = [_named(one) for one, p in zip(results, found.adjusted, strict=True) if p <= LEVEL]
        if names:
            said.append(
                f"Better than {what}, allowing for {len(results)} that were compared: {', '.join(names)}."
            )
        else:
            said.append(
                f"None is better than {what}: the best of {len(results)} looks as good as this by luck with "
                f"a probability of {found.best:.0%}.".replace("%", " %")
            )
    return said


def _named(result: Result) -> str:
    # Days are many where trades are few: a few long ones may be one stroke of luck. Holding is always in.
    trades, always = result.metrics.trades, result.metrics.time_in_market > _ALWAYS
    few = trades < FEWEST_TRADES and not always
    return f"{result.strategy} ({trades} trades: too few to tell skill from luck)" if few else result.strategy
