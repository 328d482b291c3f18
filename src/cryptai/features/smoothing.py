"""The Nadaraya-Watson envelope in its end-point form: nothing is smoothed from the future."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.kernels import Floats


@kernel
def _envelope(
    close: Floats, weights: Floats, period: int, multiplier: float,
    missed: Floats, upper: Floats, middle: Floats, lower: Floats,
) -> int:  # fmt: skip
    n = len(weights)
    whole = n - n % 4
    total = 0.0
    for k in range(n):
        total += weights[k]
    for i in range(len(close)):
        upper[i] = middle[i] = lower[i] = missed[i] = np.nan
        if i < n - 1:
            continue
        # Four sums at once: one after the other, each addition would wait for the one before.
        a = b = c = d = 0.0
        for k in range(0, whole, 4):
            a += weights[k] * close[i - k]
            b += weights[k + 1] * close[i - k - 1]
            c += weights[k + 2] * close[i - k - 2]
            d += weights[k + 3] * close[i - k - 3]
        for k in range(whole, n):
            a += weights[k] * close[i - k]
        middle[i] = ((a + b) + (c + d)) / total
        missed[i] = abs(close[i] - middle[i])
        first = i - period + 1
        if first < n - 1:
            continue
        a = b = c = d = 0.0
        even = first + period - period % 4
        for j in range(first, even, 4):
            a += missed[j]
            b += missed[j + 1]
            c += missed[j + 2]
            d += missed[j + 3]
        for j in range(even, i + 1):
            a += missed[j]
        away = multiplier * ((a + b) + (c + d)) / period
        upper[i] = middle[i] + away
        lower[i] = middle[i] - away
    return 0


def _kernel_bars(bandwidth: float, period: int) -> int:
    # Beyond, a close would weigh less than exp(-40) of the newest: nothing, beside its rounding.
    return min(period, math.ceil(bandwidth * math.sqrt(80.0)))


def _memory(bandwidth: float, period: int, **_: object) -> int:
    return _kernel_bars(bandwidth, period) + period - 1


@indicator(
    outputs=(
        Output("nadaraya_watson_upper"), Output("nadaraya_watson_middle"), Output("nadaraya_watson_lower"),
    ),
    warmup=_memory,
    exact=_memory,
    bandwidth=within(0.5, 1_000.0, "bars; the deviation of the Gaussian weights"),
    multiplier=within(0.1, 100.0, "mean absolute errors from the middle"),
    period=within(4, 10_000, "bars the errors are averaged over, and the most the weights reach back"),
)  # fmt: skip
def nadaraya_watson(
    close: Floats, bandwidth: float = 8.0, multiplier: float = 3.0, period: int = 500
) -> tuple[Floats, Floats, Floats]:
    """Return the Nadaraya-Watson envelope, end-point form: upper, middle, lower.

    The middle at a bar is the mean of the closes up to it, the one k bars before with weight
    `exp(-k^2 / (2 bandwidth^2))`, while that is above `exp(-40)` and k is below `period`. The others stand
    `multiplier` times the mean of |close - middle| of the last `period` bars away. It is the form that does
    not repaint: the well-known smooth picture recomputes its past from later closes, and no one saw it then.
    In the unit of `close`; the middle is NaN before its first whole window of weights, the others for
    `period - 1` rows more, and all while a NaN is in the window. E. A. Nadaraya, G. S. Watson, 1964;
    LuxAlgo's envelope with repainting off.

    >>> import numpy as np
    >>> [round(float(line[-1]), 6) for line in nadaraya_watson(np.arange(12.0), 0.5, 1.0, 4)]
    [11.0, 10.880241, 10.760483]
    """
    reach = np.arange(_kernel_bars(bandwidth, period))
    weights = np.exp(-(reach**2) / (2.0 * bandwidth**2))
    missed, upper, middle, lower = np.empty((4, len(close)))
    _envelope(close, weights, period, multiplier, missed, upper, middle, lower)
    return upper, middle, lower
