"""The causality bench: nothing that was said may change when more bars come, and no bar may be missed.

Three questions, each answered with the first bar that shows otherwise:

- `first_rewritten`: is what was said after n bars what the whole history says of them, bit for bit, at
  every cut n? And does the same question get the same answer twice, whatever was asked between?
- `first_unlike_live`: does a live session, which keeps only the bars that were declared to be enough, say at
  each new bar what the whole history says of it?
- `bars_needed`: how many bars are enough, where too few were declared or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.errors import InputError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.research.series import mirrored

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from cryptai.research.piece import Piece, Reading

TOLERANCE: Final = 1e-9
_REPEATS: Final = 12
ABSENT: Final = "nothing"


class Offence(NamedTuple):
    """Where a piece was caught.

    `cut` bars were known when it said `old` of `column` at row `bar` (`ts` is that bar's open, ms UTC); asked
    again, it said `new`. `how` says in a few words what was done between.
    """

    cut: int
    column: str
    bar: int
    ts: int
    old: Any
    new: Any
    how: str


def first_rewritten(piece: Piece, candles: Candles, cuts: Iterable[int] | None = None) -> Offence | None:
    """Replay a piece at every cut (or at `cuts`, rising), and return the first reading that did not stay.

    Rows are held to the row, events to the close that made them known: one may appear later, none may change
    or vanish. Columns are compared by their bits.

    Raises
    ------
    InputError
        What the piece itself raises.
    """
    n = len(candles)
    at = sorted({cut for cut in (range(1, n + 1) if cuts is None else cuts) if 0 < cut <= n})
    # Whoever keeps answers by something else than the bars themselves meets other bars first.
    other = mirrored(candles)
    for cut in (n, n // 2, n // 3):
        piece.read(other[:cut])
    before = _bits_of(candles)
    said = {cut: _kept(piece.read(candles[:cut])) for cut in at}
    whole = _kept(piece.read(candles))
    for cut in at:
        found = _differing(said[cut], whole, cut, candles, "when more bars had come")
        if found:
            return found
    for cut in at[:: -max(1, len(at) // _REPEATS)]:
        again = _kept(piece.read(candles[:cut]))
        found = _differing(said[cut], again, cut, candles, "when asked again")
        if found:
            return found
    bars: dict[str, Any] = {name: getattr(candles, name) for name in COLUMNS}
    renamed = Candles(**bars, symbol="OTHER/USDT", timeframe=candles.timeframe)
    found = _differing(_kept(piece.read(renamed)), whole, n, candles, "under another market's name")
    if found:
        return found
    return _written_to(before, candles)


def first_unlike_live(
    piece: Piece, candles: Candles, window: int | None, cuts: Iterable[int], *, tolerance: float = 0.0
) -> Offence | None:
    """Return the first newest bar of which `window` bars of history say otherwise than all of them.

    None for a window is the whole history, one more bar at a time. With a `tolerance`, numbers may differ by
    that share of their column's largest magnitude.
    """
    whole = piece.read(candles)
    sizes = {name: _size(column) for name, column in whole.columns.items()} if tolerance else {}
    for cut in cuts:
        first = 0 if window is None else max(0, cut - window)
        part = piece.read(candles[first:cut])
        live = _newest(part, cut - first)
        full = _newest(whole, cut)
        for name, values in full.items():
            seen = live.get(name, values[:0])
            if len(seen) != len(values):
                return _offence(cut, name, cut - 1, candles, _first(seen), _first(values), _HOW)
            if _equal(seen, values, tolerance * sizes.get(name, 0.0)):
                continue
            row = next(i for i in range(len(values)) if not _equal(seen[i : i + 1], values[i : i + 1], 0.0))
            return _offence(cut, name, cut - 1, candles, seen[row], values[row], _HOW)
    return None


_HOW: Final = "with all bars instead of the last"


def bars_needed(
    piece: Piece, candles: Candles, cuts: Iterable[int], *, tolerance: float = TOLERANCE
) -> int | None:
    """Return the fewest bars (by halving) that give the newest bar's values; None if no window here does.

    It is what these candles show: others may need more.
    """
    tried = list(cuts)
    enough = max(1, len(candles) // 2)
    if not tried or first_unlike_live(piece, candles, enough, tried, tolerance=tolerance):
        return None
    short = 0
    while enough - short > max(1, enough // 64):
        middle = (short + enough) // 2
        if first_unlike_live(piece, candles, middle, tried, tolerance=tolerance):
            short = middle
        else:
            enough = middle
    return enough


class _Kept(NamedTuple):
    # Bytes, since a piece may go on writing into the arrays it handed out.
    columns: dict[str, bytes]
    dtypes: dict[str, np.dtype[Any]]
    known: NDArray[np.int64] | None


def _kept(reading: Reading) -> _Kept:
    columns = {name: np.ascontiguousarray(column) for name, column in reading.columns.items()}
    known = None if reading.known is None else np.array(reading.known, np.int64)
    if known is not None and len(known) and (np.diff(known) < 0).any():
        raise InputError("Events must come in the order in which they became known.")
    return _Kept(
        {name: column.tobytes() for name, column in columns.items()},
        {name: column.dtype for name, column in columns.items()},
        known,
    )


def _differing(old: _Kept, new: _Kept, cut: int, candles: Candles, how: str) -> Offence | None:
    """Compare what was said of the first `cut` bars with what is said of them now."""
    if set(old.columns) != set(new.columns):
        column = min(set(old.columns) ^ set(new.columns))
        return _offence(cut, column, 0, candles, sorted(old.columns), sorted(new.columns), how)
    rows = cut if new.known is None else int(np.searchsorted(new.known, cut))
    for name, was in old.columns.items():
        size = new.dtypes[name].itemsize
        now = new.columns[name][: rows * size]
        if old.dtypes[name] == new.dtypes[name] and was == now:
            continue
        seen, stands = _array(was, old.dtypes[name]), _array(now, new.dtypes[name])
        row = _first_difference(seen, stands)
        bar = _bar_of(old, new, row, cut)
        return _offence(cut, name, bar, candles, _at(seen, row), _at(stands, row), how)
    return None


def _array(text: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(text, dtype) if dtype.itemsize else np.empty(0, dtype)


def _first_difference(a: NDArray[Any], b: NDArray[Any]) -> int:
    n = min(len(a), len(b))
    if a.dtype != b.dtype:
        return 0
    size = a.dtype.itemsize
    unlike = (a[:n].view(np.uint8).reshape(n, size) != b[:n].view(np.uint8).reshape(n, size)).any(axis=1)
    return int(np.argmax(unlike)) if unlike.any() else n


def _bar_of(old: _Kept, new: _Kept, row: int, cut: int) -> int:
    if old.known is None or new.known is None:
        return row
    # An event that came or went shifts those after it: the earlier one of the two is where it shows.
    bars = [int(one[row]) for one in (old.known, new.known) if row < len(one)]
    return min([*bars, cut - 1])


def _offence(cut: int, column: str, bar: int, candles: Candles, old: Any, new: Any, how: str) -> Offence:
    row = min(max(bar, 0), len(candles) - 1)
    return Offence(cut, column, bar, int(candles.ts[row]), _plain(old), _plain(new), how)


def _written_to(before: dict[str, bytes], candles: Candles) -> Offence | None:
    for name, was in before.items():
        now = getattr(candles, name)
        if now.tobytes() != was:
            old = _array(was, now.dtype)
            row = _first_difference(old, now)
            how = "by being read: the piece wrote into its candles"
            return _offence(len(candles), name, row, candles, old[row], now[row], how)
    return None


def _bits_of(candles: Candles) -> dict[str, bytes]:
    return {name: getattr(candles, name).tobytes() for name in COLUMNS}


def _newest(reading: Reading, bars: int) -> dict[str, NDArray[Any]]:
    rows = slice(reading.rows(bars - 1), reading.rows(bars))
    return {name: np.asarray(column)[rows] for name, column in reading.columns.items()}


def _equal(a: NDArray[Any], b: NDArray[Any], slack: float) -> bool:
    if a.tobytes() == b.tobytes():
        return True
    if slack <= 0.0 or a.dtype.kind != "f" or b.dtype.kind != "f":
        return False
    with np.errstate(invalid="ignore"):
        near = (np.abs(a - b) <= slack) | (a == b)
    return bool((near | (np.isnan(a) & np.isnan(b))).all())


def _size(column: NDArray[Any]) -> float:
    if column.dtype.kind != "f":
        return 0.0
    finite = np.abs(column[np.isfinite(column)])
    return float(finite.max()) if len(finite) else 0.0


def _at(values: NDArray[Any], row: int) -> Any:
    return values[row] if row < len(values) else ABSENT


def _first(values: NDArray[Any]) -> Any:
    return values[0] if len(values) else ABSENT


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
