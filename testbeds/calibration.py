"""The bed of the evidence: searches on noise are not taken for skill, and what should say a half says a half.

Each search runs a grid of a trend follower over a driftless walk, without costs and without a bracket, so
that no set has an edge: whatever the best one shows is luck. Purging is held to a brute-force count.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np

from cryptai.research import evidence, windows
from cryptai.research.plans import Plan
from cryptai.research.sweep import sweep
from cryptai.research.worlds import walk
from cryptai.trading.request import BacktestRequest
from cryptai.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR: Final = 3_600_000
CONFIDENCE: Final = 0.95
# Searches, bars of each, sets of labels.
VOLUMES: Final = {"test": (60, 1_500, 300), "quick": (250, 1_500, 2_000), "long": (1_000, 1_500, 10_000)}
# An even count of sets: of an odd one the middle is nobody's half.
SPACE: Final = {"fast": "3,8,20", "slow": "30,90", "allow_short": "true,false"}
FREE: Final = {"strategy": "ema_trend", "fee": 0, "slippage": 0, "stop": "none", "target": "none"}


def calibration(seed: int, size: str) -> dict[str, Any]:
    """Run the bed."""
    searches, bars, labels = VOLUMES[size]
    deflated, overfit = searched(seed, searches, bars)
    passed = int((deflated >= CONFIDENCE).sum())
    share = passed / searches
    # At most one in twenty passes; of few searches a few more may, by chance.
    most = 0.05 + (3.0 * np.sqrt(0.05 * 0.95 / searches) if size == "test" else 0.0)
    mean, error = float(overfit.mean()), float(overfit.std(ddof=1)) / np.sqrt(searches)
    overlapping, wasted = miscounted(seed, labels)
    short = []
    if share > most:
        short.append(f"{share:.1%} of the searches on noise are called skill")
    if abs(mean - 0.5) > 3.0 * error:
        short.append(f"the mean probability of overfitting on noise is {mean:.3f} ± {error:.3f}")
    if overlapping or wasted:
        short.append(f"{overlapping} labels overlap their test, {wasted} were thrown away for nothing")
    return {
        "seed": seed, "searches": searches, "passed": passed, "share": round(share, 4),
        "mean_deflated_sharpe": round(float(deflated.mean()), 4),
        "mean_pbo": round(mean, 4), "error": round(error, 4),
        "label_sets": labels, "overlapping": overlapping, "wasted": wasted, "fell_short": short,
    }  # fmt: skip


def searched(seed: int, searches: int, bars: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return deflated Sharpe ratio and probability of overfitting of each search, through the public door."""
    deflated, overfit = np.zeros(searches), np.zeros(searches)
    request, plan = BacktestRequest.parse(FREE), Plan(SPACE, held_out=0.0)
    with tempfile.TemporaryDirectory() as folder:
        nowhere = Workspace(Path(folder) / "none")  # each search is somebody else's first
        for number in range(searches):
            world = walk(seed, 1_000 + number, bars)
            told = sweep(request, plan, world, nowhere, threads=1).evidence
            deflated[number] = told["deflated_sharpe"] or 0.0
            overfit[number] = told["pbo"]
    return deflated, overfit


def miscounted(seed: int, sets: int) -> tuple[int, int]:
    """Return how many labels were kept that touch their test, by the hour, and how many lost that do not."""
    overlapping = wasted = 0
    for number in range(sets):
        random = np.random.default_rng([seed, 91, number])
        begin = random.integers(0, 240, 40) * HOUR
        end = begin + random.integers(0, 50, 40) * HOUR
        start, length = random.integers(0, 200), random.integers(1, 60)
        embargo = int(random.integers(0, 30))
        kept = windows.purged(
            begin, end, int(start) * HOUR, int(start + length) * HOUR, embargo_ms=embargo * HOUR
        )
        # A clock of hours: those which the test and its embargo cover, and those that each label covers.
        hours = np.arange(-40, 400)
        taken = (hours >= start - embargo) & (hours < start + length + embargo)
        covered = (hours >= (begin // HOUR)[:, None]) & (hours <= (end // HOUR)[:, None])
        touches = (covered & taken).any(axis=1)
        overlapping += int((kept & touches).sum())
        wasted += int((~kept & ~touches).sum())
    return overlapping, wasted


def trials_not_counted() -> list[Any]:
    """Plant a bug: the best of a search is judged as if nothing else had been tried."""
    true = evidence.judge

    def once(found: Any, ts: Any, equity: Any, tried: Any, **options: Any) -> dict[str, Any]:
        return true(found, ts, equity, None if tried is None else replace(tried, trials=1), **options)

    return [patch("cryptai.research.noted.judge", once)]


def purged_by_entry() -> list[Any]:
    """Plant a bug: a trade belongs to the side that it was entered on, however far it reaches."""

    def by_entry(begin: Any, _: Any, start: int, stop: int, *, embargo_ms: int = 0) -> Any:
        return (begin < start - embargo_ms) | (begin >= stop + embargo_ms)

    return [patch.object(windows, "purged", by_entry)]
