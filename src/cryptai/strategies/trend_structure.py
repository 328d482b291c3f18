"""Higher-timeframe trend, then structure, then confirmation: the strategy the product is known for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.features.conditions import became_known, lately
from cryptai.features.feature import features
from cryptai.features.higher import ABOVE, trend_rows
from cryptai.features.market_breaks import market_structure
from cryptai.features.oscillators import rsi
from cryptai.features.trend import macd
from cryptai.features.volatility import atr
from cryptai.signals import Signals
from cryptai.strategies.strategy import bars_of, param, strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.features.events import Events
    from cryptai.market.candles import Candles

# Patterns that mark both a bullish (100) and a bearish (-100) turn.
_BOTH: Final = ("engulfing", "harami", "belt_hold", "three_inside", "three_outside")
_BULLISH: Final = ("hammer", "morning_star", "piercing_line", "three_white_soldiers")
_BEARISH: Final = ("shooting_star", "evening_star", "dark_cloud_cover", "three_black_crows")


@strategy
@dataclass(frozen=True)
class TrendStructure:
    """Enter long with the trend of the timeframe above, after structure broke up, once it is confirmed.

    The timeframe above (4h over 1h, 1d over 4h) trends up; structure (BOS or CHoCH) broke up within
    `patience` bars and has not broken down since; and at least `confirmations` of three agree for the first
    time: RSI above 50, MACD above its signal line, a bullish candlestick pattern within three bars. Leave
    when structure breaks down. Stop 8 %, target 15 %; with `atr_levels` 2 and 4 average true ranges instead.
    """

    length: int = param(5, low=2, high=50, meaning="bars after which a leg has ended", unit="bars")
    patience: int = param(30, low=1, high=500, meaning="bars in which confirmation must come", unit="bars")
    confirmations: int = param(3, low=0, high=3, meaning="how many of RSI, MACD and pattern must agree")
    atr_levels: bool = param(False, meaning="stop at 2 ATR and target at 4 instead of 8 % and 15 %")
    max_age: int = param(150, low=20, high=1000, meaning="bars after which structure is forgotten")
    allow_short: bool = param(False, meaning="mirror it in a falling market")

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        needed = [
            bars_of("market_structure", internal=self.length, external=self.length, max_age=self.max_age),
            bars_of("macd"),
            bars_of("rsi"),
            bars_of("atr"),
        ]
        above = ABOVE.get(timeframe, "")
        if above:
            needed.append(
                bars_of("higher_timeframe_trend", timeframe=above, length=5, max_age=100, on=timeframe)
            )
        return max(needed) + self.patience

    def signals(self, candles: Candles) -> Signals:
        """Decide where the last condition comes true."""
        broken = self._structure(candles)
        above = trend_rows(candles, "auto", 5, 100)
        breaks = {way: became_known(broken, "bos", "choch", direction=way) for way in (1, -1)}
        rows = np.arange(len(candles))
        newest = {way: np.maximum.accumulate(np.where(one, rows, -1)) for way, one in breaks.items()}
        sides = {}
        for way in (1, -1) if self.allow_short else (1,):
            ready = (above == way) & (newest[way] > newest[-way]) & lately(breaks[way], self.patience)
            ready &= self._confirmations(candles, way) >= self.confirmations
            sides[way] = ready & ~_before(ready)
        made = Signals.entries(
            candles,
            long=sides[1],
            exit_long=breaks[-1],
            short=sides.get(-1),
            exit_short=breaks[1] if self.allow_short else None,
            long_reason="trend above up, structure broken up, confirmed",
            short_reason="trend above down, structure broken down, confirmed",
        )
        return self._levelled(made, candles) if self.atr_levels else made

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the mean of the trend above and the net confirmations, each -1 to 1."""
        net = (self._confirmations(candles, 1) - self._confirmations(candles, -1)) / 3.0
        voted: NDArray[np.float64] = (trend_rows(candles, "auto", 5, 100) + net) / 2.0
        return voted

    def used(self, candles: Candles) -> list[Events]:
        """Return what the newest decision rests on: the newest break of structure."""
        return [self._structure(candles)[-1:]]

    def factors(self, candles: Candles) -> dict[str, float]:
        """Return what each part says at the newest bar: -1 to 1."""
        line, signal, _ = macd(candles.close)
        return {
            "trend_above": float(trend_rows(candles, "auto", 5, 100)[-1]),
            "rsi": float((rsi(candles.close)[-1] - 50.0) / 50.0),
            "macd": float(np.sign(line[-1] - signal[-1])),
            "pattern": float(_pattern(candles, 1)[-1]) - float(_pattern(candles, -1)[-1]),
        }

    def _structure(self, candles: Candles) -> Events:
        found = market_structure(candles, self.length, self.length, "close", self.max_age)
        return found.named("bos", "choch")

    def _confirmations(self, candles: Candles, way: int) -> NDArray[np.int64]:
        line, signal, _ = macd(candles.close)
        agree = [way * (rsi(candles.close) - 50.0) > 0.0, way * (line - signal) > 0.0]
        agree.append(lately(_pattern(candles, way), 3))
        votes: NDArray[np.int64] = np.sum(agree, axis=0, dtype=np.int64)
        return votes

    def _levelled(self, made: Signals, candles: Candles) -> Signals:
        apart = made.entry * atr(candles.high, candles.low, candles.close, 14)
        stop = np.where(made.entry != 0, candles.close - 2.0 * apart, np.nan)
        target = np.where(made.entry != 0, candles.close + 4.0 * apart, np.nan)
        return dataclasses.replace(made, stop=stop, target=target)


def _pattern(candles: Candles, way: int) -> NDArray[np.bool_]:
    found = np.zeros(len(candles), bool)
    for name in _BOTH + (_BULLISH if way > 0 else _BEARISH):
        pattern: Any = features.get(name)
        found |= way * pattern.of(candles)[name] > 0.0
    return found


def _before(condition: NDArray[np.bool_]) -> NDArray[np.bool_]:
    shifted = np.zeros_like(condition)
    shifted[1:] = condition[:-1]
    return shifted
