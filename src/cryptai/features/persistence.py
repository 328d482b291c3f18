"""Persistence: whether moves go on (above a half) or turn back (below)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._memory import last_changes
from cryptai.features._rolling import log_ratio, mean_of, squares_about
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.kernels import Floats

# Shorter pieces say little, more than 32 of them nothing new.
_SHORTEST, _MOST = 8, 32


@kernel
def _hurst(
    close: Floats, period: int, biases: Floats, steps: Floats, plain: Floats, corrected: Floats
) -> int:
    n = len(close)
    for i in range(n):
        steps[i] = log_ratio(close[i], close[i - 1]) if i > 0 else np.nan
    for i in range(n):
        plain[i] = corrected[i] = np.nan
        if i < period:
            continue
        levels = len(biases)
        sum_x = sum_xx = sum_y = sum_xy = sum_z = sum_xz = 0.0
        for level in range(levels):
            pieces = 1 << level
            size = period // pieces
            total = 0.0
            for piece in range(pieces):
                first = i + 1 - (pieces - piece) * size
                mean = mean_of(steps, first, first + size - 1)
                deviation = math.sqrt(squares_about(steps, first, first + size - 1, mean) / size)
                walk = 0.0
                top = -np.inf
                bottom = np.inf
                for j in range(first, first + size):
                    walk += steps[j] - mean
                    top = max(top, walk)
                    bottom = min(bottom, walk)
                # Below its own rounding a piece has not moved, and has no ratio.
                total += (top - bottom) / deviation if deviation > 1e-15 else np.nan
            x = math.log(float(size))
            y = log_ratio(total, float(pieces))
            z = log_ratio(total / pieces + biases[level], 1.0)
            sum_x += x
            sum_xx += x * x
            sum_y += y
            sum_xy += x * y
            sum_z += z
            sum_xz += x * z
        under = levels * sum_xx - sum_x * sum_x
        plain[i] = (levels * sum_xy - sum_x * sum_y) / under
        corrected[i] = (levels * sum_xz - sum_x * sum_z) / under
    return 0


@indicator(
    outputs=(Output("hurst", "ratio"), Output("hurst_corrected", "ratio")),
    pane="below",
    guides=(0.5,),
    warmup=last_changes,
    exact=last_changes,
    period=within(16, 10_000, "changes in the window"),
)
def hurst(close: Floats, period: int = 100) -> tuple[Floats, Floats]:
    """Return the Hurst exponent of the last `period` log returns by rescaled range, plain and corrected.

    The window is cut, from its newest end, into 1, 2, 4, … up to 32 equal pieces of at least 8 changes; R/S
    of a piece is the range of its running sum about its mean over its (population) deviation. The exponent is
    the slope of log(mean R/S) against log(size). A random walk gives about 0.6 in so short a window: the
    corrected one adds `sqrt(pi n / 2) - E[R/S]` of Anis and Lloyd (Biometrika 1976) to each mean first, and
    gives a half. Both NaN on the first `period` rows, where a price is not above zero or a piece has not
    moved, and while a NaN is in the window.

    >>> import numpy as np
    >>> close = np.exp(np.cumsum(np.where(np.arange(65) % 2, 0.01, -0.011)))
    >>> [round(float(line[-1]), 4) for line in hurst(close, 64)]
    [0.0, 0.0339]
    """
    levels = max(level for level in range(6) if period >> level >= _SHORTEST and 1 << level <= _MOST)
    sizes = [period // (1 << level) for level in range(levels + 1)]
    biases = np.array([math.sqrt(math.pi * size / 2.0) - _expected(size) for size in sizes])
    steps, plain, corrected = np.empty((3, len(close)))
    _hurst(close, period, biases, steps, plain, corrected)
    return plain, corrected


def _expected(size: int) -> float:
    # Anis and Lloyd's mean of R/S for independent normal changes.
    gamma = math.exp(math.lgamma((size - 1) / 2.0) - math.lgamma(size / 2.0)) / math.sqrt(math.pi)
    return gamma * math.fsum(math.sqrt((size - r) / r) for r in range(1, size))
