"""The screen: every strategy over every stored market, for the setups that stand, each with its evidence."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai import seams
from cryptai.errors import DataError, InputError
from cryptai.features.remembered import remembering
from cryptai.market.exchange import PRACTICE
from cryptai.market.quality import freshness
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.screening.card import Asked
from cryptai.screening.outcomes import HORIZON, OPEN, OUTCOMES, outcomes
from cryptai.screening.quality import BARS, PARTS, check_parts, quality, regime_name
from cryptai.screening.setups import setups
from cryptai.signals import Signal
from cryptai.strategies.compose import memory_of
from cryptai.strategies.strategy import build, values_of
from cryptai.strategies.strategy import strategies as registered
from cryptai.strategies.user import find_strategy, strategy_names
from cryptai.trading.backtest import decided, default_rules
from cryptai.trading.result import ENGINE_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.screening.outcomes import Outcomes
    from cryptai.screening.quality import Quality
    from cryptai.screening.setups import Setups
    from cryptai.strategies.strategy import Strategy

    # What gives a card and a confidence for a setup: by strategy, timeframe, the setup and its quality.
    Evidence = Callable[[Strategy, str, Asked, float], tuple[dict[str, Any], dict[str, Any]]]

_log = logging.getLogger(__name__)
# Bars an own strategy reads that declares no memory.
_MEMORY: Final = 1_000
# Digits of what running sums have a part in, whose last ones depend on where they began.
_DIGITS: Final = 6
# Windows are so many bars or a multiple: then what strategies need of them is the same, and computed once.
_STEP: Final = 512
FILTERS: Final = ("quality", "against_the_trend", "chasing", "no_volume")
"""Rules that take a setup for a false signal, in the order they are asked."""
_LEAST_QUALITY: Final = 0.4


@dataclass
class Screened:
    """What a screen found: the signals, best first, and how many setups each rule stopped."""

    signals: list[Signal] = field(default_factory=list)
    stopped: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)


def screen(
    store: CandleStore,
    exchange: str = "binance",
    *,
    evidence: Evidence,
    as_of_ms: int | None = None,
    strategies_folder: Path | None = None,
    names: Sequence[str] | None = None,
    symbols: Sequence[str] | None = None,
    timeframes: Sequence[str] | None = None,
    newest: int = HORIZON,
    weights: Mapping[str, float] = PARTS,
    ended: bool = False,
) -> Screened:
    """Return the setups that stand at the last closed bar of every stored market of a venue.

    A setup stands from the close that decided it until its stop or its target is reached, it was missed, or
    120 bars have gone by. Each is a function of the bars up to the one that decided it, so a screen of any
    later moment finds it again, the same to six digits.

    Parameters
    ----------
    evidence
        Gives the card and the confidence (`cryptai.screening.evidence`).
    as_of_ms
        Only bars closed by then are seen, and staleness is measured there; None is now.
    strategies_folder, names
        Where a person's own strategies lie, and which strategies to ask; None is all there are.
    symbols, timeframes
        Only these; None is all that are stored. A timeframe that is not stored is made of finer bars.
    newest
        Only setups of the last so many bars of each market. Those that stand are never older than 120.
    ended
        Also those that stand no longer.

    Raises
    ------
    InputError
        For weights that cannot be.
    """
    check_parts(weights)
    now = seams.now_ms() if as_of_ms is None else as_of_ms
    made = Screened()
    strategies = _strategies(strategies_folder, names, made)
    bars = _bars(strategies, newest)
    for symbol, frames in _markets(store, exchange, now, bars, symbols, timeframes):
        windows = [_Window(candles) for candles in frames]
        for strategy in strategies:
            for i, window in enumerate(windows):
                candles = window.newest(_needed(strategy, str(window.whole.timeframe)) + newest + 2)
                try:
                    # What a person's own does to the arrays it is given is not known.
                    with remembering(window.memo) if _ours(strategy) else nullcontext():
                        found = _found(strategy, candles, frames[i + 1 :], newest, weights, made, ended=ended)
                except InputError as error:
                    # A person's broken file is told, and does not take the others' signals away.
                    made.failed.setdefault(strategy.name, str(error))
                    continue
                made.signals.extend(
                    _signal(one, strategy, candles, exchange, symbol, now, evidence) for one in found
                )
    for name, sentence in made.failed.items():
        _log.warning("%s %s is left out of the screen.", sentence, name)
    made.signals = ranked(made.signals)
    return made


class _Window:
    """One market's newest bars, cut to what a strategy needs, alike for all that need as many."""

    def __init__(self, whole: Candles) -> None:
        self.whole = whole
        self.memo: dict[Any, Any] = {}
        self._cuts: dict[int, Candles] = {}

    def newest(self, bars: int) -> Candles:
        count = min(-(-bars // _STEP) * _STEP, len(self.whole))
        if count not in self._cuts:
            self._cuts[count] = self.whole[len(self.whole) - count :]
        return self._cuts[count]


def _ours(strategy: Strategy) -> bool:
    return strategy.name in registered and type(strategy) is registered.get(strategy.name)


def ranked(signals: Sequence[Signal]) -> list[Signal]:
    """Return signals best first; stale ones after all others, equal ones by name."""
    return sorted(
        signals, key=lambda s: (s.stale, -s.score, s.symbol, s.timeframe, s.strategy, s.decided_at_ms)
    )


def _strategies(folder: Path | None, names: Sequence[str] | None, made: Screened) -> list[Strategy]:
    found = []
    for name in strategy_names(folder) if names is None else names:
        try:
            strategy = build(find_strategy(name, folder), {})
        except InputError as error:
            made.failed[name] = str(error)
            continue
        rules = default_rules(type(strategy))
        # Without a bracket (the yardstick) nothing is promised.
        if not (math.isnan(rules.stop) or math.isnan(rules.target)):
            found.append(strategy)
    return found


def _bars(strategies: Sequence[Strategy], newest: int) -> dict[str, int]:
    """Return how many bars of each timeframe decide the newest rows of all strategies."""
    return {
        frame: max((_needed(one, frame) for one in strategies), default=BARS) + newest + 2 + _STEP
        for frame in TIMEFRAMES
    }


def _needed(strategy: Strategy, timeframe: str) -> int:
    declared = getattr(strategy, "memory", None)
    return max(BARS, _MEMORY if declared is None else memory_of(strategy, timeframe))


def _markets(
    store: CandleStore,
    exchange: str,
    now: int,
    bars: Mapping[str, int],
    symbols: Sequence[str] | None,
    timeframes: Sequence[str] | None,
) -> list[tuple[str, list[Candles]]]:
    """Return each symbol's candles closed by now, the finest first."""
    stored = {(one.symbol, one.timeframe) for one in store.markets(exchange)}
    if timeframes is not None:
        wanted = {Timeframe(name) for name in timeframes}
        stored |= {(one.symbol, one.timeframe) for one in store.derivable(exchange)}
        stored = {one for one in stored if one[1] in wanted}
    found: dict[str, list[Candles]] = defaultdict(list)
    for symbol, frame in sorted(stored, key=lambda one: (one[0], TIMEFRAMES.index(one[1]))):
        if symbols is not None and symbol not in symbols:
            continue
        try:
            read = store.read(exchange, symbol, frame, end_ms=now - frame.ms + 1, last=bars[frame])
        except DataError as error:
            # One market's damaged files stop that market, loudly, and no other.
            _log.warning("%s Its signals are missing.", error)
            continue
        if len(read):
            found[symbol].append(read)
    return list(found.items())


@dataclass(frozen=True)
class _Found:
    setups: Setups
    outcomes: Outcomes
    quality: Quality
    at: int
    reason: str


def _found(
    strategy: Strategy,
    candles: Candles,
    coarser: Sequence[Candles],
    newest: int,
    weights: Mapping[str, float],
    made: Screened,
    *,
    ended: bool,
) -> list[_Found]:
    first = max(1, len(candles) - newest)
    some = setups(strategy, candles, first)
    if not len(some.row):
        return []
    came = outcomes(some, candles)
    good = quality(some, strategy, candles, coarser, weights=weights)
    signals = decided(strategy, candles)
    found = []
    for i in range(len(some.row)):
        if not ended and came.outcome[i] != OPEN:
            continue
        stopped = _stopped(good, i)
        if stopped:
            made.stopped[stopped] += 1
            continue
        reason = signals.long_reason if some.side[i] > 0 else signals.short_reason
        found.append(_Found(some, came, good, i, reason))
    made.stopped["passed"] += len(found)
    return found


def _stopped(good: Quality, i: int) -> str | None:
    """Return the rule that takes it for a false signal, None for a good one."""
    factors = {name: column[i] for name, column in good.factors.items()}
    against = (
        not good.quality[i] >= _LEAST_QUALITY,
        factors["regime_fit"] < 0.1,
        factors["entry_point"] <= 0.0,
        factors["volume"] <= 0.05,
    )
    return next((name for name, holds in zip(FILTERS, against, strict=True) if holds), None)


def _signal(
    one: _Found,
    strategy: Strategy,
    candles: Candles,
    exchange: str,
    symbol: str,
    now: int,
    evidence: Evidence,
) -> Signal:
    i, some = one.at, one.setups
    row, side = int(some.row[i]), int(some.side[i])
    entry, stop, target = (float(column[i]) for column in (some.entry, some.stop, some.target))
    frame, price = candles.timeframe, float(candles.close[-1])
    decided_ms = int(candles.close_ts[row])
    good = round(float(one.quality.quality[i]), _DIGITS)
    code = int(one.quality.regime[i])
    asked = Asked(symbol, side, code, decided_ms, entry, stop, target)
    card, confidence = evidence(strategy, str(frame), asked, good)
    then, now_left = _reward_risk(side, entry, stop, target), _reward_risk(side, price, stop, target)
    outcome = int(one.outcomes.outcome[i])
    waits = outcome == OPEN and row == len(candles) - 1
    known = candles[max(0, row + 1 - _needed(strategy, str(frame))) : row + 1]
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
    )


def combined(good: float, confidence: float | None, reward_risk: float) -> float:
    """Return what signals are ranked by: half quality, a quarter confidence, a quarter reward:risk.

    A reward:risk of 3 is full. Without a confidence its share goes to the others.
    """
    shares = [(0.5, good), (0.25, min(reward_risk / 3.0, 1.0))]
    if confidence is not None:
        shares.append((0.25, confidence))
    return math.fsum(share * value for share, value in shares) / math.fsum(share for share, _ in shares)


def _reward_risk(side: int, price: float, stop: float, target: float) -> float:
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
