"""Cycles: John Ehlers' Hilbert transform, and the averages that follow the cycle it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from cryptai.kernels import Floats


@indicator(
    outputs=(Output("mama"), Output("mama_following")),
    warmup=None,
    exact=None,
    fast=within(0.01, 0.99, "the most that the newest close weighs"),
    slow=within(0.01, 0.99, "the least that the newest close weighs"),
)
def mama(close: Floats, fast: float = 0.5, slow: float = 0.05) -> tuple[Floats, Floats]:
    """Return the MESA adaptive moving average and the one that follows it (FAMA), half as fast.

    The newest close weighs `fast` over the change of phase in degrees, and no less than `slow`. In the unit
    of `close`; NaN on the first 32 rows, and from a NaN on. The phase comes from filters that feed on their
    own results, so it needs the whole history. John Ehlers, Rocket Science for Traders, 2001; TA-Lib's MAMA.

    >>> import numpy as np
    >>> [round(float(line[-1]), 3) for line in mama(np.full(300, 2.0))]
    [2.0, 2.0]
    """
    line, following = talib.MAMA(close, fast, slow)
    return line, following


@indicator(warmup=None, exact=None)
def hilbert_trendline(close: Floats) -> Floats:
    """Return Ehlers' instantaneous trendline: the mean over the dominant cycle, smoothed over four bars.

    In the unit of `close`; NaN on the first 63 rows; it needs the whole history, and a NaN leaves it wrong.
    John Ehlers, Rocket Science for Traders, 2001; TA-Lib's HT_TRENDLINE.

    >>> import numpy as np
    >>> float(hilbert_trendline(np.full(70, 2.0))[-1])
    2.0
    """
    return talib.HT_TRENDLINE(close)  # type: ignore[no-any-return]


@indicator(unit="bars", pane="below", warmup=None, exact=None)
def dominant_cycle(close: Floats) -> Floats:
    """Return the period, in bars, of the cycle that dominates the closes, 6 to 50.

    NaN on the first 32 rows, and from a NaN on; it needs the whole history, and means nothing where nothing
    moves. John Ehlers, Rocket Science for Traders, 2001; TA-Lib's HT_DCPERIOD.

    >>> import numpy as np
    >>> round(float(dominant_cycle(100.0 + np.sin(np.arange(300) * 2 * np.pi / 20))[-1]), 1)
    20.0
    """
    return talib.HT_DCPERIOD(close)  # type: ignore[no-any-return]
