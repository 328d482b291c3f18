"""Causal pieces drawn at random from what is registered: no bench may call one of them a liar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import InputError
from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.research.piece import Piece, Reading
from cryptai.research.series import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cryptai.features.feature import Feature
    from cryptai.market.candles import Candles

    Floats = NDArray[np.float64]

_DEPTH: Final = 3


def composition(seed: int) -> Piece:
    """Return one: two or three features, lagged, compared, joined, as a person writes rules."""
    random = np.random.default_rng([seed, 200])
    told: list[str] = []
    read = _tree(random, _DEPTH, told)
    return Piece(" ".join(told), "indicator", lambda c: Reading({"value": read(c)}), {})


def _tree(random: np.random.Generator, depth: int, told: list[str]) -> Callable[[Candles], Floats]:
    if depth == 0 or random.random() < 0.15:
        return _leaf(random, told)
    way = random.choice(["lag", "change", "highest", "above", "cross", "sum", "smooth"])
    told.append(str(way))
    bars = int(random.integers(1, 12))
    one = _tree(random, depth - 1, told)
    if way in ("above", "cross", "sum"):
        other = _tree(random, depth - 1, told)
        return lambda c: _joined(str(way), one(c), other(c))
    return lambda c: _alone(str(way), one(c), bars)


def _alone(way: str, values: Floats, bars: int) -> Floats:
    before = np.full(len(values), np.nan)
    before[bars:] = values[: max(len(values) - bars, 0)]
    if way == "lag":
        return before
    if way == "change":
        return np.asarray(values - before)
    padded = np.r_[np.full(bars, np.nan), values]
    windows = np.lib.stride_tricks.sliding_window_view(padded, bars + 1)
    if way == "highest":
        highest: Floats = np.fmax.reduce(windows, axis=1)
        return highest
    # A plain sum in a fixed order: how numpy adds may depend on where an array lies.
    total = np.zeros(len(values))
    for column in range(bars + 1):
        total = total + windows[:, column]
    return np.asarray(total / (bars + 1))


def _joined(way: str, a: Floats, b: Floats) -> Floats:
    if way == "sum":
        return a + b
    above = (a > b).astype(float)
    return above if way == "above" else np.diff(above, prepend=0.0)


def _leaf(random: np.random.Generator, told: list[str]) -> Callable[[Candles], Floats]:
    feature: Feature = features.get(str(random.choice(features.names())))
    given = _drawn(random, feature)
    told.append(feature.name)
    column = int(random.integers(0, 100))
    made: Any = feature

    def read(c: Candles) -> Floats:
        if isinstance(feature, Indicator):
            outputs = list(feature.of(c, **given).values())
            with np.errstate(over="ignore"):
                return np.asarray(outputs[column % len(outputs)], np.float64)
        events = made.of(c, **given)
        count = np.zeros(len(c))
        np.add.at(count, events.known_bar, events.direction.astype(float))
        return np.cumsum(count)

    return read


def _drawn(random: np.random.Generator, feature: Feature) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for one in feature.parameters:
        if one.type is int and not one.choices:
            wanted = int(float(one.default) * float(random.choice([0.3, 0.5, 1.0, 1.0])))
            given[one.name] = int(min(max(wanted, one.low, 1), one.high))
    made: Any = feature
    try:
        made.of(noise(1, 8), **given)
    except InputError:
        return {}  # values that do not go together
    return given
