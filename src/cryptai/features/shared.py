"""Decisions told as comparisons of lines, so that a search computes each line once for all parameter sets.

A strategy whose `shared` method tells its four conditions in these words is searched without computing
anything twice; its `signals` stay what they are, and must say the same.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai.errors import InputError
from cryptai.features.crosses import before
from cryptai.features.feature import features
from cryptai.features.indicator import COLUMNS, Indicator
from cryptai.features.side_by_side import emas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.parameters import Value

ABOVE: Final = 0
BELOW: Final = 1
CROSSES_ABOVE: Final = 2
CROSSES_BELOW: Final = 3

# Averages computed in one call, without Python's lock.
_GROUP: Final = 16


class Term(NamedTuple):
    """One comparison of two lines; it holds nowhere beside a NaN, a cross neither on the first row."""

    a: Line
    b: Line
    how: int


class Line(NamedTuple):
    """One row a bar: an output of an indicator, a column of the candles, or a number (with no name).

    `shifted` is each row's value of the row before it, NaN on the first.
    """

    name: str
    output: str = ""
    parameters: tuple[tuple[str, Value], ...] = ()
    shifted: bool = False
    level: float = 0.0

    def before(self) -> Line:
        """Return the line one row later: what was known before the bar."""
        return self._replace(shifted=True)

    def above(self, other: Line | float) -> Term:
        """Hold where this line is above the other."""
        return Term(self, _line(other), ABOVE)

    def below(self, other: Line | float) -> Term:
        """Hold where this line is below the other."""
        return Term(self, _line(other), BELOW)

    def crosses_above(self, other: Line | float) -> Term:
        """Hold where this line is above the other and was not on the row before."""
        return Term(self, _line(other), CROSSES_ABOVE)

    def crosses_below(self, other: Line | float) -> Term:
        """Hold where this line is below the other and was not on the row before."""
        return Term(self, _line(other), CROSSES_BELOW)

    def over(self, candles: Candles) -> NDArray[np.float64]:
        """Compute it: float64, as long as the candles."""
        if not self.name:
            return np.full(len(candles), self.level)
        if self.name in COLUMNS:
            rows = np.asarray(getattr(candles, self.name), np.float64)
        else:
            rows = _indicator(self.name).of(candles, **dict(self.parameters))[self.output]
        return before(rows) if self.shifted else rows


def batches(lines: Sequence[Line], bars: int) -> list[list[Line]]:
    """Return lines in the groups that `compute` takes; `bars` is how many the candles have."""
    averages = [one for one in lines if 0 < _ema_period(one) <= bars]
    others = [[one] for one in lines if not 0 < _ema_period(one) <= bars]
    return others + [averages[begin : begin + _GROUP] for begin in range(0, len(averages), _GROUP)]


def compute(
    lines: Sequence[Line], candles: Candles, rows: NDArray[np.float64], slots: Sequence[int]
) -> list[int]:
    """Write each line of a group over candles into its slot of `rows`.

    Return of each the first row with a value; -1 for a line that has a hole after it.
    """
    if 0 < _ema_period(lines[0]) <= len(candles):
        periods = [_ema_period(one) for one in lines]
        emas(candles.close, periods, rows, slots)
        # An average that is NaN once stays so: the last row speaks for those before it.
        return [
            _first(rows[slot]) if math.isnan(rows[slot, -1]) else period - 1
            for period, slot in zip(periods, slots, strict=True)
        ]
    for one, slot in zip(lines, slots, strict=True):
        rows[slot] = one.over(candles)
    return [_first(rows[slot]) for slot in slots]


def _first(rows: NDArray[np.float64]) -> int:
    unknown = np.isnan(rows)
    begin = int(np.argmin(unknown)) if not unknown.all() else len(rows)
    return -1 if unknown[begin:].any() else begin


def _ema_period(line: Line) -> int:
    return int(dict(line.parameters)["period"]) if line.name == "ema" and not line.shifted else 0


class Shared(NamedTuple):
    """A strategy's conditions, each of terms that must all hold; without a term it never does."""

    long: tuple[Term, ...] = ()
    exit_long: tuple[Term, ...] = ()
    short: tuple[Term, ...] = ()
    exit_short: tuple[Term, ...] = ()


@lru_cache(maxsize=100_000)
def line(name: str, output: str = "", **parameters: Value) -> Line:
    """Return a line by name: `line("ema", period=12)`, `line("close")`; the first output if none is named.

    Raises
    ------
    UnknownName
        For a feature that is not there.
    InputError
        For an output or a parameter that it has not.
    """
    if name in COLUMNS:
        return Line(name)
    feature = _indicator(name)
    outputs = [one.name for one in feature.outputs]
    chosen = output or outputs[0]
    if chosen not in outputs:
        raise InputError(f"{name} has no output {chosen!r}; it has {', '.join(outputs)}.", field="output")
    values = {**feature.defaults, **(feature.read(parameters) if parameters else {})}
    return Line(name, chosen, tuple(values.items()))


def _indicator(name: str) -> Indicator:
    found = features.get(name)
    if not isinstance(found, Indicator):
        raise InputError(f"{name} is a structure: it has events and no line.", field="name")
    return found


def _line(other: Line | float) -> Line:
    return other if isinstance(other, Line) else Line("", level=float(other))
