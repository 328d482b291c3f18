"""Series that try a piece: noise, prices that always break the last extreme, and bars as bad as real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai import seams
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BEGIN: Final = 1_609_718_400_000  # 2021-01-04, a Monday


def noise(seed: int, bars: int, *, timeframe: str = "1h", price: float = 100.0) -> Candles:
    """Return a geometric random walk with fat tails and jumps between close and next open."""
    random = seams.rng([seed, 11])
    close = price * np.exp(np.cumsum(0.01 * random.standard_t(3, bars)))
    jump = np.where(random.random(bars) < 0.1, random.normal(0.0, 0.02, bars), 0.0)
    opens = np.r_[price, close[:-1]] * np.exp(jump)
    up, down = np.exp(np.abs(random.normal(0.0, 0.008, (2, bars))))
    high, low = np.maximum(opens, close) * up, np.minimum(opens, close) / down
    return _candles(opens, high, low, close, random.random(bars) * 100.0, timeframe)


def adversarial(seed: int, bars: int, *, timeframe: str = "1h", price: float = 100.0) -> Candles:
    """Return bars each of which is chosen against what could be read from those before it.

    Most break the last extreme of a random length: by the close, by a wick that closes back, or by exactly
    reaching it (a tie). Some turn at once, some stand still, and volume falls silent now and then.
    """
    random = seams.rng([seed, 12])
    opens, high, low, close = (np.empty(bars) for _ in range(4))
    last = price
    for bar in range(bars):
        back = int(random.choice([2, 5, 10, 20, 50]))
        top = high[max(0, bar - back) : bar].max(initial=last)
        bottom = low[max(0, bar - back) : bar].min(initial=last)
        room, way = 0.002 * price, random.integers(0, 8)
        # Prices far from where they began are led back, or they would grow without end.
        upward = random.random() < 0.5 + 0.4 * np.tanh(np.log(price / last))
        extreme = top if upward else bottom
        beyond = extreme + (room if upward else -room) * random.random()
        opens[bar] = last
        close[bar] = {0: last, 1: extreme, 2: last + 0.3 * (extreme - last)}.get(int(way), beyond)
        reach = extreme if way in (1, 3) else beyond
        close[bar] = max(close[bar] if way != 4 else last, 0.05 * price)
        reach = max(reach, 0.05 * price) if way else last
        high[bar] = max(last, close[bar], reach)
        low[bar] = min(last, close[bar], reach)
        last = close[bar]
    volume = np.where(random.random(bars) < 0.2, 0.0, np.floor(random.random(bars) * 4.0) * 10.0)
    return _candles(opens, high, low, close, volume, timeframe)


def roughened(candles: Candles, seed: int) -> Candles:
    """Return real candles with what real candles also have: holes, ties, bars that stand still, no volume."""
    random, n = seams.rng([seed, 13]), len(candles)
    opens, high, low, close = (getattr(candles, one).copy() for one in ("open", "high", "low", "close"))
    volume = candles.volume.copy()
    still = random.random(n) < 0.04
    opens[still] = high[still] = low[still] = close[still]
    volume[random.random(n) < 0.05] = 0.0
    for bar in np.flatnonzero(random.random(n) < 0.05):
        if bar and high[bar - 1] >= max(opens[bar], close[bar]):
            high[bar] = high[bar - 1]
        if bar and low[bar - 1] <= min(opens[bar], close[bar]):
            low[bar] = low[bar - 1]
    keep = random.random(n) >= 0.03
    for start in random.integers(0, max(n - 30, 1), 2):
        keep[start : start + 25] = False
    keep[:2] = True
    columns = (candles.ts, opens, high, low, close, volume)
    kept: dict[str, Any] = {name: column[keep] for name, column in zip(COLUMNS, columns, strict=True)}
    return Candles(**kept, symbol=candles.symbol, timeframe=candles.timeframe)


def mirrored(candles: Candles) -> Candles:
    """Return other prices under the same name and times: turned upside down, so that they are candles too."""
    scale = 100.0
    return Candles(
        candles.ts, scale / candles.open, scale / candles.low, scale / candles.high, scale / candles.close,
        candles.volume[::-1], candles.symbol, candles.timeframe,
    )  # fmt: skip


def _candles(
    opens: NDArray[np.float64], high: NDArray[np.float64], low: NDArray[np.float64],
    close: NDArray[np.float64], volume: NDArray[np.float64], timeframe: str,
) -> Candles:  # fmt: skip
    frame = Timeframe(timeframe)
    ts = _BEGIN + frame.ms * np.arange(len(close), dtype=np.int64)
    return Candles(ts, opens, high, low, close, volume, "TEST/USDT", frame)
