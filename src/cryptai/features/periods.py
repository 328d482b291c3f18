"""Highs and lows of the day, week, month or session before: as rows, and as levels with their lives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._measure import MEASURED, in_true_ranges, relative_volume
from cryptai.features._rows import Rows, put
from cryptai.features._spans import PERIODS, bars_fit, period_bars, period_of
from cryptai.features.events import Kind, structure
from cryptai.features.feature import one_of
from cryptai.features.indicator import Output, indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles


def _level(name: str) -> tuple[Kind, ...]:
    lives_of = (("swept", "life"), ("broken", "end"), ("lapsed", "end"))
    return (
        Kind(name, "born", "line"),
        *(Kind(f"{name}_{end}", role, "none", name) for end, role in lives_of),
    )


_LEVELS: Final = (*_level("previous_high"), *_level("previous_low"))
_PERIOD: Final = one_of(*PERIODS, meaning="a day, a week from Monday, a month or a session, in UTC")


@kernel
def _previous(
    number: Ints, high: Floats, low: Floats, top: Floats, bottom: Floats, over: Floats, under: Floats
) -> int:
    now, ceiling, floor = -1, math.nan, math.nan
    last_ceiling, last_floor, went_over, went_under = math.nan, math.nan, 0.0, 0.0
    for t in range(len(number)):
        if number[t] != now:
            if now >= 0:
                last_ceiling, last_floor, went_over, went_under = ceiling, floor, 0.0, 0.0
            now, ceiling, floor = number[t], high[t], low[t]
        else:
            ceiling, floor = max(ceiling, high[t]), min(floor, low[t])
        if high[t] > last_ceiling:
            went_over = 1.0
        if low[t] < last_floor:
            went_under = 1.0
        known = last_ceiling == last_ceiling  # noqa: PLR0124 (false for NaN)
        top[t], bottom[t] = last_ceiling, last_floor
        over[t], under[t] = (went_over, went_under) if known else (math.nan, math.nan)
    return 0


@indicator(
    outputs=(
        Output("previous_high"),
        Output("previous_low"),
        Output("high_broken", "code", "none"),
        Output("low_broken", "code", "none"),
    ),
    warmup=period_bars,
    exact=period_bars,
    period=_PERIOD,
)
def previous_high_low(
    ts: NDArray[np.int64], high: NDArray[np.float64], low: NDArray[np.float64], period: str = "day"
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the high and low of the period before, and whether price has gone beyond them since (1, else 0).

    The period before is the last one with bars that is over: on a Monday of a market that rests at weekends,
    Friday. A bar belongs to the period it opens in (UTC; hours of the sessions: see `sessions`); outside a
    session its last one counts. NaN until one is over; the first may be a part of one. Beyond is beyond: to
    equal the price does not break it. A NaN among the prices is no extreme.

    `smartmoneyconcepts` says the same of days, but for bars that open at midnight, where it still tells the
    day before that one.

    >>> import numpy as np
    >>> ts = np.arange(4) * 43_200_000
    >>> rows = previous_high_low(ts, np.array([2.0, 3.0, 2.5, 3.5]), np.array([1.0, 1.5, 1.2, 1.3]))
    >>> [column[2:].tolist() for column in rows]
    [[3.0, 3.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    n = len(ts)
    found = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    _previous(period_of(ts, period).number, high, low, *found)
    return found


@kernel
def _levels(  # noqa: C901 (two levels, and the period that makes the next ones)
    ts: Ints, number: Ints, end: Ints, step: int, high: Floats, low: Floats, close: Floats, volume: Floats,
    level_bar: Ints, swept: Ints, bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row, now, over, top_bar, bottom_bar = 0, -1, -1, 0, 0
    for t in range(len(ts)):
        for k in range(2):
            p, way = level_bar[k], 1 - 2 * k
            if p < 0:
                continue
            level = high[p] if k == 0 else low[p]
            wick = high[t] if k == 0 else low[t]
            broken = way * (close[t] - level) > 0.0
            if way * (wick - level) <= 0.0 or (swept[k] and not broken):
                continue
            row = put(
                bars, codes, figures, row, p, t, 4 * k + (2 if broken else 1), -way, level, level,
                close[t] if broken else wick, in_true_ranges(way * (wick - level), high, low, close, t),
                relative_volume(volume, t), np.nan,
            )  # fmt: skip
            swept[k] = 1
            if broken:
                level_bar[k] = -1
        # A period is over at the close of its last bar; where that one is missing, at the next one's.
        for turn in range(2):
            if turn == 1 and number[t] >= 0:
                begins = number[t] != now
                if begins or high[t] > high[top_bar]:
                    top_bar = t
                if begins or low[t] < low[bottom_bar]:
                    bottom_bar = t
                now = number[t]
            ends = ts[t] + step >= end[t] if turn == 1 else number[t] != now
            if now < 0 or over == now or not ends:
                continue
            over = now
            for k in range(2):
                p, way = level_bar[k], 1 - 2 * k
                if p >= 0:
                    level = high[p] if k == 0 else low[p]
                    row = put(
                        bars, codes, figures, row, p, t, 4 * k + 3, -way, level, level, np.nan, np.nan,
                        np.nan, np.nan,
                    )  # fmt: skip
                p = top_bar if k == 0 else bottom_bar
                level = high[p] if k == 0 else low[p]
                row = put(
                    bars, codes, figures, row, p, t, 4 * k, -way, level, level, level,
                    in_true_ranges(high[top_bar] - low[bottom_bar], high, low, close, t), np.nan, np.nan,
                )  # fmt: skip
                level_bar[k], swept[k] = p, 0
    return row


def levels_memory(period: str) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    return period_bars(period) + MEASURED + 2


@structure(
    *_LEVELS,
    directed=("previous_high_swept", "previous_low_swept"),
    warmup=levels_memory,
    exact=levels_memory,
    period=_PERIOD,
)
def period_levels(candles: Candles, period: str = "day") -> Events:
    """Return the high and low of each day, week, month or session once it is over, and their lives.

    A level is known at the close of the period's last bar (where that is missing, of the next one there is);
    `at` is the first bar that made it. From the next bar on: `swept` when a wick first goes beyond it and the
    close does not, `broken` when a close does, `lapsed` when the next period is over. To equal it is neither.
    Periods are those of `previous_high_low`, which gives the same levels as rows. Bars longer than the
    period (than half a session) give no events.

    Direction is -1 for a high, 1 for a low: the way back, traded when it is swept. `top` and `bottom` are the
    price, `level` too, or what did it (the wick's end, the close); `strength` of a birth is the period's
    height, of a life how far the wick went beyond, in true ranges (mean of 14 bars); `volume` that of the bar
    over the mean of the 20 before.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p, h = np.array([3.0, 4.0, 3.5, 4.5]), np.array([3.5, 4.5, 4.75, 5.0])
    >>> bars = Candles(np.arange(4) * 43_200_000 // 12 * 12, p, h, p - 1, p, p, "BTC/USDT", "4h")
    >>> found = period_levels(bars).named("previous_high", "previous_high_swept")
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.top.tolist()
    ([1, 1], [2, 3], [4.5, 4.5])
    """
    step = candles.timeframe.ms
    spans = period_of(candles.ts, period)
    rows = Rows(8 * len(candles) if bars_fit(period, step) else 0)
    told = 0
    if rows.room:
        told = _levels(
            candles.ts, spans.number, spans.end, step, candles.high, candles.low, candles.close,
            candles.volume, np.full(2, -1), np.zeros(2, np.int64), rows.bars, rows.codes, rows.figures,
        )  # fmt: skip
    return rows.events(candles, _LEVELS, told)
