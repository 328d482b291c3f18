"""Twenty worlds in which nothing can have an edge: each price is a martingale, so the next move is fair.

Ten are random walks in price, twelve steps a bar, without drift. Ten are made of real bars: their returns
have their mean taken away and are cut into blocks of 24 to 240 bars, which are put together anew. That alone
leaves what one bar of a block says of the next, and prices whose end is known, so each bar is also turned
upside down by a fair coin: its size, its wicks, its volume and the calm or storm around it stay real.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai import seams
from cryptai.market.candles import Candles
from cryptai.market.sources.practice import SEED, closed_bars
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WORLDS: Final = 20
BARS: Final = 4_000
_BEGIN: Final = 1_609_718_400_000  # 2021-01-04, a Monday
_STEPS: Final = 12
_HOURLY: Final = 0.007
# A bar beyond this, turned upside down, would leave hardly a price.
_WIDEST: Final = 0.5


def worlds(candles: Candles | None = None, *, seed: int = 1, bars: int = BARS) -> list[Candles]:
    """Return the twenty: ten walks, then ten made of the bars of `candles`.

    Of the practice market's where there are none, or under a hundred.
    """
    real = packaged() if candles is None or len(candles) < 100 else candles
    half = WORLDS // 2
    walks = [walk(seed, number, bars, str(real.timeframe)) for number in range(half)]
    return walks + [shuffled(real, seed, number, bars) for number in range(half)]


def packaged(bars: int = 2 * BARS) -> Candles:
    """Return hourly bars of the practice market, which come with the package."""
    end = _BEGIN + bars * 3_600_000
    return closed_bars(SEED, "BTC/USDT", "1h", end, bars, end)


def walk(seed: int, number: int, bars: int, timeframe: str = "1h") -> Candles:
    """Return a walk whose every step multiplies the price by a fair number around 1."""
    random = seams.rng([seed, 21, number])
    steps = 1.0 + random.normal(0.0, _HOURLY / np.sqrt(_STEPS), (bars, _STEPS))
    path: Floats = np.asarray(100.0 * np.cumprod(steps.ravel()).reshape(bars, _STEPS), np.float64)
    close: Floats = path[:, -1].copy()
    opens = np.r_[100.0, close[:-1]]
    high, low = np.maximum(opens, path.max(axis=1)), np.minimum(opens, path.min(axis=1))
    volume = (0.2 + (high - low) / opens / _HOURLY) * random.exponential(50.0, bars)
    return _made(opens, high, low, close, volume, timeframe)


def shuffled(candles: Candles, seed: int, number: int, bars: int) -> Candles:
    """Return real bars in blocks of another order, each turned by a fair coin, as told above."""
    random = seams.rng([seed, 22, number])
    before = candles.close[:-1]
    moves = [getattr(candles, one)[1:] / before - 1.0 for one in ("open", "high", "low", "close")]
    opens, high, low, close = (np.clip(move, -_WIDEST, _WIDEST) for move in moves)
    close = close - close.mean()
    rows = _blocks(random, len(before), bars)
    opens, high, low, close = (move[rows] for move in (opens, high, low, close))
    turned = random.random(bars) < 0.5
    high, low = np.where(turned, -low, high), np.where(turned, -high, low)
    opens, close = np.where(turned, -opens, opens), np.where(turned, -close, close)
    high, low = np.maximum.reduce([opens, high, close]), np.minimum.reduce([opens, low, close])
    after = 100.0 * np.cumprod(1.0 + close)
    base = np.r_[100.0, after[:-1]]
    opens, high, low = (base * (1.0 + move) for move in (opens, high, low))
    high, low = np.maximum(high, after), np.minimum(low, after)
    return _made(opens, high, low, after, candles.volume[1:][rows], str(candles.timeframe))


def _blocks(random: Any, n: int, wanted: int) -> NDArray[np.int64]:
    rows: list[NDArray[np.int64]] = []
    while sum(map(len, rows)) < wanted:
        cuts = np.cumsum(random.integers(24, 241, n // 24 + 1))
        blocks = np.split(np.arange(n), cuts[cuts < n])
        rows += [blocks[place] for place in random.permutation(len(blocks))]
    return np.concatenate(rows)[:wanted]


def _made(opens: Floats, high: Floats, low: Floats, close: Floats, volume: Floats, timeframe: str) -> Candles:
    frame = Timeframe(timeframe)
    ts = _BEGIN + frame.ms * np.arange(len(close), dtype=np.int64)
    return Candles(ts, opens, high, low, close, volume, "NULL/USDT", frame)
