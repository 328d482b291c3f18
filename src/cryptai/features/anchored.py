"""Volume-weighted average prices: since the session began, or since an instant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._calendar import MINUTES, PERIODS, period_of
from cryptai.features.feature import one_of, within
from cryptai.features.indicator import Output, indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.kernels import Floats, Ints

_SESSION = one_of("day", "week", "month", meaning="when it starts anew: 00:00 UTC, Monday, or the first")


@kernel
def _vwap(
    ts: Ints, high: Floats, low: Floats, close: Floats, volume: Floats, session: int, since: int, out: Floats
) -> int:
    money = amount = 0.0
    now = 0
    started = False
    for i in range(len(ts)):
        out[i] = np.nan
        if ts[i] < since and not started:
            continue
        number = period_of(ts[i], session) if session >= 0 else 0
        if not started or number != now:
            money = amount = 0.0
            now = number
            started = True
        typical = (high[i] + low[i] + close[i]) / 3.0
        money += typical * volume[i]
        amount += volume[i]
        out[i] = typical if amount == 0.0 else money / amount
    return 0


@indicator(warmup=lambda session: MINUTES[session], exact=lambda session: MINUTES[session], session=_SESSION)
def vwap(
    ts: NDArray[np.int64], high: Floats, low: Floats, close: Floats, volume: Floats, session: str = "day"
) -> Floats:
    """Return the volume-weighted average price since the session began, this bar included.

    The sum of `volume (high + low + close) / 3` over that of the volume. In the unit of the prices; the bar's
    own typical price while nothing has been traded; NaN from a NaN on, until the next session. A session is a
    day, week (from Monday) or month in UTC, and belongs to the bars that open in it. The warm-up is a whole
    session of one-minute bars.

    >>> import numpy as np
    >>> day = 86_400_000 * np.array([0, 0, 1]) + np.array([0, 60_000, 0])
    >>> x = np.array([1.0, 3.0, 5.0])
    >>> vwap(day, x, x, x, np.array([1.0, 3.0, 2.0]))
    array([1. , 2.5, 5. ])
    """
    out = np.empty(len(ts))
    _vwap(ts, high, low, close, volume, PERIODS[session], _ALWAYS, out)
    return out


@indicator(
    warmup=None,
    exact=None,
    since=within(-1e15, 1e15, "open time of the first bar, in ms UTC; bars before it have no value"),
)
def anchored_vwap(
    ts: NDArray[np.int64], high: Floats, low: Floats, close: Floats, volume: Floats, since: int = 0
) -> Floats:
    """Return the volume-weighted average price since an instant, `since` (ms UTC), this bar included.

    The sum of `volume (high + low + close) / 3` over that of the volume, of the bars that open at `since` or
    later; 0, the default, means all of them. In the unit of the prices; NaN before `since` and from a NaN on;
    the bar's own typical price while nothing has been traded. It needs the history since then.

    >>> import numpy as np
    >>> x = np.array([1.0, 3.0, 5.0])
    >>> anchored_vwap(np.arange(3) * 60_000, x, x, x, np.array([1.0, 3.0, 1.0]), 60_000)
    array([nan, 3. , 3.5])
    """
    out = np.empty(len(ts))
    _vwap(ts, high, low, close, volume, -1, since, out)
    return out


# Before every instant a candle can have.
_ALWAYS = -(2**62)


@kernel
def _bands(
    ts: Ints, high: Floats, low: Floats, close: Floats, volume: Floats, session: int, deviations: float,
    upper: Floats, middle: Floats, lower: Floats,
) -> int:  # fmt: skip
    mean = amount = spread = 0.0
    now = 0
    for i in range(len(ts)):
        number = period_of(ts[i], session)
        if i == 0 or number != now:
            mean = amount = spread = 0.0
            now = number
        typical = (high[i] + low[i] + close[i]) / 3.0
        amount += volume[i]
        if amount == 0.0:
            upper[i] = middle[i] = lower[i] = typical
            continue
        # West's recurrence: the deviation does not drown in the square of the price.
        off = typical - mean
        mean += off * (volume[i] / amount)
        spread += volume[i] * off * (typical - mean)
        away = deviations * math.sqrt(spread / amount) if not spread < 0.0 else 0.0
        upper[i] = mean + away
        middle[i] = mean
        lower[i] = mean - away
    return 0


@indicator(
    outputs=(Output("vwap_bands_upper"), Output("vwap_bands_middle"), Output("vwap_bands_lower")),
    warmup=lambda session, deviations: MINUTES[session],  # noqa: ARG005 (called with all parameters)
    exact=lambda session, deviations: MINUTES[session],  # noqa: ARG005
    session=_SESSION,
    deviations=within(0.1, 20.0, "standard deviations from the middle"),
)
def vwap_bands(
    ts: NDArray[np.int64], high: Floats, low: Floats, close: Floats, volume: Floats,
    session: str = "day", deviations: float = 2.0,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return the session's VWAP and that many volume-weighted standard deviations above and below it.

    Upper, middle, lower, in the unit of the prices; edge rules as of `vwap`, the three equal while nothing
    has been traded. The deviation is that of (high + low + close) / 3 of the session so far, weighted by
    volume.

    >>> import numpy as np
    >>> x = np.array([1.0, 3.0])
    >>> [float(line[-1]) for line in vwap_bands(np.array([0, 60_000]), x, x, x, np.ones(2))]
    [4.0, 2.0, 0.0]
    """
    upper, middle, lower = np.empty((3, len(ts)))
    _bands(ts, high, low, close, volume, PERIODS[session], deviations, upper, middle, lower)
    return upper, middle, lower
