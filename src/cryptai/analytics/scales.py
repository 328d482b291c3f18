"""What every picture of numbers needs: round marks beside it, and no more points than it can show."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def round_levels(low: float, high: float, about: int) -> list[float]:
    """Return round values (1, 2, 2.5 or 5 × a power of ten apart) inside a range, roughly that many.

    >>> round_levels(0.0, 1.0, 4), round_levels(1.0, 1.0, 4)
    ([0.0, 0.25, 0.5, 0.75, 1.0], [])
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or about < 1:
        return []
    raw = (high - low) / about
    power = math.floor(math.log10(raw))
    step = next(m * 10.0**power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * 10.0**power >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Two places more than its own: 3 × 0.1 is 0.3.
    return [round(k * step, 2 - power) for k in range(first, last + 1)]


def thinned(values: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return the rows to draw, `most` at most: of each stretch its lowest and highest, and both ends.

    Extremes survive, so the deepest fall is drawn as deep as it was.
    """
    n = len(values)
    if n <= most:
        return np.arange(n, dtype=np.int64)
    edges = np.linspace(0, n, max(1, (most - 2) // 2) + 1).astype(np.int64)
    kept = {0, n - 1}
    for start, end in pairwise(edges.tolist()):
        part = values[start:end]
        kept |= {int(start + part.argmin()), int(start + part.argmax())}
    return np.array(sorted(kept), dtype=np.int64)
