"""What the quality page tells of past setups: counted once for the tables that are kept."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptai.web.once import Once

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptai.screening.looking_back import Kept, Stopped, Year

_YEARS: Final = 8


class Curve(NamedTuple):
    """One reliability curve: its test, and its points (forecast, hits, diagonal) in percent of a picture."""

    name: str
    timeframe: str
    error: float
    bound: float
    tested: int
    points: list[tuple[float, float, float]]


class Yearly(NamedTuple):
    """A strategy's past setups on a timeframe, by the years of the table's head; None: none in that year."""

    name: str
    timeframe: str
    years: list[Year | None]


class LookedBack(NamedTuple):
    """What is told of the past setups of a venue.

    `trusted` are the curves whose forecasts are probabilities, `ranks` the others, and `too_few` who has how
    few setups for one. `until_ms` is when the newest table ends, 0 where there is none.
    """

    trusted: list[Curve]
    ranks: list[Curve]
    too_few: list[tuple[str, str, int]]
    years: list[int]
    yearly: list[Yearly]
    filters: list[Stopped]
    until_ms: int


# A venue each. To read and to test all tables again is seconds: who comes meanwhile waits for the first.
_told: Final[Once[LookedBack]] = Once(8)
_telling: Final = Lock()


def looked_back(folder: Path, exchange: str) -> LookedBack:
    """Return what the newest tables of a venue say that are kept in a folder."""
    # A table lies under its digest and never changes; which is the newest, small files say.
    named = sorted(
        (file.name, told.st_mtime_ns, told.st_size, told.st_ino)
        for file, told in ((file, file.stat()) for file in folder.glob("newest-*.json"))
    )
    with _telling:
        return _told.get((str(folder), exchange, *named), lambda: _made(folder, exchange))


def _made(folder: Path, exchange: str) -> LookedBack:
    from cryptai.screening.calibration import calibrate  # noqa: PLC0415 (the engine waits)
    from cryptai.screening.looking_back import by_filter, by_year, kept  # noqa: PLC0415

    past = kept(folder, exchange)
    trusted: list[Curve] = []
    ranks: list[Curve] = []
    too_few: list[tuple[str, str, int]] = []
    for one in past:
        made = calibrate([one.past])
        if made.error is None or made.bound is None:
            too_few.append((one.strategy, one.timeframe, len(made.past)))
            continue
        points = [
            (round(100 * told, 2), round(100 - 100 * hits, 2), round(100 - 100 * told, 2))
            for told, hits, _ in made.reliability
        ]
        curve = Curve(one.strategy, one.timeframe, made.error, made.bound, made.tested, points)
        (trusted if made.trusted else ranks).append(curve)
    by_years = [(one, by_year(one.past)) for one in past]
    years = sorted({year for _, found in by_years for year in found})[-_YEARS:]
    return LookedBack(
        trusted, ranks, too_few, years, _yearly(by_years, years),
        by_filter([one.past for one in past]) if past else [], max((one.until_ms for one in past), default=0),
    )  # fmt: skip


def _yearly(by_years: Sequence[tuple[Kept, dict[int, Year]]], years: Sequence[int]) -> list[Yearly]:
    return [
        Yearly(one.strategy, one.timeframe, [found.get(year) for year in years])
        for one, found in by_years
        if found
    ]
