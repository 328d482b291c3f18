"""Smart money concepts: a swept low, structure broken up, and the return to the block it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.conditions import became_known, lately
from cryptai.features.higher import ABOVE, trend_rows
from cryptai.features.liquidity import liquidity_sweeps
from cryptai.features.market_breaks import market_structure
from cryptai.features.zones import order_blocks
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.features.events import Events
    from cryptai.market.candles import Candles


@strategy
@dataclass(frozen=True)
class SmartMoney:
    """Enter long where price comes back to a bullish order block of a structure that was broken up.

    Asked of the bar: it touches a live bullish order block for the first time and closes in the upper half of
    its range; the newest break of structure (BOS or CHoCH) is up; the timeframe above does not trend down;
    and, with `swept`, a swing low was swept (a wick below, a close back above) within `recent` bars. Leave
    when structure breaks the other way.
    """

    length: int = param(5, low=2, high=50, meaning="bars after which a leg or a swing has ended", unit="bars")
    displacement: float = param(1.0, low=0, high=10, meaning="least move away from the block in true ranges")
    swept: bool = param(False, meaning="a swing must have been swept before")
    recent: int = param(50, low=1, high=500, meaning="bars in which the sweep counts", unit="bars")
    confirmed: bool = param(True, meaning="the timeframe above must not trend the other way")
    max_age: int = param(150, low=20, high=1000, meaning="bars after which blocks and swings are forgotten")
    allow_short: bool = param(False, meaning="mirror it at bearish blocks")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        needed = [
            bars_of("order_blocks", length=self.length, displacement=self.displacement, max_age=self.max_age),
            bars_of("market_structure", internal=self.length, external=self.length, max_age=self.max_age),
            bars_of("liquidity_sweeps", length=self.length, max_age=self.max_age) + self.recent,
        ]
        above = ABOVE.get(timeframe, "")
        if self.confirmed and above:
            needed.append(
                bars_of("higher_timeframe_trend", timeframe=above, length=5, max_age=100, on=timeframe)
            )
        return max(needed)

    def signals(self, candles: Candles) -> Signals:
        """Decide where a block is touched."""
        way = self._way(candles)
        blocks, sweeps = self._blocks(candles), liquidity_sweeps(candles, self.length, self.max_age)
        above = trend_rows(candles, "auto", 5, 100) if self.confirmed else np.zeros(len(candles), np.int8)
        middle = (candles.high + candles.low) / 2.0
        sides = {}
        for side in (1, -1) if self.allow_short else (1,):
            taken = became_known(blocks, "order_block_touched", direction=side)
            taken &= (way == side) & (side * above >= 0) & (side * (candles.close - middle) > 0.0)
            if self.swept:
                swept = became_known(sweeps, "liquidity_sweep", direction=side)
                taken &= lately(swept, self.recent)
            sides[side] = taken
        turned = np.zeros(len(candles), np.int8)
        turned[1:] = np.where(way[1:] != way[:-1], way[1:], 0)
        return Signals.entries(
            candles,
            long=sides[1],
            exit_long=turned == -1,
            short=sides[-1] & ~sides[1] if self.allow_short else None,
            exit_short=turned == 1 if self.allow_short else None,
            long_reason="return to a bullish order block after structure broke up",
            short_reason="return to a bearish order block after structure broke down",
        )

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the mean of structure's way, the trend above and the newest sweep, each 1, 0 or -1."""
        sweeps = liquidity_sweeps(candles, self.length, self.max_age)
        swept = {
            side: lately(became_known(sweeps, "liquidity_sweep", direction=side), self.recent)
            for side in (1, -1)
        }
        voted: NDArray[np.float64] = (
            self._way(candles) + trend_rows(candles, "auto", 5, 100) + swept[1] * 1.0 - swept[-1] * 1.0
        ) / 3.0
        return voted

    def used(self, candles: Candles) -> list[Events]:
        """Return what the newest decision rests on: break of structure, blocks touched now, newest sweep."""
        structure = market_structure(candles, self.length, self.length, "close", self.max_age)
        blocks = self._blocks(candles).named("order_block_touched")
        sweeps = liquidity_sweeps(candles, self.length, self.max_age)
        recent = sweeps[sweeps.known_bar > len(candles) - 1 - self.recent]
        return [
            structure.named("bos", "choch")[-1:],
            blocks[blocks.known_bar == len(candles) - 1],
            recent[-1:],
        ]

    def _blocks(self, candles: Candles) -> Events:
        return order_blocks(candles, self.length, displacement=self.displacement, max_age=self.max_age)

    def _way(self, candles: Candles) -> NDArray[np.int8]:
        found = market_structure(candles, self.length, self.length, "close", self.max_age)
        found = found.named("bos", "choch")
        if not len(found):
            return np.zeros(len(candles), np.int8)
        rows = np.arange(len(candles))
        last = np.searchsorted(found.known_bar, rows, side="right") - 1
        fresh = (last >= 0) & (rows - found.known_bar[last] <= self.max_age)
        return np.where(fresh, found.direction[last], 0).astype(np.int8)
