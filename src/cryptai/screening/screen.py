"""The screen: every strategy over every stored market, for the setups that stand, each with its evidence."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from cryptai import seams
from cryptai.errors import DataError, InputError
from cryptai.market.symbols import SymbolBook
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.screening.outcomes import HORIZON
from cryptai.screening.quality import PARTS, check_parts
from cryptai.screening.standing import signal_of
from cryptai.screening.windows import Asked, Windows
from cryptai.strategies.strategy import build, needs_of
from cryptai.strategies.user import find_strategy, strategy_names
from cryptai.trading.backtest import default_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.market.newness import Stop
    from cryptai.market.store import CandleStore
    from cryptai.screening.standing import Evidence
    from cryptai.signals import Signal
    from cryptai.strategies.strategy import Strategy


_log = logging.getLogger(__name__)


@dataclass
class Screened:
    """What a screen found: the signals, best first, and how many setups each rule stopped.

    `failed` says by name which strategies could not be asked, and `unscanned` which have no setups to give,
    each with the reason.
    """

    signals: list[Signal] = field(default_factory=list)
    stopped: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    unscanned: dict[str, str] = field(default_factory=dict)


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
    120 bars have gone by; none does in a market that its venue has halted or delisted. Each is a function of
    the bars up to the one that decided it, so a screen of any later moment finds it again, the same to six
    digits.

    Parameters
    ----------
    evidence
        Gives the card and the confidence (`cryptai.screening.evidence`).
    as_of_ms
        Only bars closed by then are seen, and staleness is measured there; None is now.
    strategies_folder, names
        Where a person's own strategies lie, and which strategies to ask; None is all there are.
    symbols, timeframes
        Only these; None is all that are stored. A timeframe that is not stored is made of finer bars. What
        the coarser stored ones say counts for the quality, asked for or not.
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
    asked = Asked.of(chosen(strategies_folder, names, made.failed, made.unscanned), weights)
    stops = SymbolBook().stopped(exchange, as_of_ms=as_of_ms)
    wanted = None if timeframes is None else {Timeframe(name) for name in timeframes}
    for symbol, frames in _markets(store, exchange, symbols, wanted).items():
        windows = Windows(frames, partial(_read, store, exchange, symbol, asked, newest, now))
        if symbol in stops and _stands_still(stops[symbol], windows):
            continue
        for frame in frames:
            if (wanted is not None and frame not in wanted) or windows.whole(frame) is None:
                continue
            made.signals.extend(
                signal_of(one, strategy, candles, exchange, symbol, now, evidence, weights)
                for strategy, candles, one in windows.found(
                    frame, asked, newest, made.stopped, made.failed, ended=ended
                )
            )
    for name, sentence in made.failed.items():
        _log.warning("%s %s is left out of the screen.", sentence, name)
    made.signals = ranked(made.signals)
    return made


def ranked(signals: Sequence[Signal]) -> list[Signal]:
    """Return signals best first; stale ones after all others, equal ones by name."""
    return sorted(
        signals, key=lambda s: (s.stale, -s.score, s.symbol, s.timeframe, s.strategy, s.decided_at_ms)
    )


def chosen(
    folder: Path | None,
    names: Sequence[str] | None,
    failed: dict[str, str],
    unscanned: dict[str, str] | None = None,
) -> list[Strategy]:
    """Return the strategies of these names (None: all there are) that promise a bracket, by default values.

    Why one cannot be had is put into `failed`, why one has no setups to give into `unscanned`.
    """
    found = []
    for name in strategy_names(folder) if names is None else names:
        try:
            strategy = build(find_strategy(name, folder), {})
        except InputError as error:
            failed[name] = str(error)
            continue
        why = why_unscanned(type(strategy))
        if why is None:
            found.append(strategy)
        elif unscanned is not None:
            unscanned[name] = why
    return found


def why_unscanned(strategy: type[Strategy]) -> str | None:
    """Return why a strategy has no setups to give, None for one that has."""
    told: str | None = getattr(strategy, "unscanned", None)
    if told is not None:
        return told
    needs, rules = needs_of(strategy), default_rules(strategy)
    if needs:
        return f"it needs {needs[0]}, and the scan has the candles of one market at a time"
    if math.isnan(rules.stop) or math.isnan(rules.target):
        return "it states no stop or no target, so nothing is promised"
    return None


def _stands_still(stop: Stop, windows: Windows) -> bool:
    read = [windows.whole(frame) for frame in windows.frames]
    return all(stop.holds(int(one.ts[-1])) for one in read if one is not None)


def _markets(
    store: CandleStore, exchange: str, symbols: Sequence[str] | None, wanted: set[Timeframe] | None
) -> dict[str, list[Timeframe]]:
    """Return the timeframes of each symbol that has one of those wanted, the finest first."""
    stored = {(one.symbol, one.timeframe) for one in store.changed(exchange, 0)[1]}
    if wanted is not None:
        made = {(one.symbol, one.timeframe) for one in store.derivable(exchange)}
        stored |= {one for one in made if one[1] in wanted}
        asked = {symbol for symbol, frame in stored if frame in wanted}
        stored = {one for one in stored if one[0] in asked}
    found: dict[str, list[Timeframe]] = defaultdict(list)
    for symbol, frame in sorted(stored, key=lambda one: (one[0], TIMEFRAMES.index(one[1]))):
        if symbols is None or symbol in symbols:
            found[symbol].append(frame)
    return found


def _read(
    store: CandleStore, exchange: str, symbol: str, asked: Asked, newest: int, now: int, frame: Timeframe
) -> Candles | None:
    bars = asked.bars(frame, newest)
    return bars_of(store, exchange, symbol, frame, last=bars, end_ms=now - frame.ms + 1)


def bars_of(
    store: CandleStore, exchange: str, symbol: str, frame: Timeframe, *, last: int, end_ms: int | None = None
) -> Candles | None:
    """Return the newest bars of a market, None where there are none or they cannot be read."""
    try:
        read = store.read(exchange, symbol, frame, end_ms=end_ms, last=last)
    except DataError as error:
        # One market's damaged files stop that market, loudly, and no other.
        _log.warning("%s Its signals are missing.", error)
        return None
    return read if len(read) else None
