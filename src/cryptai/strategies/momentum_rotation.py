"""Hold the strongest few of many markets, chosen anew at regular times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cryptai.signals import Signals
from cryptai.strategies.strategy import param, strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class MomentumRotation:
    """Hold, in equal parts, the `hold` markets that rose most over `lookback` bars, if they rose at all.

    Every `every` bars of the clock, counted from 1970, the markets that have a bar then are ranked by their
    return; what is not among the first is sold. One market alone is held while it has risen. Relative
    strength, as in Jegadeesh and Titman (1993), with the absolute rule of Antonacci (2014).
    """

    lookback: int = param(90, low=2, high=2000, meaning="bars over which the rise is measured", unit="bars")
    every: int = param(7, low=1, high=1000, meaning="bars from one choice to the next", unit="bars")
    hold: int = param(3, low=1, high=100, meaning="markets held at most")

    # Positions end with the next choice, not at a level.
    stop: ClassVar[float] = math.nan
    target: ClassVar[float] = math.nan
    unscanned: ClassVar[str] = "what it holds ends with the next choice, not at a price"

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        return self.lookback + self.every + 1

    def signals(self, candles: Candles) -> Signals:
        """Decide for one market alone."""
        return self.signals_many({candles.symbol: candles})[candles.symbol]

    def signals_many(self, markets: Mapping[str, Candles]) -> dict[str, Signals]:
        """Rank the markets at each time of choice, and say what share of the equity each should have."""
        rises = {symbol: self._rise(candles) for symbol, candles in markets.items()}
        due = {symbol: self._due(candles) for symbol, candles in markets.items()}
        chosen: dict[int, list[tuple[float, str]]] = {}
        for symbol, candles in markets.items():
            for row in np.flatnonzero(due[symbol] & (rises[symbol] > 0.0)).tolist():
                chosen.setdefault(int(candles.ts[row]), []).append((-float(rises[symbol][row]), symbol))
        best = {ts: {symbol for _, symbol in sorted(some)[: self.hold]} for ts, some in chosen.items()}
        said = {}
        for symbol, candles in markets.items():
            weight = np.full(len(candles), np.nan)
            for row in np.flatnonzero(due[symbol] & ~np.isnan(rises[symbol])).tolist():
                held = symbol in best.get(int(candles.ts[row]), ())
                weight[row] = 1.0 / min(self.hold, len(markets)) if held else 0.0
            none = np.zeros(len(candles), np.int8)
            said[symbol] = Signals(none, none, f"among the {self.hold} strongest", weight=weight)
        return said

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the rise over `lookback` bars, squeezed into -1 to 1; a rise by half is 0.46."""
        squeezed: NDArray[np.float64] = np.tanh(self._rise(candles))
        return squeezed

    def _rise(self, candles: Candles) -> NDArray[np.float64]:
        found = np.full(len(candles), np.nan)
        found[self.lookback :] = candles.close[self.lookback :] / candles.close[: -self.lookback] - 1.0
        return found

    def _due(self, candles: Candles) -> NDArray[np.bool_]:
        turns: NDArray[np.bool_] = candles.ts // candles.timeframe.ms % self.every == 0
        return turns
