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

    from numpy.typing import NDArray

    from cryptai.kernels import Floats, Ints

WIDTH: Final = 4
"""How many wait together."""


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


@part
def _four(
    close: Floats, a: int, b: int, c: int, d: int, of_a: Floats, of_b: Floats, of_c: Floats, of_d: Floats
) -> None:
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


@kernel
def _emas(close: Floats, periods: Ints, slots: Ints, room: Floats) -> int:
    n, last = len(close), len(periods) - 1
    for a in range(0, len(periods), WIDTH):
        # Fewer than four: the last one is computed again, into the same place.
        b, c, d = min(a + 1, last), min(a + 2, last), min(a + 3, last)
        at_a, at_b, at_c, at_d = slots[a] * n, slots[b] * n, slots[c] * n, slots[d] * n
        _four(
            close, periods[a], periods[b], periods[c], periods[d], room[at_a : at_a + n],
            room[at_b : at_b + n], room[at_c : at_c + n], room[at_d : at_d + n],
        )  # fmt: skip
    return 0


def emas(close: Floats, periods: Sequence[int], rows: NDArray[np.float64], slots: Sequence[int]) -> None:
    """Write the EMA of each period into its slot, bit for bit as `cryptai.features.averages.ema` gives it.

    Parameters
    ----------
    close
        Those of candles: contiguous, and never NaN.
    periods
        One or more, of 2 bars or more, none longer than `close`.
    rows, slots
        Contiguous rows as long as `close`, and the one of them that each period has for itself.
    """
    _emas(close, np.array(periods, np.int64), np.array(slots, np.int64), rows.reshape(-1))
