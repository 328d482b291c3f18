"""Looking back over the past setups that are kept: what each filter stops, how a strategy fares by year.

These tables are what the cards are made of. They were looked up afterwards, so they are no record: what was
promised beforehand stands in `cryptai.screening.record`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai.errors import DataError
from cryptai.market.timeframe import TIMEFRAMES
from cryptai.screening.past import PastSetups
from cryptai.screening.quality import FILTERS
from cryptai.screening.slices import apart

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PASSED: Final = "passed"


class Kept(NamedTuple):
    """The newest table of a strategy on a timeframe."""

    strategy: str
    timeframe: str
    until_ms: int
    past: PastSetups


class Stopped(NamedTuple):
    """The setups that one filter stops (or none, `passed`): how many, their share, and their mean R."""

    name: str
    setups: int
    share: float
    mean_r: float | None


class Year(NamedTuple):
    """A year of one strategy's setups that do not overlap; `mean_r` is None where there were none."""

    setups: int
    mean_r: float | None


def kept(folder: Path, exchange: str) -> list[Kept]:
    """Return the newest tables of a venue that are kept in a folder, by timeframe and strategy."""
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    for file in sorted(folder.glob("newest-*.json")):
        try:
            told = json.loads(file.read_text())
            if told["exchange"] != exchange:
                continue
            key, row = (told["strategy"], told["timeframe"]), (int(told["until_ms"]), str(told["digest"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # Being written anew, or of an older form: the next scan makes it again.
        newest[key] = max(row, newest.get(key, row))
    found = []
    for (strategy, timeframe), (until_ms, digest) in newest.items():
        try:
            found.append(Kept(strategy, timeframe, until_ms, PastSetups.load(folder, digest)))
        except DataError:
            continue
    return sorted(found, key=lambda one: (TIMEFRAMES.index(one.timeframe), one.strategy))


def by_filter(pasts: Sequence[PastSetups]) -> list[Stopped]:
    """Return how many past setups each filter stops, in the order they are asked, then those that pass.

    Counts are of all setups; the mean is of those of a kind that do not overlap.
    """
    count, sums, apart_count = (np.zeros(len(FILTERS) + 1) for _ in range(3))
    for past in pasts:
        count += np.bincount(past.rows["stopped"], minlength=len(count))
        for i in range(len(count)):
            some = apart(past.rows[past.rows["stopped"] == i])
            sums[i] += some["r"].sum()
            apart_count[i] += len(some)
    total = float(count.sum())
    order = [*range(1, len(count)), 0]
    names = (PASSED, *FILTERS)
    return [
        Stopped(
            names[i], int(count[i]), float(count[i] / total) if total else 0.0,
            float(sums[i] / apart_count[i]) if apart_count[i] else None,
        )
        for i in order
    ]  # fmt: skip


def by_year(past: PastSetups) -> dict[int, Year]:
    """Return how the setups of a table fared, by the year they were decided in, the oldest first."""
    rows = apart(past.rows)
    years = rows["decided_ms"].astype("datetime64[ms]").astype("datetime64[Y]").astype(int) + 1970
    return {
        int(year): Year(int((years == year).sum()), float(rows["r"][years == year].mean()))
        for year in np.unique(years)
    }
