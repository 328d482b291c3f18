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


def wilder_average_bars(period: int, *, bitwise: bool = False) -> int:
    """Return the bars of Wilder's average of the prices themselves: one less than of their changes."""
    return wilder_bars(period, bitwise=bitwise) - 1


def kaufman_bars(period: int) -> int:
    """Return the bars Kaufman's adaptive average needs where it forgets slowest: weight `(2 / 31) ** 2`."""
    return period + 1 + _bars((2.0 / 31.0) ** 2, bitwise=False)


def last_bars(period: int, **_: object) -> int:
    """Return the memory of a window: its `period` bars, whatever the other parameters."""
    return period


def last_changes(period: int, **_: object) -> int:
    """Return the memory of a window of `period` changes: one bar more."""
    return period + 1


def heikin_ashi_bars(*, bitwise: bool = False) -> int:
    """Return the bars of Heikin-Ashi's open, which takes half of the one before."""
    return 1 + _bars(0.5, bitwise=bitwise)


def _bars(weight: float, *, bitwise: bool) -> int:
    if weight >= 1.0:
        return 1
    return math.ceil((_MERGED if bitwise else _FORGOTTEN) / math.log1p(-weight))
