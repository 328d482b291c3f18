"""How large a move or a volume is beside the bars before it: plain windows, so that no history shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from cryptai.kernels import part

if TYPE_CHECKING:
    from cryptai.kernels import Floats

# Wilder's own window, here as a plain mean; and a month of trading days for volume.
TRUE_RANGES: Final = 14
VOLUMES: Final = 20
# Bars a figure of a bar may look back to, that bar included: a true range needs the close before it.
MEASURED: Final = 21


@part
def mean_true_range(high: Floats, low: Floats, close: Floats, t: int) -> float:
    """Return the mean true range of the 14 bars up to `t`, or of all there are; the first is high - low."""
    first = max(0, t - 13)
    total = 0.0
    for i in range(first, t + 1):
        top, bottom = high[i], low[i]
        if i > 0:
            top, bottom = max(top, close[i - 1]), min(bottom, close[i - 1])
        total += top - bottom
    return total / (t + 1 - first)


@part
def in_true_ranges(size: float, high: Floats, low: Floats, close: Floats, t: int) -> float:
    """Return a size in mean true ranges at `t`; NaN where nothing has moved."""
    unit = mean_true_range(high, low, close, t)
    return size / unit if unit > 0.0 else math.nan


@part
def relative_volume(volume: Floats, t: int) -> float:
    """Return the volume at `t` over the mean of the 20 bars before, or of all there are; NaN over nothing."""
    first = max(0, t - 20)
    total = 0.0
    for i in range(first, t):
        total += volume[i]
    return volume[t] * (t - first) / total if total > 0.0 else math.nan
