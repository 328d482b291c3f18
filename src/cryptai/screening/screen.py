"""The screen: every strategy over every stored market, for the setups that stand, each with its evidence."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from cryptai.errors import DataError, InputError
from cryptai.features.remembered import remembering
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.screening.outcomes import HORIZON
from cryptai.screening.quality import BARS, PARTS, check_parts
from cryptai.screening.standing import found, needed, signal_of
from cryptai.strategies.strategy import build
from cryptai.strategies.strategy import strategies as registered
from cryptai.strategies.user import find_strategy, strategy_names
from cryptai.trading.backtest import default_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.screening.standing import Evidence
    from cryptai.signals import Signal
    from cryptai.strategies.strategy import Strategy


_log = logging.getLogger(__name__)
# Windows are so many bars or a multiple: then what strategies need of them is the same, and computed once.
_STEP: Final = 512


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
    windows_of = {frame: [needed(one, frame) for one in strategies] for frame in TIMEFRAMES}
    bars = {frame: max(some, default=BARS) + newest + 2 + _STEP for frame, some in windows_of.items()}
    for symbol, frames in _markets(store, exchange, now, bars, symbols, timeframes):
        windows = [_Window(candles) for candles in frames]
        for at, strategy in enumerate(strategies):
            for i, window in enumerate(windows):
                candles = window.newest(windows_of[window.whole.timeframe][at] + newest + 2)
                try:
                    # What a person's own does to the arrays it is given is not known.
                    with remembering(window.memo) if _ours(strategy) else nullcontext():
                        some = found(
                            strategy, candles, frames[i + 1 :], newest, weights, made.stopped, ended=ended
                        )
                except InputError as error:
                    # A person's broken file is told, and does not take the others' signals away.
                    made.failed.setdefault(strategy.name, str(error))
                    continue
                made.signals.extend(
                    signal_of(one, strategy, candles, exchange, symbol, now, evidence) for one in some
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
