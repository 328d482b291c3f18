"""Runs beside each other: two to five, their figures in one table, their equity on one axis from 100."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.analytics.scales import round_levels, thinned
from cryptai.web.context import of_venue
from cryptai.web.pages.drawing import Tick
from cryptai.web.pages.numbers import number
from cryptai.web.pages.study_words import figure, in_words, named
from cryptai.web.research.models import Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from django.http import HttpRequest, HttpResponse
    from numpy.typing import NDArray

FEWEST, MOST = 2, 5
# Which way is better; 0 where more is neither.
_METRICS: Final[Mapping[str, int]] = {
    "total_return": 1, "cagr": 1, "sharpe_ratio": 1, "sortino_ratio": 1, "calmar_ratio": 1,
    "max_drawdown": -1, "volatility": -1, "cvar_95": 1, "win_rate": 1, "profit_factor": 1, "expectancy": 1,
    "trades": 0, "time_in_market": 0, "turnover": 0, "fees": -1, "buy_and_hold_return": 0,
}  # fmt: skip
_POINTS: Final = 600


@dataclass(frozen=True)
class Compared:
    """One run of the comparison, as it was read from the disk."""

    row: Run
    found: Mapping[str, Any]
    evidence: Mapping[str, Any] | None
    ts: NDArray[np.float64]
    equity: NDArray[np.float64]

    @property
    def params(self) -> str:
        """Return its parameters in words."""
        return in_words(self.found["params"])


@dataclass(frozen=True)
class Line:
    """One row of the table: texts, and which of them is the best."""

    name: str
    texts: list[tuple[str, bool]]


@dataclass(frozen=True)
class Curves:
    """Equities from 100, as paths in a box of 100 × 100."""

    paths: list[str]
    values: list[Tick]
    times: list[Tick]


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Show the runs named by `run`, as often as there are; others' and unfinished ones are left out."""
    asked = list(dict.fromkeys(request.GET.getlist("run")))
    rows = {
        row.pk: row
        for row in Run.objects.for_user(request.user)
        .filter(pk__in=asked[:20], status=Run.Status.COMPLETED)
        .select_related("owner")
    }
    chosen = [read for pk in asked if pk in rows and (read := _read(rows[pk])) is not None]
    page: dict[str, Any] = {"section": "backtest", "tab": "run", "asked": len(asked), "found": len(chosen)}
    if not FEWEST <= len(chosen) <= MOST:
        return render(request, "pages/compare.html", page, status=400 if asked else 200)
    page |= {
        **of_venue(chosen[0].row.exchange), "runs": chosen, "lines": table(chosen),
        "curves": curves(chosen), "notes": notes(chosen), "series": [points(one) for one in chosen],
        "practice": any(one.row.practice for one in chosen),
    }  # fmt: skip
    return render(request, "pages/compare.html", page)


def table(runs: Sequence[Compared]) -> list[Line]:
    """Return a row a metric; the best of it is marked where one way is better and the values differ.

    A run without a trade is the best at nothing: it lost no money because it did nothing.
    """
    lines = []
    traded = [one.found["metrics"]["trades"] > 0 for one in runs]
    for name, way in _METRICS.items():
        values = [number(one.found["metrics"].get(name)) for one in runs]
        ranked = [v * way if v is not None and did else None for v, did in zip(values, traded, strict=True)]
        known = {value for value in ranked if value is not None}
        best = max(known) if way and len(known) > 1 else None
        texts = [
            (figure(name, v), best is not None and rank == best)
            for v, rank in zip(values, ranked, strict=True)
        ]
        lines.append(Line(named(name), texts))
    return lines


def notes(runs: Sequence[Compared]) -> list[str]:
    """Return what must be known before the figures are compared."""
    told = []
    if len({(one.row.exchange, *one.row.markets, one.row.timeframe) for one in runs}) > 1:
        told.append("They ran on different markets or timeframes: a better figure may be the market's.")
    if len({(one.found["from"], one.found["to"]) for one in runs}) > 1:
        told.append("They ran over different ranges: a better figure may be the time's.")
    elif len({one.found["data_digest"] for one in runs}) > 1 and not told:
        told.append("The stored candles were corrected between these runs.")
    if len({(str(one.found["costs"]), str(one.found["rules"])) for one in runs}) > 1:
        told.append("Their costs or rules differ.")
    if not any(one.evidence and one.evidence["status"] == "enough" for one in runs):
        told.append("None of them is evidence of an edge; the best of several looks good by luck.")
    return told


def curves(runs: Sequence[Compared]) -> Curves | None:
    """Return the picture; None where a run has no bar, or all are of one moment."""
    if any(not len(one.ts) for one in runs):
        return None
    first, last = min(float(one.ts[0]) for one in runs), max(float(one.ts[-1]) for one in runs)
    if last <= first:
        return None
    rebased = [_rebased(one) for one in runs]
    low, high = min(float(v.min()) for v in rebased), max(float(v.max()) for v in rebased)
    pad = (high - low) * 0.05 or 1.0
    low, high = low - pad, high + pad
    paths = []
    for one, values in zip(runs, rebased, strict=True):
        kept = thinned(values, _POINTS)
        x = 100.0 * (one.ts[kept] - first) / (last - first)
        y = 100.0 * (high - values[kept]) / (high - low)
        steps = (f"{a:.3f},{b:.3f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
        paths.append("M" + " L".join(steps))
    marks = [Tick(float(at), first + (last - first) * at / 100.0) for at in (12, 36, 60, 84)]
    values_marked = [Tick(round(100.0 * (high - v) / (high - low), 3), v) for v in round_levels(low, high, 6)]
    return Curves(paths, values_marked, marks)


def points(one: Compared) -> list[list[float]]:
    """Return `[time in ms, equity from 100]` rows, thinned."""
    values = _rebased(one)
    kept = thinned(values, 2 * _POINTS)
    return [[int(t), v] for t, v in zip(one.ts[kept].tolist(), values[kept].tolist(), strict=True)]


def _rebased(one: Compared) -> NDArray[np.float64]:
    rebased: NDArray[np.float64] = 100.0 * one.equity / float(one.found["capital"])
    return rebased


def _read(row: Run) -> Compared | None:
    try:
        found, (ts, equity) = row.result(), row.equity()
    except (OSError, ValueError):
        return None
    return Compared(row, found, row.evidence(found), ts, equity)
