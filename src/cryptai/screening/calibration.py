"""Calibration: what a quality has been worth, as a probability, or the admission that it is only a rank.

The curve is fitted on setups that had ended when it is asked, none of which it was fitted on before: the
oldest three quarters fit, the newest quarter tests. Isotonic regression by pooling adjacent violators (Ayer,
Brunk, Ewing, Reid and Silverman, 1955): the best curve that never falls. Where there are too few setups, or
the test finds it wrong by more than chance explains, there is no probability, and a setup gets its rank among
the past ones instead. So it does where the test is too coarse to have found it wrong by five points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.market.timeframe import DAY_MS
from cryptai.screening.outcomes import TARGET
from cryptai.screening.slices import apart
from cryptai.seams import rng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.screening.past import PastSetups

    Floats = NDArray[np.float64]

FEWEST: Final = 200
"""Setups that have ended below which no curve is fitted."""
FEWEST_TESTED: Final = 50
"""Forecasts below which a test says nothing."""
FINE: Final = 0.05
"""The largest error that chance may explain in a test that is believed. A coarser one passes what is wrong:
of 1,393 setups of 2022 and 2023 that such tests let through, 13 % reached the target, and 23 % were told."""
BINS: Final = 10
_DRAWS: Final = 1_000
_MONTH_MS: Final = 30 * DAY_MS


@dataclass(frozen=True, eq=False)
class Calibration:
    """A fitted curve, and how it did on setups it had not seen.

    Attributes
    ----------
    knots, values
        The curve: `values[i]` up to and including quality `knots[i]`; empty where none was fitted.
    past
        The qualities of all past setups, sorted: what a rank is told by.
    fitted, tested
        How many setups.
    error
        Expected calibration error on the test: mean distance of forecast and outcome over bins of equal
        count; None without a test.
    bound
        The 95 % point of that error if every forecast were true (bootstrap over the test's forecasts).
    brier
        Mean square of forecast minus outcome on the test.
    reliability
        Per bin of the test: mean forecast, share of hits, count.
    """

    knots: Floats
    values: Floats
    past: Floats
    fitted: int
    tested: int
    error: float | None
    bound: float | None
    brier: float | None
    reliability: tuple[tuple[float, float, int], ...]

    @property
    def trusted(self) -> bool:
        """Whether its forecasts may be called probabilities: tested finely enough, and found true."""
        return self.error is not None and self.bound is not None and self.error <= self.bound <= FINE

    def confidence(self, quality: float) -> dict[str, Any]:
        """Return the confidence of a quality: a `probability` of the target, or a `rank` from 0 to 1."""
        if self.trusted:
            return {"kind": "probability", "value": float(self.forecast(np.array([quality]))[0])}
        if not len(self.past) or np.isnan(quality):
            return {"kind": "rank", "value": None}
        rank = np.searchsorted(self.past, quality, side="right") / len(self.past)
        return {"kind": "rank", "value": float(rank)}

    def forecast(self, quality: Floats) -> Floats:
        """Return the curve's value at each quality."""
        at = np.minimum(np.searchsorted(self.knots, quality), len(self.values) - 1)
        found: Floats = self.values[at]
        return found

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            "trusted": self.trusted, "fitted": self.fitted, "tested": self.tested,
            "expected_calibration_error": self.error, "bound": self.bound, "brier": self.brier,
            "reliability": [
                {"forecast": forecast, "hits": hits, "count": count}
                for forecast, hits, count in self.reliability
            ],
        }  # fmt: skip


def calibrate(past: Sequence[PastSetups], *, until_ms: int | None = None, seed: int = 0) -> Calibration:
    """Fit a curve on past setups that had ended by an instant, and test it on the newest of them.

    Overlapping setups of a market count once, as on a card; the curve is shared by the strategies given.
    """
    tables = []
    for one in past:
        rows = one.rows if until_ms is None else one.rows[one.rows["resolved_ms"] <= until_ms]
        tables.append(apart(rows[~np.isnan(rows["quality"])]))
    rows = np.concatenate(tables) if tables else np.empty(0, np.dtype([("quality", "f8")]))
    if len(rows) < FEWEST:
        return Calibration(np.empty(0), np.empty(0), np.sort(rows["quality"]), 0, 0, None, None, None, ())
    rows = rows[np.argsort(rows["decided_ms"], kind="stable")]
    cut = len(rows) * 3 // 4
    # What was still under way when the test begins knows something of it.
    fit, test = rows[:cut], rows[cut:]
    fit = fit[fit["resolved_ms"] <= test["decided_ms"][0]]
    knots, values = isotonic(fit["quality"], (fit["outcome"] == TARGET).astype(np.float64))
    made = Calibration(knots, values, np.sort(rows["quality"]), len(fit), len(test), None, None, None, ())
    if not len(fit):
        return made
    hits = (test["outcome"] == TARGET).astype(np.float64)
    told = made.forecast(test["quality"])
    drawn = rng(seed).random((_DRAWS, len(test))) < told
    return Calibration(
        knots, values, made.past, len(fit), len(test), float(_errors(told, hits[None, :])[0]),
        float(np.quantile(_errors(told, drawn.astype(np.float64)), 0.95)),
        float(np.square(told - hits).mean()), tuple(_bins(told, hits)),
    )  # fmt: skip


class Told(NamedTuple):
    """Forecasts of setups, whether each reached its target (1) or not (0), and was told as a probability."""

    forecast: Floats
    hits: Floats
    told: NDArray[np.bool_]

    def probabilities(self) -> Told:
        """Return those that were told as a probability."""
        return Told(self.forecast[self.told], self.hits[self.told], self.told[self.told])

    def tested(self, seed: int = 0) -> tuple[float, float] | None:
        """Return their calibration error, and the 95 % point of it if every one were true; None of few."""
        if len(self.forecast) < FEWEST_TESTED:
            return None
        drawn = rng(seed).random((_DRAWS, len(self.forecast))) < self.forecast
        errors = _errors(self.forecast, drawn.astype(np.float64))
        return float(_errors(self.forecast, self.hits[None, :])[0]), float(np.quantile(errors, 0.95))


_NOTHING: Final = Told(np.empty(0), np.empty(0), np.empty(0, bool))


def as_told(past: PastSetups, from_ms: int) -> Told:
    """Return what would have been told of the setups decided from an instant on, and what came of them.

    Month by month, by the curve as it could be fitted and tested at the month's beginning: where that one was
    not trusted, a rank was told in its place. Months before there were enough setups have no forecast.
    """
    rows = apart(past.rows[~np.isnan(past.rows["quality"])])
    rows = rows[rows["decided_ms"] >= from_ms]
    end = int(rows["decided_ms"].max()) + 1 if len(rows) else from_ms
    found = [_NOTHING]
    for start in range(from_ms, end, _MONTH_MS):
        made = calibrate([past], until_ms=start)
        some = rows[(rows["decided_ms"] >= start) & (rows["decided_ms"] < start + _MONTH_MS)]
        if made.error is not None and len(some):
            hits = (some["outcome"] == TARGET).astype(np.float64)
            found.append(Told(made.forecast(some["quality"]), hits, np.full(len(some), made.trusted)))
    return together(found)


def together(some: Sequence[Told]) -> Told:
    """Return what was told of several configurations as one."""
    return Told(*(np.concatenate(column) for column in zip(_NOTHING, *some, strict=True)))


def isotonic(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the never-falling step function nearest to y: the last x of each step, and its value.

    >>> isotonic(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0]))
    (array([1., 3.]), array([0. , 0.5]))
    """
    order = np.argsort(x, kind="stable")
    steps: list[list[float]] = []  # last x, sum of y, count
    for at, value in zip(x[order].tolist(), y[order].tolist(), strict=True):
        if steps and steps[-1][0] == at:
            steps[-1][1] += value
            steps[-1][2] += 1.0
        else:
            steps.append([at, value, 1.0])
        while len(steps) > 1 and steps[-2][1] * steps[-1][2] >= steps[-1][1] * steps[-2][2]:
            last, total, count = steps.pop()
            steps[-1] = [last, steps[-1][1] + total, steps[-1][2] + count]
    return np.array([one[0] for one in steps]), np.array([one[1] / one[2] for one in steps])


def _bins(told: Floats, hits: Floats) -> list[tuple[float, float, int]]:
    return [(float(told[part].mean()), float(hits[part].mean()), len(part)) for part in _parts(told)]


def _errors(told: Floats, draws: Floats) -> Floats:
    """Return the calibration error of the forecasts against each row of outcomes."""
    apart = [np.abs(told[part].sum() - draws[:, part].sum(axis=1)) for part in _parts(told)]
    found: Floats = np.sum(apart, axis=0) / len(told)
    return found


def _parts(told: Floats) -> list[NDArray[np.int64]]:
    return [part for part in np.array_split(np.argsort(told, kind="stable"), BINS) if len(part)]
