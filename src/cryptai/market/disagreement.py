"""Where sources contradict each other: a stored bar that one source brought and another one corrected."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import DataError
from cryptai.market.candles import COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.market.revisions import Revision
    from cryptai.market.spans import Span
    from cryptai.market.store import CandleStore

PRICES: Final = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Conflict:
    """Bars of which two sources said different things; both versions are kept, the later one stands.

    Attributes
    ----------
    before, after
        Who said it first and who then, "unknown" where a writer did not tell.
    bars
        How many bars.
    first_ts
        Open time of the first of them, ms UTC.
    largest
        The largest difference of a price, as a fraction of the price that stands; 0.0 where volumes differ.
    """

    before: str
    after: str
    bars: int
    first_ts: int
    largest: float


def conflicts(store: CandleStore, exchange: str, symbol: str, timeframe: str) -> tuple[Conflict, ...]:
    """Return the contradictions between sources in one stored series, by the pair of sources.

    A source that corrects itself is not among them. Only writes that reach into what another source brought
    before are read again, so a series of one source costs no reading at all.
    """
    revisions = store.revisions(exchange, symbol, timeframe)
    if len({one.source for one in revisions}) < 2:
        return ()
    found: dict[tuple[str, str], _Found] = {}
    extents: dict[str, Span] = {}
    for place, late in enumerate(revisions):
        name = _name(late)
        if any(
            other != name and first <= late.last_ts and late.first_ts <= last
            for other, (first, last) in extents.items()
        ):
            changed = partial(
                store.read, exchange, symbol, timeframe, start_ms=late.first_ts, end_ms=late.last_ts + 1
            )
            after = changed(as_of_ms=late.written_at_ms)
            # Written in one millisecond with the first bars of all: there is no moment before it.
            with suppress(DataError):
                before = changed(as_of_ms=late.written_at_ms - 1)
                _compare(before, after, revisions[:place], name, found)
        first, last = extents.get(name, (late.first_ts, late.last_ts))
        extents[name] = min(first, late.first_ts), max(last, late.last_ts)
    return tuple(
        Conflict(*pair, len(one.times), min(one.times), one.largest) for pair, one in sorted(found.items())
    )


@dataclass
class _Found:
    times: set[int] = field(default_factory=set)
    largest: float = 0.0


def _compare(
    before: Candles, after: Candles, earlier: list[Revision], name: str, found: dict[tuple[str, str], _Found]
) -> None:
    ts, old, new = np.intersect1d(before.ts, after.ts, assume_unique=True, return_indices=True)
    changed = np.zeros(len(ts), bool)
    for column in COLUMNS[1:]:
        changed |= getattr(before, column)[old] != getattr(after, column)[new]
    apart = apart_of(before, old, after, new)
    owner = np.full(len(ts), -1)
    names = sorted({_name(one) for one in earlier})
    for one in earlier:
        owner[(ts >= one.first_ts) & (ts <= one.last_ts)] = names.index(_name(one))
    for i, other in enumerate(names):
        rows = changed & (owner == i)
        if other != name and rows.any():
            pair = found.setdefault((other, name), _Found())
            pair.times.update(ts[rows].tolist())
            pair.largest = max(pair.largest, float(apart[rows].max()))


def apart_of(
    one: Candles, here: NDArray[np.int64], other: Candles, there: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how far the prices of paired bars are apart, as a fraction of `other`'s: one number a pair.

    `here` and `there` are the rows of the pairs; of a bar's four prices the one farthest apart counts.
    """
    apart = np.zeros(len(here))
    for column in PRICES:
        stands = getattr(other, column)[there]
        apart = np.maximum(apart, np.abs(getattr(one, column)[here] - stands) / stands)
    return apart


def _name(revision: Revision) -> str:
    return revision.source or "unknown"
