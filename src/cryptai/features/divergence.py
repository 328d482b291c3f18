"""Divergence: price and an oscillator that disagree at two successive pivots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from cryptai.features._measure import MEASURED, relative_volume
from cryptai.features._memory import ewm_bars, wilder_bars
from cryptai.features._rows import Rows, put
from cryptai.features._talib import talib
from cryptai.features.events import Kind, structure
from cryptai.features.feature import one_of, within
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles

_NAMES: Final = ("regular_bullish", "hidden_bullish", "regular_bearish", "hidden_bearish")
_KINDS: Final = tuple(Kind(name, draw="line") for name in _NAMES)
_LENGTH = within(1, 500, "bars on each side of a pivot of the oscillator; it is known that many bars later")
_NEAREST = within(1, 5_000, "bars between the two pivots, at least")
_FURTHEST = within(1, 5_000, "bars between the two pivots, at most; an older one is forgotten")


@part
def _is_pivot(line: Floats, p: int, length: int, sign: float) -> bool:
    # Beyond all before, and not surpassed after: of equal ones the first. A NaN is neither.
    value = sign * line[p]
    for i in range(1, length + 1):
        if not sign * line[p - i] < value or not sign * line[p + i] <= value:
            return False
    return True


@kernel
def _divergences(
    line: Floats, high: Floats, low: Floats, volume: Floats, length: int, nearest: int, furthest: int,
    bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row = 0
    last_low = last_high = -1
    for p in range(length, len(line) - length):
        if _is_pivot(line, p, length, -1.0):
            if last_low >= 0 and nearest <= p - last_low <= furthest:
                turn = line[p] - line[last_low]
                regular = turn > 0.0 and low[p] < low[last_low]
                if regular or (turn < 0.0 and low[p] > low[last_low]):
                    top, bottom = max(low[p], low[last_low]), min(low[p], low[last_low])
                    row = put(
                        bars, codes, figures, row, p, p + length, 0 if regular else 1, 1, top, bottom, low[p],
                        abs(turn), relative_volume(volume, p), math.nan,
                    )  # fmt: skip
            last_low = p
        if _is_pivot(line, p, length, 1.0):
            if last_high >= 0 and nearest <= p - last_high <= furthest:
                turn = line[p] - line[last_high]
                regular = turn < 0.0 and high[p] > high[last_high]
                if regular or (turn > 0.0 and high[p] < high[last_high]):
                    top, bottom = max(high[p], high[last_high]), min(high[p], high[last_high])
                    row = put(
                        bars, codes, figures, row, p, p + length, 2 if regular else 3, -1, top, bottom,
                        high[p], abs(turn), relative_volume(volume, p), math.nan,
                    )  # fmt: skip
            last_high = p
    return row


def _found(candles: Candles, line: Floats, length: int, nearest: int, furthest: int) -> Events:
    # A bar cannot be a high and a low of the same line, since both are strict to one side.
    rows = Rows(len(candles))
    count = _divergences(
        line, candles.high, candles.low, candles.volume, length, nearest, furthest,
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _KINDS, count)


def _rsi_memory(period: int, length: int, furthest: int, **_: object) -> int:
    return wilder_bars(period, bitwise=True) + furthest + 2 * length + MEASURED


@structure(
    *_KINDS,
    directed=_NAMES,
    warmup=_rsi_memory,
    exact=_rsi_memory,
    period=within(2, 1_000, "bars of the RSI"),
    length=_LENGTH,
    nearest=_NEAREST,
    furthest=_FURTHEST,
)
def rsi_divergence(
    candles: Candles, period: int = 14, length: int = 5, nearest: int = 5, furthest: int = 60
) -> Events:
    """Return divergences between price and RSI at two successive pivots of the RSI.

    Regular bullish: price makes a lower low, the RSI a higher one; hidden bullish: price a higher low, the
    RSI a lower one; bearish the same with highs. A pivot is an RSI beyond those of the `length` bars before
    and not surpassed in the `length` after (of equal ones the first); it is compared with the pivot of its
    side just before, if that lies `nearest` to `furthest` bars back. Drawn `at` the second pivot, known when
    it is: `length` bars later. `top` and `bottom` are the lows (highs) of price at the two pivots, `level`
    that at the second, `strength` the difference of the RSI in points, `volume` that of the second's bar over
    the mean of the 20 before, `share` NaN. Bars count, not time. The rules of TradingView's RSI divergence
    indicator.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> x = np.arange(150.0)
    >>> p = 100.0 + x / 20.0 + 9.0 * np.sin(x / 6.0) * np.exp(-x / 80.0)
    >>> found = rsi_divergence(Candles(np.arange(150) * 60_000, p, p, p, p, p, "BTC/USDT", "1m"))
    >>> found.table()["kind"].tolist(), (found.known_bar - found.at_bar).tolist()
    (['hidden_bullish', 'regular_bearish'], [5, 5])
    """
    return _found(candles, talib.RSI(candles.close, period), length, nearest, furthest)


def _macd_memory(fast: int, slow: int, signal: int, length: int, furthest: int, **_: object) -> int:
    line = ewm_bars(max(fast, slow), bitwise=True) + ewm_bars(signal, bitwise=True)
    return line + furthest + 2 * length + MEASURED


@structure(
    *_KINDS,
    name="macd_divergence",
    directed=_NAMES,
    warmup=_macd_memory,
    exact=_macd_memory,
    fast=within(2, 1_000, "bars of the fast average"),
    slow=within(2, 1_000, "bars of the slow average"),
    signal=within(1, 1_000, "bars of the signal line"),
    source=one_of("macd", "histogram", meaning="the line whose pivots are compared"),
    length=_LENGTH,
    nearest=_NEAREST,
    furthest=_FURTHEST,
)
def macd_divergence(
    candles: Candles, fast: int = 12, slow: int = 26, signal: int = 9, source: str = "macd",
    length: int = 5, nearest: int = 5, furthest: int = 60,
) -> Events:  # fmt: skip
    """Return divergences between price and MACD at two successive pivots of MACD (or of its histogram).

    As `rsi_divergence`, with `strength` in the unit of price.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> x = np.arange(150.0)
    >>> p = 100.0 + x / 20.0 + 9.0 * np.sin(x / 6.0) * np.exp(-x / 80.0)
    >>> found = macd_divergence(Candles(np.arange(150) * 60_000, p, p, p, p, p, "BTC/USDT", "1m"))
    >>> found.table()["kind"].tolist(), (found.known_bar - found.at_bar).tolist()
    (['regular_bearish', 'regular_bearish'], [5, 5])
    """
    line, _, histogram = talib.MACD(candles.close, fast, slow, signal)
    return _found(candles, line if source == "macd" else histogram, length, nearest, furthest)
