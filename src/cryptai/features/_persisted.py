"""How often a call lasted: the share of equal calls, lately, that still stood some bars later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.kernels import Floats, Ints

CODES: Final = 5
BINS: Final = 4


@part
def _count(code: Floats, depth: Floats, call: int, horizon: int, sign: int, counts: Ints) -> int:
    # Of each code and depth: how many calls, and how many of them lasted. Whole numbers add without rounding,
    # so nothing of what has left the window remains.
    if call < 0 or np.isnan(code[call]) or np.isnan(code[call + horizon]):
        return 0
    place = (int(code[call]) - 1) * 4 + int(min(3.0, max(0.0, depth[call] * 4.0)))
    counts[2 * place] += sign
    if code[call + horizon] == code[call]:
        counts[2 * place + 1] += sign
    return 1


@kernel
def _persisted(
    code: Floats, depth: Floats, horizon: int, memory: int, weight: float, counts: Ints, out: Floats
) -> int:
    for t in range(len(code)):
        _count(code, depth, t - horizon, horizon, 1, counts)
        _count(code, depth, t - horizon - memory, horizon, -1, counts)
        out[t] = np.nan
        if np.isnan(code[t]):
            continue
        called = lasted = 0
        for place in range(20):
            called += counts[2 * place]
            lasted += counts[2 * place + 1]
        if called == 0:
            continue
        share = lasted / called
        row = (int(code[t]) - 1) * 4
        called = lasted = 0
        for place in range(row, row + 4):
            called += counts[2 * place]
            lasted += counts[2 * place + 1]
        share = (lasted + weight * share) / (called + weight)
        place = row + int(min(3.0, max(0.0, depth[t] * 4.0)))
        out[t] = (counts[2 * place + 1] + weight * share) / (counts[2 * place] + weight)
    return 0


def persisted(
    code: NDArray[np.float64], depth: NDArray[np.float64], horizon: int, memory: int
) -> NDArray[np.float64]:
    """Return, for each bar's code (1 to 5), how often such a call still stood `horizon` bars later.

    Counted are the `memory` calls whose outcome is known at that bar, by code and by how deep in it they were
    (`depth`, 0 to 1, in quarters); where few are of the kind, the share of the code, and of all, stand in
    for it, as if each were `10 * horizon` calls (neighbours share most of their future). NaN where the
    code is NaN, and until an outcome is known.
    """
    out = np.empty(len(code))
    counts = np.zeros(2 * CODES * BINS, np.int64)
    _persisted(code, depth, horizon, memory, 10.0 * horizon, counts, out)
    return out
