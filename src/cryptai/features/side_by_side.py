"""Averages of many periods over the same closes, computed side by side: what a search needs most.

Each row of an average waits for the one before it, and the processor with it; four of them wait together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._rolling import mean_of
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.kernels import Floats

WIDTH: Final = 4
"""How many are computed at once."""


@part
def _begun(close: Floats, until: int, period: int, out: Floats) -> float:
    # Write the rows before `until`; return the average of the last one.
    out[: period - 1] = np.nan
    average = mean_of(close, 0, period - 1)
    out[period - 1] = average
    weight = 2.0 / (period + 1.0)
    for i in range(period, until):
        average += (close[i] - average) * weight
        out[i] = average
    return average


@kernel
def _four_emas(
    close: Floats, a: int, b: int, c: int, d: int, of_a: Floats, of_b: Floats, of_c: Floats, of_d: Floats
) -> int:
    first = max(a, b, c, d)
    x, y = _begun(close, first, a, of_a), _begun(close, first, b, of_b)
    z, w = _begun(close, first, c, of_c), _begun(close, first, d, of_d)
    weigh_x, weigh_y, weigh_z, weigh_w = 2.0 / (a + 1.0), 2.0 / (b + 1.0), 2.0 / (c + 1.0), 2.0 / (d + 1.0)
    rows, to_a, to_b, to_c, to_d = close[first:], of_a[first:], of_b[first:], of_c[first:], of_d[first:]
    for i in range(len(rows)):
        price = rows[i]
        x += (price - x) * weigh_x
        y += (price - y) * weigh_y
        z += (price - z) * weigh_z
        w += (price - w) * weigh_w
        to_a[i], to_b[i], to_c[i], to_d[i] = x, y, z, w
    return 0


def emas(close: Floats, periods: Sequence[int], rooms: Sequence[Floats]) -> None:
    """Write the EMA of each period into its room, bit for bit as `cryptai.features.averages.ema` gives it.

    Parameters
    ----------
    close
        Those of candles: contiguous, and never NaN.
    periods, rooms
        At most `WIDTH` of them, of 2 bars or more, none longer than `close`; rooms are as long as it.
    """
    # Fewer than four: the last one is computed again, into the same room.
    more = WIDTH - len(periods)
    _four_emas(close, *periods, *[periods[-1]] * more, *rooms, *[rooms[-1]] * more)
