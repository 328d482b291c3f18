"""Whether a backtest is evidence of anything: its figures, and the verdict in words a trader reads.

It is told beside a result and never part of it: how often an idea was tried changes from run to run, what
a run gave does not. Ratios are per day, as in `cryptai.analytics.significance`; rates and returns are
fractions.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics import significance as sig
from cryptai.analytics.capacity import capacity
from cryptai.analytics.edge import Fills, edge
from cryptai.analytics.returns import daily_returns
from cryptai.analytics.round_trips import of_rows
from cryptai.research.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.research.trials import Tried

ENOUGH: Final = "enough"
NOT_ENOUGH: Final = "not_enough_evidence"
CONFIDENCE: Final = 0.95
"""How sure one must be before a run is called evidence."""
FEWEST_TRADES: Final = 30
"""Of fewer trades no mean is worth its interval."""


def trial_of(found: Mapping[str, Any], ts: NDArray[np.int64], equity: NDArray[np.float64]) -> Trial:
    """Return what the ledger of trials keeps of a run (the object of `backtest --json`, and its equity)."""
    moments = _moments(found, ts, equity)[1]
    return Trial(str(found["run"]), None if moments is None else moments[0] / math.sqrt(_step(found)))


def judge(
    found: Mapping[str, Any],
    ts: NDArray[np.int64],
    equity: NDArray[np.float64],
    tried: Tried | None,
    *,
    null_market: Mapping[str, Any] | None = None,
    markets: Mapping[str, Candles] | None = None,
) -> dict[str, Any]:
    """Return the `evidence` object of a run.

    Parameters
    ----------
    found
        The object that `backtest --json` prints.
    ts, equity
        Bar opens (ms UTC) and the equity at each close.
    tried
        What the ledger knows of the strategy, this run included; None where it cannot be read.
    null_market
        `Verdict.as_object()` of the strategy, where it was asked for.
    markets
        The candles of each symbol, from which the size is told at which the edge is gone.
    """
    returns, moments = _moments(found, ts, equity)
    ratio, skewness, kurtosis = moments or (None, None, None)
    n, step = len(returns), _step(found)
    record = sure = None
    if ratio is not None and skewness is not None and kurtosis is not None:
        sure = sig.probabilistic_sharpe(ratio, n, skewness, kurtosis)
        record = sig.minimum_track_record(ratio, skewness, kurtosis, confidence=CONFIDENCE)
    trades = _of_trades(found, markets or {})
    figures = {
        "sharpe": ratio, "skewness": skewness, "kurtosis": kurtosis, "returns": n,
        "probabilistic_sharpe": sure,
        "minimum_track_record": {
            "days": record * step if record is not None and math.isfinite(record) else None,
            "have": n * step,
        },
        **trades,
        "null_market": None if null_market is None else dict(null_market),
    }  # fmt: skip
    return _concluded(found, figures, tried)


def renewed(found: Mapping[str, Any], tried: Tried) -> dict[str, Any]:
    """Return the evidence of a stored result with the trials that were made since, this run among them."""
    return _concluded(found, found["evidence"], tried)


def sure_text(value: float) -> str:
    """Return a confidence in words: rounded down, for 94.99 % is not 95, and never quite 0 or 100 %.

    >>> sure_text(0.9499), sure_text(0.5), sure_text(1.0), sure_text(0.0)
    ('94.9 %', '50 %', 'over 99.9 %', 'under 0.1 %')
    """
    if value >= 0.9995:
        return "over 99.9 %"
    return f"{math.floor(value * 1_000) / 10:g} %" if value >= 0.001 else "under 0.1 %"


def _concluded(found: Mapping[str, Any], figures: Mapping[str, Any], tried: Tried | None) -> dict[str, Any]:
    ratio, n = figures["sharpe"], figures["returns"]
    trials = deviation = deflated = None
    if tried is not None:
        trials = max(1, tried.trials)
        # What the ledger has is per day, what a week's bars give is per week.
        known = None if tried.deviation is None else tried.deviation * math.sqrt(_step(found))
        deviation = sig.chance_deviation(n) if known is None else known
        if ratio is not None:
            deflated = sig.deflated_sharpe(
                ratio, n, trials, deviation, figures["skewness"], figures["kurtosis"]
            )
    told = {
        **figures, "trials": trials, "trials_deviation": deviation, "deflated_sharpe": deflated,
    }  # fmt: skip
    against = list(_against(found, told))
    told |= {"status": NOT_ENOUGH if against else ENOUGH, "reasons": against or list(_for(told))}
    first = ("status", "reasons", "trials", "deflated_sharpe", "probabilistic_sharpe")
    return {name: told[name] for name in (*first, *told)}


def _moments(
    found: Mapping[str, Any], ts: NDArray[np.int64], equity: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[float, float, float] | None]:
    returns = daily_returns(found["capital"], ts, equity)
    return (np.empty(0), None) if returns is None else (returns, sig.moments(returns))


def _step(found: Mapping[str, Any]) -> int:
    # Bars of a week have one day each that has a bar: their returns are a week's.
    return 7 if found["timeframe"] == "1w" else 1


def _of_trades(found: Mapping[str, Any], markets: Mapping[str, Candles]) -> dict[str, Any]:
    rows = found["trades"]
    trips = of_rows(rows, str(found["symbol"]))
    fills = Fills(
        side=trips.side.astype(np.float64),
        entry=trips.entry_price,
        exit=trips.exit_price,
        rested=np.array([row.get("entry_kind") == "limit" for row in rows], np.bool_),
        limit=trips.exit_reason == "target",
        fee=_over(trips.fees, trips.quantity * (trips.entry_price + trips.exit_price)),
        carry=_over(trips.funding, trips.cost),
    )
    told = edge(fills, found["costs"]["slippage"])
    if told is None:
        return {"mean_trade": None, "win_rate": None, "break_even": None}
    one = asdict(told)
    return {
        "mean_trade": {"value": one["mean"], "low": one["low"], "high": one["high"]},
        "win_rate": {
            "value": one["win_rate"], "low": one["win_low"], "high": one["win_high"],
            "break_even": one["win_needed"],
        },
        "break_even": {
            "cost_bp": one["before_costs"] * 1e4, "paid_bp": one["paid"] * 1e4,
            "carried_bp": one["carried"] * 1e4, "fee": one["fee"], "slippage": one["slippage"],
            "size": capacity(trips, markets) if markets else None,
        },
    }  # fmt: skip


def _over(paid: NDArray[np.float64], worth: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(paid, worth, out=np.zeros_like(paid), where=worth > 0.0)
    return found


def _against(found: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    """Say what stands against taking the run for evidence, the plainest first."""
    if found.get("practice"):
        yield "These candles are synthetic: nothing on them is evidence."
    trades, mean = len(found["trades"]), told["mean_trade"]
    if not trades:
        yield "No trade was made."
        return
    if trades < FEWEST_TRADES:
        few = "One trade is" if trades == 1 else f"{trades} trades are"
        yield f"{few} too few to tell skill from luck; {FEWEST_TRADES} are the least."
    if mean["value"] <= 0.0:
        yield f"The mean trade lost {-mean['value']:.2%} after costs.".replace("%", " %")
    elif mean["low"] is not None and mean["low"] <= 0.0:
        yield (
            f"The mean trade earned {mean['value']:.2%}, but may as well be nothing: "
            f"the interval is {mean['low']:+.2%} to {mean['high']:+.2%}."
        ).replace("%", " %")
    yield from _of_the_ratio(found, told)
    null = told["null_market"]
    if null is not None and not null["fair"]:
        yield (
            "It wins in worlds where nothing can be won, so it may see the future: "
            f"see `cryptai check {found['strategy']}`."
        )


def _of_the_ratio(found: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    trials, deflated, record = told["trials"], told["deflated_sharpe"], told["minimum_track_record"]
    if told["sharpe"] is None:
        lost = "the account was lost" if not told["returns"] else "it has too few days that moved"
        yield f"No Sharpe ratio can be told: {lost}."
        return
    if trials is None:
        yield "How often it was tried is not known: the ledger of trials cannot be read."
    elif deflated is None or deflated < CONFIDENCE:
        sure = "cannot be told" if deflated is None else f"is {sure_text(deflated)}"
        asked = f"{sure_text(CONFIDENCE)} is asked for"
        if trials == 1:
            yield f"The confidence that its Sharpe ratio is above zero {sure}; {asked}."
        else:
            yield (
                f"{found['strategy']} was tried in {trials:,} ways, and the best of many looks good by luck: "
                f"the confidence that this is more {sure}; {asked}."
            )
    if record["days"] is not None and record["days"] > record["have"]:
        needed = math.ceil(record["days"])
        yield f"It has {record['have']:,} days; going on like this it would need {needed:,}."


def _for(told: Mapping[str, Any]) -> Iterator[str]:
    mean, trials = told["mean_trade"], told["trials"]
    allowing = "one way" if trials == 1 else f"{trials:,} ways"
    yield (
        f"Allowing for the {allowing} it was tried in, the confidence that this is more than luck is "
        f"{sure_text(told['deflated_sharpe'])}."
    )
    yield f"The mean trade earned {mean['low']:+.2%} to {mean['high']:+.2%}.".replace("%", " %")
    yield "It is one past, and nothing of it was held out: it says nothing of another market."
