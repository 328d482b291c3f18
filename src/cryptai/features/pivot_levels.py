"""Pivot points: levels for today from the high, low and close of the day, week or month before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._calendar import MINUTES, PERIODS, period_of
from cryptai.features.feature import one_of
from cryptai.features.indicator import Output, indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.kernels import Floats, Ints

_METHODS: Final = ("standard", "fibonacci", "camarilla", "woodie")
_LEVELS: Final = ("r1", "r2", "r3", "s1", "s2", "s3", "r4", "s4")


@kernel
def _before(
    ts: Ints, open_: Floats, high: Floats, low: Floats, close: Floats, period: int,
    highs: Floats, lows: Floats, closes: Floats, opens: Floats,
) -> int:  # fmt: skip
    # Of the period before each bar's own: its high, low and close; and the open of the bar's own.
    last_high = last_low = last_close = np.nan
    top = bottom = first = np.nan
    whole = False
    now = 0
    for i in range(len(ts)):
        number = period_of(ts[i], period)
        if i == 0 or number != now:
            if whole:
                last_high, last_low, last_close = top, bottom, close[i - 1]
            # The first period counts only if we saw it begin; those after it did, as far as there are bars.
            whole = i > 0 or period_of(ts[i] - 1, period) != number
            top, bottom, first = high[i], low[i], open_[i]
            now = number
        elif high[i] + low[i] != high[i] + low[i] or top + bottom != top + bottom:
            top = bottom = np.nan
        else:
            top = max(top, high[i])
            bottom = min(bottom, low[i])
        highs[i], lows[i], closes[i], opens[i] = last_high, last_low, last_close, first
    return 0


@indicator(
    outputs=(Output("pivot"), *(Output(f"pivot_{level}") for level in _LEVELS)),
    warmup=lambda method, period: 2 * MINUTES[period],  # noqa: ARG005 (called with all parameters)
    exact=lambda method, period: 2 * MINUTES[period],  # noqa: ARG005
    method=one_of(*_METHODS, meaning="whose formula"),
    period=one_of("day", "week", "month", meaning="the closed period the levels come from"),
)
def pivot_points(
    ts: NDArray[np.int64], open_: Floats, high: Floats, low: Floats, close: Floats,
    method: str = "standard", period: str = "day",
) -> tuple[Floats, ...]:  # fmt: skip
    """Return the pivot points in force at each bar: P, R1 to R3, S1 to S3, R4, S4.

    H, L, C are those of the day, week or month (UTC) before the bar's own; R stands above, S below by the
    same. `standard`: P = (H + L + C) / 3, R1 = 2 P - L, R2 = P + H - L, R3 = H + 2 (P - L), R4 = 3 P + H - 3
    L (TradingView's Traditional). `fibonacci`: P and P + 0.382, 0.618 and 1 times (H - L), no fourth.
    `camarilla`: P, and C + 1.1 (H - L) / 12, / 6, / 4 and / 2. `woodie`: P = (H + L + 2 × the open of the
    bar's own period) / 4, R1 and R2 as in standard, R3 = H + 2 (P - L), R4 = R3 + H - L. In the unit of the
    prices; NaN until a whole period is past, while one of its prices is NaN, and for Fibonacci's fourth. Bars
    longer than the period count as one each. The warm-up is two periods of one-minute bars.

    >>> import numpy as np
    >>> day = 86_400_000 * np.arange(2)
    >>> levels = pivot_points(day, np.ones(2), np.full(2, 4.0), np.ones(2), np.full(2, 4.0))
    >>> [float(level[-1]) for level in levels]
    [3.0, 5.0, 6.0, 8.0, 2.0, 0.0, -1.0, 10.0, -2.0]
    """
    h, l, c, o = np.empty((4, len(ts)))  # noqa: E741 (as in the formulas)
    _before(ts, open_, high, low, close, PERIODS[period], h, l, c, o)
    with np.errstate(over="ignore", invalid="ignore"):
        span = h - l
        middle = (h + l + 2.0 * o) / 4.0 if method == "woodie" else (h + l + c) / 3.0
        if method == "fibonacci":
            above = [middle + share * span for share in (0.382, 0.618, 1.0)]
            below = [middle - share * span for share in (0.382, 0.618, 1.0)]
            return middle, *above, *below, np.full(len(ts), np.nan), np.full(len(ts), np.nan)
        if method == "camarilla":
            away = [1.1 * span / part for part in (12.0, 6.0, 4.0, 2.0)]
            above, below = [c + one for one in away], [c - one for one in away]
            return middle, *above[:3], *below[:3], above[3], below[3]
        above = [2.0 * middle - l, middle + span, h + 2.0 * (middle - l)]
        below = [2.0 * middle - h, middle - span, l - 2.0 * (h - middle)]
        if method == "woodie":
            return middle, *above, *below, above[2] + span, below[2] - span
        return middle, *above, *below, 3.0 * middle + h - 3.0 * l, 3.0 * middle - (3.0 * h - l)
