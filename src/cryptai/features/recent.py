"""A feature over the newest bars of a stored market, as the whole history would give it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.features.events import Events, Structure
from cryptai.features.indicator import Indicator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.features.feature import Feature
    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.parameters import Value


@dataclass(frozen=True)
class Reading:
    """What a feature says over some bars: `columns` of an indicator, or the `events` of a structure."""

    candles: Candles
    columns: dict[str, NDArray[np.float64]]
    events: Events | None


def recent(
    store: CandleStore,
    exchange: str,
    symbol: str,
    timeframe: str,
    feature: Feature,
    parameters: dict[str, Value],
    *,
    bars: int,
    before_ms: int | None = None,
) -> Reading:
    """Return a feature over the last `bars` stored bars that open before an instant (None: all there are).

    Read are these and the warm-up to the bit before them; the whole history where the feature depends on it.
    Of a structure: every event that became known in these bars, and the births and lives of what was still
    alive when they began; its rows are those of a longer history, so tell times, not rows.

    Raises
    ------
    DataError
        If nothing at all is stored for the market.
    """
    memory = feature.warmup_bars(bitwise=True, **parameters)
    last = None if memory is None else bars + memory
    wide = store.read(exchange, symbol, timeframe, end_ms=before_ms, last=last)
    first = max(0, len(wide) - bars)
    if isinstance(feature, Indicator):
        found = feature.of(wide, **parameters)
        return Reading(wide[first:], {name: column[first:] for name, column in found.items()}, None)
    assert isinstance(feature, Structure)  # noqa: S101 (a feature is one or the other)
    return Reading(wide[first:], {}, in_view(feature.of(wide, **parameters), first))


def in_view(events: Events, first: int) -> Events:
    """Return the events known from row `first` on, and those before that belong to something alive then."""
    fresh = events.known_bar >= first
    roles = np.array([kind.role for kind in events.kinds], dtype=object)
    if not len(events):
        return events
    role, ids = roles[events.kind], events.id
    born, ended = ids[~fresh & (role == "born")], ids[~fresh & (role == "end")]
    alive = np.setdiff1d(born, ended)
    return events[fresh | np.isin(ids, alive)]


def as_rows(events: Events) -> list[dict[str, Any]]:
    """Return events as objects for JSON.

    Times are in ms UTC, `known` is the open of the bar that told, None stands for NaN.
    """
    known = events.ts[events.known_bar]
    table = {**events.table(), "known": known}
    del table["at_bar"], table["known_bar"]
    lists = {name: _plain(column.tolist()) for name, column in table.items()}
    roles = [events.kinds[kind].role for kind in events.kind.tolist()]
    draws = [events.kinds[kind].draw for kind in events.kind.tolist()]
    return [
        {**dict(zip(lists, row, strict=True)), "role": role, "draw": draw}
        for row, role, draw in zip(zip(*lists.values(), strict=True), roles, draws, strict=True)
    ]


def _plain(values: list[Any]) -> list[Any]:
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
