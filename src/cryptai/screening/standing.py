"""What stands: the setups of one strategy on one market that pass the filters, and each as a signal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.market.exchange import PRACTICE
from cryptai.market.quality import freshness
from cryptai.screening.card import Asked
from cryptai.screening.outcomes import HORIZON, OPEN, OUTCOMES, Outcomes, outcomes
from cryptai.screening.quality import (
    BARS,
    FACTORS,
    FILTERS,
    PARTS,
    contributions,
    quality,
    regime_name,
    stopped,
)
from cryptai.screening.setups import began, setups
from cryptai.signals import Signal
from cryptai.strategies.compose import memory_of
from cryptai.strategies.strategy import values_of
from cryptai.trading.backtest import decided
from cryptai.trading.result import ENGINE_VERSION

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from cryptai.market.candles import Candles
    from cryptai.screening.quality import Quality
    from cryptai.screening.setups import Setups
    from cryptai.strategies.strategy import Strategy

    # What gives a card and a confidence for a setup: by strategy, timeframe, the setup and its quality.
    Evidence = Callable[[Strategy, str, Asked, float], tuple[dict[str, Any], dict[str, Any]]]

# Bars an own strategy reads that declares no memory.
_MEMORY: Final = 1_000
# Digits of what running sums have a part in, whose last ones depend on where they began.
_DIGITS: Final = 6


def needed(strategy: Strategy, timeframe: str) -> int:
    """Return how many bars of a timeframe decide the newest row of a strategy, and of the factors."""
    declared = getattr(strategy, "memory", None)
    return max(BARS, _MEMORY if declared is None else memory_of(strategy, timeframe))


@dataclass(frozen=True)
class Found:
    """A setup that passed: its place among those found with it, and what is known of them."""

    setups: Setups
    outcomes: Outcomes
    quality: Quality
    at: int
    reason: str


def found(
    strategy: Strategy,
    candles: Candles,
    coarser: Callable[[], Sequence[Candles]],
    newest: int,
    weights: Mapping[str, float],
    stopped_by: Counter[str],
    *,
    ended: bool,
) -> list[Found]:
    """Return the setups of the last `newest` bars that no filter stops; each stop is counted by its name.

    Without `ended` those that have come to their end are left out before the filters are asked. `coarser` is
    asked for the candles of coarser timeframes where there is a setup to judge: mostly there is none.
    """
    first = max(1, len(candles) - newest)
    signals = decided(strategy, candles)
    if not len(began(signals, first)):
        return []
    some = setups(strategy, candles, first, signals=signals)
    came = _came(some, candles)
    if not ended:
        there = came.outcome == OPEN
        some, came = some.some(there), Outcomes(*(column[there] for column in came))
    if not len(some.row):
        return []
    good = quality(some, strategy, candles, coarser(), weights=weights)
    some_found = []
    for i, by in enumerate(stopped(good).tolist()):
        if by:
            stopped_by[FILTERS[by - 1]] += 1
            continue
        reason = signals.long_reason if some.side[i] > 0 else signals.short_reason
        some_found.append(Found(some, came, good, i, reason))
    stopped_by["passed"] += len(some_found)
    return some_found


def _came(some: Setups, candles: Candles) -> Outcomes:
    # Of what was decided at the newest close nothing can have come yet.
    if len(some.row) and some.row[0] < len(candles) - 1:
        return outcomes(some, candles)
    n, unknown = len(some.row), np.full(len(some.row), np.nan)
    return Outcomes(np.full(n, OPEN, np.int8), np.full(n, -1, np.int64), *[unknown] * 6)


def signal_of(
    one: Found,
    strategy: Strategy,
    candles: Candles,
    exchange: str,
    symbol: str,
    now: int,
    evidence: Evidence,
    weights: Mapping[str, float] = PARTS,
) -> Signal:
    """Return a setup as a person reads it, with its evidence; `weights` are those of its quality."""
    i, some = one.at, one.setups
    row, side = int(some.row[i]), int(some.side[i])
    entry, stop, target = (float(column[i]) for column in (some.entry, some.stop, some.target))
    frame, price = candles.timeframe, float(candles.close[-1])
    decided_ms = int(candles.close_ts[row])
    good = round(float(one.quality.quality[i]), _DIGITS)
    code = int(one.quality.regime[i])
    asked = Asked(symbol, side, code, decided_ms, entry, stop, target)
    card, confidence = evidence(strategy, str(frame), asked, good)
    then, now_left = left(side, entry, stop, target), left(side, price, stop, target)
    outcome = int(one.outcomes.outcome[i])
    waits = outcome == OPEN and row == len(candles) - 1
    known = candles[max(0, row + 1 - needed(strategy, str(frame))) : row + 1]
    return Signal(
        exchange=exchange,
        symbol=symbol,
        timeframe=str(frame),
        side="long" if side > 0 else "short",
        strategy=strategy.name,
        params=values_of(strategy),
        entry=entry,
        entry_low=float(some.low[i]),
        entry_high=float(some.high[i]),
        stop=stop,
        target=target,
        reward_risk=then,
        price=price,
        reward_risk_now=now_left,
        quality=good,
        factors={name: _told(column[i]) for name, column in one.quality.factors.items()},
        parts={name: _told(column[i]) for name, column in one.quality.parts.items()},
        confidence=confidence,
        score=combined(good, confidence["value"], min(then, now_left)),
        evidence=card,
        reason=one.reason,
        structures=_structures(strategy, known),
        regime=regime_name(code),
        decided_at_ms=decided_ms,
        expires_at_ms=decided_ms + HORIZON * frame.ms,
        state="waiting" if waits else OUTCOMES[outcome],
        age_bars=len(candles) - 1 - row,
        stale=freshness(int(candles.ts[-1]), frame, now) == "stale",
        practice=exchange == PRACTICE,
        data_digest=known.digest,
        engine=ENGINE_VERSION,
        contributions=_added(one, weights),
    )


def _added(one: Found, weights: Mapping[str, float]) -> dict[str, dict[str, float]]:
    values = {"factors": (one.quality.factors, FACTORS), "parts": (one.quality.parts, weights)}
    return {
        name: {
            key: round(share, _DIGITS)
            for key, share in contributions(
                {key: float(column[one.at]) for key, column in columns.items()}, shares
            ).items()
        }
        for name, (columns, shares) in values.items()
    }


def restated(one: Signal, price: float, age: int, *, stale: bool) -> Signal:
    """Return a standing signal as it is at a later close; what was written once stays."""
    side = 1 if one.side == "long" else -1
    now_left = left(side, price, one.stop, one.target)
    changed = {
        "price": price,
        "reward_risk_now": now_left,
        "score": combined(one.quality, one.confidence["value"], min(one.reward_risk, now_left)),
        "state": "waiting" if age == 0 else OUTCOMES[OPEN],
        "age_bars": age,
        "stale": stale,
    }
    return signal_with({**vars(one), **changed})


def signal_with(fields: Mapping[str, Any]) -> Signal:
    """Return the signal of all these fields, which were one's before."""
    # Thousands at each close: a frozen dataclass sets each field by a call.
    made = object.__new__(Signal)
    vars(made).update(fields)
    return made


def combined(good: float, confidence: float | None, reward_risk: float) -> float:
    """Return what signals are ranked by: half quality, a quarter confidence, a quarter reward:risk.

    A reward:risk of 3 is full. Without a confidence its share goes to the others.
    """
    shares = [(0.5, good), (0.25, min(reward_risk / 3.0, 1.0))]
    if confidence is not None:
        shares.append((0.25, confidence))
    return math.fsum(share * value for share, value in shares) / math.fsum(share for share, _ in shares)


def left(side: int, price: float, stop: float, target: float) -> float:
    """Return the reward:risk that is left at a price; 0 beyond the bracket."""
    reward, risk = side * (target - price), side * (price - stop)
    return reward / risk if reward > 0.0 and risk > 0.0 else 0.0


def _told(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), _DIGITS)


def _structures(strategy: Strategy, known: Candles) -> list[dict[str, Any]]:
    """Return the stored rows that the decision rests on, as the strategy names them."""
    used: Any = getattr(strategy, "used", None)
    if used is None:
        return []
    found: list[dict[str, Any]] = []
    for events in used(known):
        table = events.table()
        found.extend(
            {
                "kind": str(table["kind"][i]), "id": int(table["id"][i]), "at": int(table["at"][i]),
                "known_at": int(table["known_at"][i]), "direction": int(table["direction"][i]),
                **{name: _told(table[name][i]) for name in ("level", "top", "bottom")},
            }
            for i in range(len(events))
        )  # fmt: skip
    return found
