"""Setups: where a strategy newly wants in, with the levels that are promised from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.trading.backtest import decided, default_rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.signals import Signals
    from cryptai.strategies.strategy import Strategy

MIN_REWARD_RISK: Final = 1.5
"""Below this a setup is not worth its risk (RSK-04)."""


class Setups(NamedTuple):
    """Columns, one row a setup, in the order of their bars.

    Attributes
    ----------
    row
        int64: the bar at whose close it was decided.
    side
        int8: 1 long, -1 short.
    entry, stop, target
        Prices: the close that decided, and the bracket from it.
    low, high
        The zone of the entry: beyond its end towards the target the reward:risk falls below 1.5, and it
        reaches as far the other way.
    """

    row: NDArray[np.int64]
    side: NDArray[np.int8]
    entry: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    stop: NDArray[np.float64]
    target: NDArray[np.float64]

    def reward_risk(self) -> NDArray[np.float64]:
        """Return the distance to the target over that to the stop."""
        return np.asarray((self.target - self.entry) / (self.entry - self.stop))

    def some(self, rows: NDArray[np.bool_]) -> Setups:
        """Return some of them, by a mask."""
        return self._made(column[rows] for column in self)

    def portion(self, first: int, end: int) -> Setups:
        """Return those from one position to another."""
        return self._made(column[first:end] for column in self)

    @classmethod
    def _made(cls, columns: Iterable[Any]) -> Setups:
        return cls(*columns)


def setups(strategy: Strategy, candles: Candles, first: int = 0, *, signals: Signals | None = None) -> Setups:
    """Return the setups that a strategy decided from bar `first` on.

    `signals` are its own over these candles, where somebody has them already.

    A setup is a new entry: a row that says what the row before it did not. The first bar of the candles has
    none before it, so it is none. Levels are the strategy's own where it states them for that row, else its
    class's bracket, else 8 % and 15 %, measured from the close. Left out are rows whose levels make no
    bracket around the close, and those with less than 1.5 of reward for the risk.

    Raises
    ------
    InputError
        If the strategy fails.
    """
    if signals is None:
        signals = decided(strategy, candles)
    row = began(signals, first)
    entry = signals.entry
    side, close = entry[row], candles.close[row]
    rules = default_rules(type(strategy))
    stop = _level(signals.stop, row, close * (1.0 - side * rules.stop))
    target = _level(signals.target, row, close * (1.0 + side * rules.target))
    # Where the reward is that many times the risk, and no better further on.
    reach = (target + MIN_REWARD_RISK * stop) / (1.0 + MIN_REWARD_RISK)
    zone = np.abs(reach - close)
    found = Setups(row, side, close, close - zone, close + zone, stop, target)
    with np.errstate(divide="ignore", invalid="ignore"):
        sound = (side * (target - close) > 0.0) & (side * (close - stop) > 0.0) & (stop > 0.0)
        # The tolerance lets 0.06 over 0.04 be the 1.5 that it is on paper.
        sound &= found.reward_risk() >= MIN_REWARD_RISK * (1.0 - 1e-12)
    return found.some(sound)


def began(signals: Signals, first: int) -> NDArray[np.int64]:
    """Return the rows from `first` on whose entry the row before did not say."""
    first = max(first, 1)
    late = signals.entry[first:]
    if not late.any():
        return np.empty(0, np.int64)  # mostly: at a close few strategies say anything
    return first + np.flatnonzero((late != 0) & (late != signals.entry[first - 1 : -1]))


def _level(
    said: NDArray[np.float64] | None, row: NDArray[np.int64], otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    if said is None:
        return otherwise
    own = said[row]
    return np.where(np.isnan(own), otherwise, own)
