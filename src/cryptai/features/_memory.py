"""How long a recursive average remembers: the bars after which where it began no longer shows."""

from __future__ import annotations

import math

# What is left of the beginning: under 1e-9, with room for a beginning far off.
_FORGOTTEN = math.log(1e-11)
# To the bit: under half a unit of the last place, and then until rounding has merged the two.
_MERGED = math.log(1e-24)


def ewm_bars(period: int, *, bitwise: bool = False) -> int:
    """Return the bars an exponential average of weight `2 / (period + 1)` needs, its seed included."""
    return period + _bars(2.0 / (period + 1.0), bitwise=bitwise)


def wilder_bars(period: int, *, bitwise: bool = False) -> int:
    """Return the bars Wilder's average of weight `1 / period` needs, its seed included."""
    return period + 1 + _bars(1.0 / period, bitwise=bitwise)


def _bars(weight: float, *, bitwise: bool) -> int:
    if weight >= 1.0:
        return 1
    return math.ceil((_MERGED if bitwise else _FORGOTTEN) / math.log1p(-weight))
