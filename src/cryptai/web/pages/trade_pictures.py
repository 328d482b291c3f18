"""How a run's trades are spread: a histogram of what each gave, and how far each went for and against us."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.analytics.scales import round_levels
from cryptai.web.pages.drawing import Tick
from cryptai.web.pages.numbers import THIN, fixed_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cryptai.analytics.round_trips import RoundTrips

_BINS: Final = 24
# Of the widest spread: a single lucky trade must not squeeze all the others into one bar.
_TAIL: Final = 0.005
_MOST_DOTS: Final = 4_000


@dataclass(frozen=True)
class Column:
    """One bar of a histogram, in percent of its box, with what it says."""

    x: float
    width: float
    height: float
    tone: str
    said: str

    @property
    def top(self) -> float:
        """Return where it begins, from above."""
        return round(100.0 - self.height, 3)


@dataclass(frozen=True)
class Histogram:
    """Trades by what they gave: in multiples of the risk (`unit` "R"), else in percent of their cost."""

    columns: list[Column]
    marks: list[Tick]
    counts: list[Tick]
    zero: float | None
    mean: float
    unit: str
    said: str

    @property
    def decimals(self) -> int:
        """Return the decimals that tell the marks from each other."""
        return _decimals([t.value for t in self.marks])


@dataclass(frozen=True)
class Excursions:
    """MAE to the left, MFE upwards, a dot a trade: won and lost as two paths in a box of 100 × 100."""

    won: str
    lost: str
    across: list[Tick]
    up: list[Tick]
    said: str
    left_out: int

    @property
    def decimals(self) -> int:
        """Return the decimals of the marks in percent."""
        return _decimals([100.0 * t.value for t in (*self.across, *self.up)])


def histogram(trips: RoundTrips, stop: float | None) -> Histogram | None:
    """Return the picture; None of fewer than two trades.

    `stop` is the stop's distance, a fraction of the entry: what one trade risked, "1 R". Without it the unit
    is percent. What lies beyond the outermost half per cent of the trades stands in the outermost bars.
    """
    given = trips.returns[np.isfinite(trips.returns)]
    if len(given) < 2:
        return None
    unit, values = ("R", given / stop) if stop else ("%", given * 100.0)
    low, high = (float(v) for v in np.quantile(values, [_TAIL, 1.0 - _TAIL]))
    # What differs in its last digits only is one value, and has one bar.
    alike = high - low <= 1e-9 * max(abs(low), abs(high), 1e-6)
    levels = [] if alike else round_levels(low, high, _BINS)
    step = levels[1] - levels[0] if len(levels) > 1 else max(abs(low), 1e-9) / 2
    first, last = math.floor(low / step), math.floor(high / step) + 1
    places = np.clip(np.floor(values / step).astype(np.int64), first, last - 1) - first
    counts = np.bincount(places, minlength=last - first)
    width, most = 100.0 / (last - first), int(counts.max())

    def at(value: float) -> float:
        return round(min(100.0, max(0.0, 100.0 * (value / step - first) / (last - first))), 3)

    columns = [
        Column(
            round(i * width, 3), round(width * 0.9, 3), round(100.0 * int(count) / most, 3),
            "down" if (first + i) < 0 else "up",
            f"{fixed_text(int(count), 0)} from {_amount((first + i) * step, unit)} to "
            f"{_amount((first + i + 1) * step, unit)}",
        )
        for i, count in enumerate(counts)
    ]  # fmt: skip
    mean = float(values.mean())
    middle = float(np.median(values))
    return Histogram(
        columns,
        [Tick(at(v), v) for v in round_levels(first * step, last * step, 6)],
        [Tick(round(100.0 - 100.0 * v / most, 3), v) for v in round_levels(0.0, most, 4) if v == int(v)],
        at(0.0) if first <= 0 <= last else None,
        at(mean),
        unit,
        f"{fixed_text(len(values), 0)} trades from {_amount(float(values.min()), unit)} to "
        f"{_amount(float(values.max()), unit)}; the middle one gave {_amount(middle, unit)}, "
        f"the mean is {_amount(mean, unit)}.",
    )


def excursions(trips: RoundTrips) -> Excursions | None:
    """Return the picture of the newest 4,000 trades; None of fewer than two that have such figures."""
    rows = np.flatnonzero(np.isfinite(trips.mae) & np.isfinite(trips.mfe))[-_MOST_DOTS:]
    if len(rows) < 2:
        return None
    mae, mfe, won = trips.mae[rows], trips.mfe[rows], trips.pnl[rows] > 0.0
    widest, highest = (max(float(np.quantile(v, 1.0 - _TAIL)) * 1.06, 1e-6) for v in (mae, mfe))

    def dots(which: NDArray[np.bool_]) -> str:
        x = np.clip(100.0 * mae[which] / widest, 0.0, 100.0)
        y = np.clip(100.0 - 100.0 * mfe[which] / highest, 0.0, 100.0)
        return " ".join(f"M{a:.2f},{b:.2f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))

    said = " ".join(_excursions_said(mae, mfe, won))
    return Excursions(
        dots(won), dots(~won),
        [Tick(round(100.0 * v / widest, 3), v) for v in round_levels(0.0, widest, 5)],
        [Tick(round(100.0 - 100.0 * v / highest, 3), v) for v in round_levels(0.0, highest, 5)],
        said, len(trips) - len(rows),
    )  # fmt: skip


def _excursions_said(
    mae: NDArray[np.float64], mfe: NDArray[np.float64], won: NDArray[np.bool_]
) -> Iterator[str]:
    if won.any():
        yield f"Half of the winners were at most {percent_text(_median(mae[won]), 1)} under water."
    if not won.all():
        yield f"Half of the losers had been {percent_text(_median(mfe[~won]), 1)} or more in profit."


def _amount(value: float, unit: str) -> str:
    digits = 2 if abs(value) < 10 else 1
    return f"{fixed_text(value, digits, sign=True)}{THIN}{unit}"


def _decimals(values: Sequence[float]) -> int:
    # The fewest that write all marks as they are: 2.5 apart needs one, 20 apart none.
    for digits in range(8):
        if all(abs(round(v, digits) - v) <= 1e-9 * max(1.0, abs(v)) for v in values):
            return digits
    return 8


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values))
