"""How good signals are: what the sealed ones came to, what a confidence was worth, what each filter stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.conf import settings
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.web import live
from cryptai.web.context import shown
from cryptai.web.pages import stored
from cryptai.web.pages.hit_rates import by_month, fifth, rates, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse

    from cryptai.screening.calibration import Calibration
    from cryptai.screening.looking_back import Kept, Year

_COUNTED: Final = 5_000
_MONTHS: Final = 12
_YEARS: Final = 8
_ASKS: Final = {
    "quality": "its quality is under 0.4",
    "against_the_trend": "the market's trend goes the other way",
    "chasing": "the price is three average true ranges beyond its mean",
    "no_volume": "its bar traded less than a tenth of the usual",
    "passed": "none of these",
}


class Curve(NamedTuple):
    """One reliability curve: its test, and its points (forecast, hits, diagonal) in percent of a picture."""

    name: str
    timeframe: str
    made: Calibration
    points: list[tuple[float, float, float]]


class Yearly(NamedTuple):
    """A strategy's past setups on a timeframe, by the years of the table's head; None: none in that year."""

    name: str
    timeframe: str
    years: list[Year | None]


@require_safe
@stored.tells
def quality(request: HttpRequest) -> HttpResponse:
    """Show hit rates against break-even, their decay, calibration, and the volume through each filter."""
    from cryptai.screening.looking_back import by_filter, kept  # noqa: PLC0415 (the engine waits)
    from cryptai.screening.record import Record  # noqa: PLC0415

    exchange = shown(request)["exchange"]
    rows = recorded(Record(live.store().catalog), exchange, _COUNTED)
    in_time = [row for row in rows if not row.signal.retrospective]
    past = kept(settings.WORKSPACE.root / "evidence", exchange)
    curves, too_few = _curves(past)
    years = _years(past)
    page: dict[str, Any] = {
        "section": "signals", "tab": "quality", "recorded": len(rows), "most": _COUNTED,
        "in_time": len(in_time), "ended": sum(row.ended for row in in_time),
        "missed": sum(row.last is not None and row.last.event == "missed" for row in in_time),
        "by_strategy": rates(in_time, lambda body: body["strategy"]),
        "by_regime": rates(in_time, lambda body: body["regime"] or "unknown"),
        "by_quality": rates(in_time, fifth), "by_month": by_month(in_time, _MONTHS),
        "trusted": [one for one in curves if one.made.trusted],
        "ranks": [one for one in curves if not one.made.trusted], "too_few": too_few,
        "years": years, "yearly": _yearly(past, years),
        "filters": [(_ASKS[one.name], one) for one in by_filter([one.past for one in past])] if past else [],
        "until_ms": max((one.until_ms for one in past), default=0),
    }  # fmt: skip
    return render(request, "pages/signal_quality.html", page)


def _curves(past: Sequence[Kept]) -> tuple[list[Curve], list[tuple[str, str, int]]]:
    """Return the curves that could be tested; and who has how few setups for one."""
    from cryptai.screening.calibration import calibrate  # noqa: PLC0415

    found, few = [], []
    for one in past:
        made = calibrate([one.past])
        if made.error is None:
            few.append((one.strategy, one.timeframe, len(made.past)))
            continue
        points = [
            (round(100 * told, 2), round(100 - 100 * hits, 2), round(100 - 100 * told, 2))
            for told, hits, _ in made.reliability
        ]
        found.append(Curve(one.strategy, one.timeframe, made, points))
    return found, few


def _years(past: Sequence[Kept]) -> list[int]:
    from cryptai.screening.looking_back import by_year  # noqa: PLC0415

    return sorted({year for one in past for year in by_year(one.past)})[-_YEARS:]


def _yearly(past: Sequence[Kept], years: Sequence[int]) -> list[Yearly]:
    from cryptai.screening.looking_back import by_year  # noqa: PLC0415

    told = [(one, by_year(one.past)) for one in past]
    return [
        Yearly(one.strategy, one.timeframe, [found.get(year) for year in years])
        for one, found in told
        if found
    ]
