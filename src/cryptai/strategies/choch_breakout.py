"""The first breakout after a change of character, with the timeframe above and the volume behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.conditions import became_known
from cryptai.features.higher import ABOVE, trend_rows
from cryptai.features.market_breaks import market_structure
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.features.events import Events
    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class ChochBreakout:
    """Enter long on the first break of structure after a change of character, confirmed above and by volume.

    A change of character (CHoCH) turns structure up; the first break of structure (BOS) that goes on that way
    within `patience` bars is the breakout. It counts where its bar has at least `volume` times the mean
    volume of the 20 bars before, and where the timeframe above (4h over 1h, 1d over 4h) does not trend the
    other way. Leave when the character changes back.
    """

    length: int = param(5, low=2, high=50, meaning="bars after which a leg has ended", unit="bars")
    patience: int = param(60, low=2, high=500, meaning="bars in which the breakout must come", unit="bars")
    volume: float = param(1.2, low=0, high=10, meaning="least volume of the breakout over the mean before")
    confirmed: bool = param(True, meaning="the timeframe above must not trend the other way")
    max_age: int = param(150, low=20, high=1000, meaning="bars after which structure is forgotten")
    allow_short: bool = param(False, meaning="mirror it: enter short on the first break down")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        own = self.patience + bars_of(
            "market_structure", internal=self.length, external=self.length, max_age=self.max_age
        )
        above = ABOVE.get(timeframe, "")
        if not (self.confirmed and above):
            return own
        return max(
            own, bars_of("higher_timeframe_trend", timeframe=above, length=5, max_age=100, on=timeframe)
        )

    def signals(self, candles: Candles) -> Signals:
        """Decide where structure is first broken the new way."""
        found = self._structure(candles)
        first = self._first(found)
        above = trend_rows(candles, "auto", 5, 100) if self.confirmed else np.zeros(len(candles), np.int8)
        turned = {way: became_known(found, "choch", direction=way) for way in (1, -1)}
        long = became_known(first, "bos", direction=1) & (above >= 0)
        short = became_known(first, "bos", direction=-1) & (above <= 0)
        return Signals.entries(
            candles,
            long=long,
            exit_long=turned[-1],
            short=short & ~long if self.allow_short else None,
            exit_short=turned[1] if self.allow_short else None,
            long_reason="first break of structure up after a change of character, with volume",
            short_reason="first break of structure down after a change of character, with volume",
        )

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the mean of structure's way and the trend above, each 1, 0 or -1."""
        found = self._structure(candles)
        last = np.searchsorted(found.known_bar, np.arange(len(candles)), side="right") - 1
        way = np.where(last >= 0, found.direction[last], 0) if len(found) else np.zeros(len(candles))
        voted: NDArray[np.float64] = (way + trend_rows(candles, "auto", 5, 100)) / 2.0
        return voted

    def used(self, candles: Candles) -> list[Events]:
        """Return what the newest decision rests on: the change of character and the break after it."""
        found = self._structure(candles)
        return [found[-2:]]

    def _structure(self, candles: Candles) -> Events:
        found = market_structure(candles, self.length, self.length, "close", self.max_age)
        return found.named("bos", "choch")

    def _first(self, found: Events) -> Events:
        if not len(found):
            return found
        bos, choch = (found.kind == number for number in (0, 1))
        after = np.zeros(len(found), bool)
        after[1:] = bos[1:] & choch[:-1] & (found.direction[1:] == found.direction[:-1])
        after[1:] &= found.known_bar[1:] - found.known_bar[:-1] <= self.patience
        # A bar without volume before it cannot be told, and confirms nothing.
        return found[after & ((found.volume >= self.volume) | (self.volume == 0.0))]
