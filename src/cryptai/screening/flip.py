"""What would flip a setup: how little the bar that decided it must be otherwise for there to be none.

The bar's close is moved away step by step, down and up, and the strategy and the filters are asked again on
the same bars before it; its high and low go along where the close leaves them. Then its volume is taken away.
What is told is the nearest close, or the largest volume, that was found at which each condition says
otherwise. It is about the decision: what ends a setup later are its levels.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.errors import DataError
from cryptai.market.candles import Candles
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.screening.quality import FILTERS, PARTS
from cryptai.screening.standing import found, needed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryptai.market.store import CandleStore
    from cryptai.strategies.strategy import Strategy

DECISION: Final = "decision"
"""The condition that the strategy decides it at all; the others are the filters' names."""
FARTHEST: Final = 0.2
"""How far the close is moved, as a fraction of it."""
_RUNGS: Final = 24
_GROWTH: Final = 1.35
_HALVINGS: Final = 12
_PASSED: Final = "passed"


class Flip(NamedTuple):
    """One way in which it would not be a setup.

    Attributes
    ----------
    condition
        `DECISION`, or the filter that would stop it (`cryptai.screening.quality.FILTERS`).
    of
        `close` or `volume`: what would have been otherwise.
    value, change
        From there on it is none; and the same as a signed fraction of what it was.
    """

    condition: str
    of: str
    value: float
    change: float


def flips(
    strategy: Strategy,
    candles: Candles,
    side: int,
    coarser: Sequence[Candles] = (),
    *,
    weights: Mapping[str, float] = PARTS,
) -> list[Flip] | None:
    """Return what would flip the setup that the last of these bars decided, the smallest change first.

    None where it decides no setup of that side, or a filter stops it as it is: then there is nothing to flip.
    A condition that no close within 20 % turns, and no smaller volume, is not in the list.
    """

    def said(close: float, volume: float) -> str:
        return _said(strategy, _moved(candles, close, volume), side, coarser, weights)

    close, volume = float(candles.close[-1]), float(candles.volume[-1])
    if said(close, volume) != _PASSED:
        return None
    made: list[Flip] = []
    for way in (-1.0, 1.0):
        steps = [way * step for step in _ladder()]
        by_close = _walked(lambda change: said(close * (1.0 + change), volume), steps)
        made += [Flip(name, "close", close * (1.0 + x), x) for name, x in by_close.items()]
    by_volume = _walked(lambda change: said(close, volume * (1.0 + change)), [-1.0])
    made += [Flip(name, "volume", volume * (1.0 + x), x) for name, x in by_volume.items()]
    return sorted(made, key=lambda one: (one.of, abs(one.change)))


def flips_of(store: CandleStore, strategy: Strategy, body: Mapping[str, Any]) -> list[Flip]:
    """Return what would flip a signal, by its sealed body, from the bars that are stored.

    Raises
    ------
    DataError
        If these are not, or not any more, the bars that decided it, or it is no setup by this engine.
    """
    exchange, symbol, frame = body["exchange"], body["symbol"], Timeframe(body["timeframe"])
    bars, end = needed(strategy, str(frame)), body["decided_ms"] - frame.ms + 1
    candles = store.read(exchange, symbol, frame, end_ms=end, last=bars + 1)
    if candles[-bars:].digest != body["data_digest"]:
        raise DataError("The bars that decided it are not stored any more as they were then.")
    stored = {one.timeframe for one in store.markets(exchange) if one.symbol == symbol}
    coarser = [Timeframe(name) for name in TIMEFRAMES[TIMEFRAMES.index(frame) + 1 :] if name in stored]
    above = []
    for one in coarser:
        end = body["decided_ms"] - one.ms + 1
        above.append(store.read(exchange, symbol, one, end_ms=end, last=needed(strategy, str(one))))
    side = 1 if body["side"] == "long" else -1
    told = flips(strategy, candles, side, [one for one in above if len(one)])
    if told is None:
        raise DataError("Asked again today, it is no setup: the engine or its rules have changed since.")
    return told


def clause(flip: Flip, strategy: str) -> str:
    """Return what would have been so, in words.

    >>> clause(Flip("no_volume", "volume", 827.9, -0.93), "breakout")
    'there would have been no volume behind it'
    """
    return {
        DECISION: f"{strategy} would not have decided it",
        "quality": "its quality would have been under 0.4",
        "against_the_trend": "it would have gone against the trend",
        "no_volume": "there would have been no volume behind it",
    }[flip.condition]


def _ladder() -> list[float]:
    return [FARTHEST / _GROWTH ** (_RUNGS - 1 - rung) for rung in range(_RUNGS)]


def _walked(said: Callable[[float], str], rungs: Sequence[float]) -> dict[str, float]:
    """Return the smallest change at which each condition was found to say otherwise."""
    first: dict[str, float] = {}
    before = 0.0
    for rung in rungs:
        now = said(rung)
        if now != _PASSED and now not in first:
            near, far = before, rung
            for _ in range(_HALVINGS):
                middle = (near + far) / 2.0
                near, far = (near, middle) if said(middle) == now else (middle, far)
            first[now] = far
        before = rung
    return first


def _said(
    strategy: Strategy, candles: Candles, side: int, coarser: Sequence[Candles], weights: Mapping[str, float]
) -> str:
    counted: Counter[str] = Counter()
    some = found(strategy, candles, lambda: coarser, 1, weights, counted, ended=True)
    if some and int(some[0].setups.side[some[0].at]) == side:
        return _PASSED
    return next((name for name in FILTERS if counted[name]), DECISION)


def _moved(candles: Candles, close: float, volume: float) -> Candles:
    columns = {name: getattr(candles, name).copy() for name in ("high", "low", "close", "volume")}
    columns["close"][-1], columns["volume"][-1] = close, max(volume, 0.0)
    columns["high"][-1] = np.maximum(columns["high"][-1], close)
    columns["low"][-1] = np.minimum(columns["low"][-1], close)
    return Candles(candles.ts, candles.open, **columns, symbol=candles.symbol, timeframe=candles.timeframe)
