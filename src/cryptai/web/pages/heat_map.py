"""Returns of months as a map of years: each cell has its figure, and a tint by its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptai.web.pages.numbers import fixed_text, number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptai.analytics.tables import Period

# From here on a month is tinted one step stronger; the same for every run, so that two maps compare.
_STEPS: Final = (0.0, 0.02, 0.05, 0.10, 0.20)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Cell:
    """One month or year: its figure in per cent, without the sign of it, and the class of its tint."""

    text: str
    tone: str


@dataclass(frozen=True)
class Year:
    """A row of the map: twelve months, None where the run has no bar, and the year's own return."""

    name: str
    months: list[Cell | None]
    whole: Cell


def heat_map(months: Iterable[Period], years: Iterable[Period]) -> list[Year]:
    """Return the rows of a report's months and years, the newest year first."""
    known = {one.name: _cell(one.total_return) for one in months}
    return [
        Year(
            year.name,
            [known.get(f"{year.name}-{month:02}") for month in range(1, 13)],
            _cell(year.total_return),
        )
        for year in reversed(list(years))
    ]


def _cell(value: float | None) -> Cell:
    n = number(value)
    if n is None or n == 0.0:
        return Cell(fixed_text(n, 1), "")
    decimals = 0 if abs(n) >= 1.0 else 1
    return Cell(fixed_text(n * 100.0, decimals, sign=True), tint(n))


def tint(share: float) -> str:
    """Return the class that tints a gain or loss of that size, a fraction of what there was."""
    step = sum(1 for least in _STEPS if abs(share) > least)
    return f"heat-{'up' if share > 0 else 'down'}-{step}" if step else ""
