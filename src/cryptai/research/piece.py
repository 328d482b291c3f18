"""A piece: whatever reads candles, made alike, so that one bench judges indicator, structure, strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryptai.features.events import FIGURES, Events
from cryptai.features.higher import compute_at, memory_at
from cryptai.features.indicator import Indicator
from cryptai.research.company import company
from cryptai.signals import COLUMNS
from cryptai.strategies.strategy import values_of
from cryptai.trading.decisions import decided, decided_many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from cryptai.features.feature import Feature
    from cryptai.market.candles import Candles
    from cryptai.signals import Signals
    from cryptai.strategies.strategy import Strategy


class Reading(NamedTuple):
    """What a piece said over some candles.

    `known` is the row of the bar at whose close each row of the columns became known, rising; None where
    row t belongs to bar t.
    """

    columns: dict[str, NDArray[Any]]
    known: NDArray[np.int64] | None = None

    def rows(self, bars: int) -> int:
        """Return how many rows were known after the first `bars` bars."""
        return bars if self.known is None else int(np.searchsorted(self.known, bars))


@dataclass(frozen=True)
class Piece:
    """One thing under test.

    Attributes
    ----------
    name, kind
        `kind` is `indicator`, `structure` or `strategy`.
    read
        Candles in, what it says out.
    parameters
        What it was made with, for the report.
    warmup, exact
        As a feature declares them for these parameters (see `cryptai.features.feature.Feature`); None where
        nothing is declared, or the whole history is needed.
    made
        The strategy, or the feature.
    """

    name: str
    kind: str
    read: Callable[[Candles], Reading]
    parameters: Mapping[str, Any]
    warmup: int | None = None
    exact: int | None = None
    made: Any = None


def of_feature(
    feature: Feature, given: Mapping[str, Any] | None = None, *, on: tuple[str, str] | None = None
) -> Piece:
    """Return an indicator or a structure as a piece; `given` are parameters as a person gives them.

    `on` (such as `("1h", "4h")`) is for candles of the first timeframe, with the feature on the second.
    """
    values: dict[str, Any] = feature.read(given or {})
    kind = "indicator" if isinstance(feature, Indicator) else "structure"
    made: Any = feature

    def read(candles: Candles) -> Reading:
        found = compute_at(feature, candles, on[1], **values) if on else made.of(candles, **values)
        if not isinstance(found, Events):
            return Reading({name: np.asarray(column) for name, column in found.items()})
        columns = {name: getattr(found, name) for name in ("at", "kind", "direction", *FIGURES)}
        return Reading({"known_at": found.known_at, **columns}, found.known_bar)

    if on:
        name = f"{feature.name} on {on[1]}"
        warmup, exact = (memory_at(feature, *on, bitwise=bits, **values) for bits in (False, True))
    else:
        name = feature.name
        warmup, exact = (feature.warmup_bars(bitwise=bits, **values) for bits in (False, True))
    return Piece(name, kind, read, {**feature.defaults, **values}, warmup, exact, feature)


def of_strategy(strategy: Strategy) -> Piece:
    """Return a strategy as a piece: decisions, conviction where it has one, memory where it declares it.

    What it needs besides, and other markets for one over several, is made of the candles
    (`cryptai.research.company`); decisions of those markets are columns, too.
    """

    def read(candles: Candles) -> Reading:
        markets = company(strategy, candles)
        together = [decided(strategy, markets[0])] if len(markets) == 1 else decided_many(strategy, markets)
        columns = _columns(together[0])
        for number, (market, signals) in enumerate(zip(markets, together, strict=True), start=1):
            if number > 1:
                rows = np.searchsorted(candles.ts, market.ts)
                for name, column in _columns(signals).items():
                    columns[f"market {number}, {name}"] = _on(rows, column, len(candles))
        if hasattr(strategy, "score"):
            columns["score"] = np.asarray(strategy.score(markets[0]), np.float64)
        return Reading(columns)

    declared: Any = getattr(strategy, "memory", None)
    # A memory depends on the timeframe where a strategy looks at the one above; these are the bench's.
    warmup = None if declared is None else max(int(declared(frame)) for frame in ("1h", "4h"))
    return Piece(strategy.name, "strategy", read, values_of(strategy), warmup, made=strategy)


def _columns(signals: Signals) -> dict[str, NDArray[Any]]:
    said = {name: getattr(signals, name) for name in COLUMNS}
    found = {f"signals.{name}": column for name, column in said.items() if column is not None}
    return {"entry": signals.entry, "exits": signals.exits, **found}


def _on(rows: NDArray[np.int64], column: NDArray[Any], bars: int) -> NDArray[Any]:
    # A market may lack bars that the one under test has.
    found = np.full(bars, np.nan if column.dtype.kind == "f" else 0, column.dtype)
    found[rows] = column
    return found
