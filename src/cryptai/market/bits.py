"""Candles as plain bits, bar by bar for a row and column by column for a file, and laid over each other."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.market.candles import COLUMNS, Candles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from cryptai.market.timeframe import Timeframe

BAR_BYTES: Final = 8 * len(COLUMNS)
"""What one packed bar takes."""

_ONE: Final = Struct("<q5d")


def pack(candles: Candles) -> bytes:
    """Return the bars one after the other, six little-endian 64-bit values each."""
    if len(candles) == 1:  # a live minute of hundreds of markets is hundreds of these
        return _ONE.pack(*(getattr(candles, name)[0] for name in COLUMNS))
    return (
        np.stack([getattr(candles, name).view(np.int64) for name in COLUMNS], axis=1).astype("<i8").tobytes()
    )


def unpack(packed: Sequence[bytes], symbol: str, timeframe: Timeframe) -> Candles:
    """Return the bars of several packs in order of time; of a bar that comes twice, the later pack's."""
    bars = np.frombuffer(b"".join(packed), "<i8").reshape(-1, len(COLUMNS))
    if np.any(bars[1:, 0] <= bars[:-1, 0]):
        bars = bars[np.argsort(bars[:, 0], kind="stable")]
        bars = bars[np.r_[bars[1:, 0] != bars[:-1, 0], True]]
    return from_columns(np.ascontiguousarray(bars.T), symbol, timeframe)


def columns_of(candles: Candles) -> NDArray[np.int64]:
    """Return all columns as one array of 64-bit integers, a row each."""
    return np.stack([getattr(candles, name).view(np.int64) for name in COLUMNS])


def from_columns(bits: Iterable[NDArray[np.int64]], symbol: str, timeframe: Timeframe) -> Candles:
    """Return the bars of the rows `columns_of` makes, without a copy and without checking them again."""
    ts, *values = (np.asarray(row) for row in bits)
    columns: dict[str, Any] = dict(zip(COLUMNS, (ts, *(v.view(np.float64) for v in values)), strict=True))
    # They were checked when they came in, and are known by their digest since.
    return Candles._trusted(columns, symbol, timeframe)  # noqa: SLF001


def chosen(candles: Candles, rows: NDArray[np.bool_]) -> Candles:
    """Return the bars where `rows` is true."""
    columns = {name: getattr(candles, name)[rows] for name in COLUMNS}
    return Candles._trusted(columns, candles.symbol, candles.timeframe)  # noqa: SLF001 (some of checked bars)


def lay_over(below: Candles, above: Candles) -> Candles:
    """Return the bars of both, in order of time; where both have a bar, `above` counts."""
    if not len(above):
        return below
    if not len(below):
        return above
    lo, hi = np.searchsorted(below.ts, [above.ts[0], above.ts[-1] + 1])
    at = np.searchsorted(below.ts[lo:hi], above.ts)
    known = at < hi - lo
    known[known] = below.ts[lo:hi][at[known]] == above.ts[known]
    columns = {}
    for name in COLUMNS:
        old, new = getattr(below, name), getattr(above, name)
        middle = new
        if not known.all() or hi - lo != len(new):
            middle = old[lo:hi].copy()
            middle[at[known]] = new[known]
            middle = np.insert(middle, at[~known], new[~known])
        columns[name] = np.concatenate([old[:lo], middle, old[hi:]])
    return Candles._trusted(columns, below.symbol, below.timeframe)  # noqa: SLF001 (both are checked)
