"""Prices as the command prints them: in the instrument's own precision, never as a power of ten."""

from __future__ import annotations

import math
from typing import Final

_FIGURES: Final = 6
_MOST: Final = 10


def price(value: float, beside: float | None = None) -> str:
    """Return a price with two decimals at least; a small one with six figures, as those of one `beside` it.

    >>> price(30639.14), price(1_234_567.89), price(0.00001234), price(0.0000113, 0.00001234)
    ('30639.14', '1234567.89', '0.0000123400', '0.0000113000')
    """
    of = abs(value if beside is None else beside)
    decimals = _FIGURES - 1 - math.floor(math.log10(of)) if of > 0.0 and math.isfinite(of) else 2
    return f"{value:.{min(_MOST, max(2, decimals))}f}"
