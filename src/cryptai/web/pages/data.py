"""Data answers: what lies under all this, and can I trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.errors import CryptaiError
from cryptai.market.timeframe import DAY_MS, TIMEFRAMES
from cryptai.web import live
from cryptai.web.context import shown
from cryptai.web.pages import asked, coverage, opinions, series, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from cryptai.web.pages.series import Series

_ROWS: Final = 40
_HOLES: Final = 40
_WINDOWS: Final = {
    "": ("All time", 0),
    "5y": ("5 years", 1826),
    "1y": ("1 year", 365),
    "90d": ("90 days", 90),
    "7d": ("7 days", 7),
    "1d": ("24 hours", 1),
}
_STATES: Final[dict[str, tuple[str, Callable[[Series], bool]]]] = {
    "": ("Any state", lambda _row: True),
    "holes": ("With holes", lambda row: row.stored.holes > 0),
    "late": ("Late", lambda row: row.state == "late"),
    "stale": ("Stale", lambda row: row.state == "stale"),
    "stopped": ("Halted or delisted", lambda row: row.state in series.STOPPED),
    "sound": ("Fresh and whole", lambda row: row.state == "fresh" and not row.stored.holes),
}
# By name: the column's header, its class, and the key it sorts by; the worst first where there is a worst.
_SORTS: Final[dict[str, tuple[str, str, Callable[[Series], Any]]]] = {
    "market": ("Market", "", lambda row: (row.stored.symbol, TIMEFRAMES.index(row.stored.timeframe))),
    "complete": ("Complete", "num", lambda row: row.completeness),
    "missing": ("Missing", "num late-col", lambda row: -row.stored.holes),
    "bars": ("Bars", "num late-col", lambda row: -row.stored.bars),
    "since": ("Since, UTC", "late-col", lambda row: row.stored.first_ts),
    "newest": ("Newest close, UTC", "late-col", lambda row: row.closed_ms),
    "state": ("State", "late-col", lambda row: -row.behind_ms),
}


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show what is stored of the venue: coverage in time, completeness, freshness, holes, the feed."""
    common = shown(request)
    exchange, now_ms = common["exchange"], common["now_ms"]
    page: dict[str, Any] = {"section": "data"}
    try:
        store = live.store()
        everything = series.series_of(store.markets(exchange), now_ms, stored.stops(exchange))
        if everything:
            chosen = _Chosen(request, exchange)
            rows = [row for row in everything if chosen.fits(row)]
            rows.sort(key=chosen.key, reverse=chosen.reverse)
            on_page = Paginator(rows, _ROWS).get_page(request.GET.get("page"))
            some = series.placed(store, on_page.object_list)
            holes = Paginator(series.holes_of(some), _HOLES).get_page(request.GET.get("holes"))
            start, end = chosen.bounds(everything, now_ms)
            page |= {
                "chosen": chosen, "on_page": on_page, "rows": series.drawn(some, start, end),
                "axis": coverage.axis(start, end), "bounds": (start, end),
                "unread": sum(row.holes is None and not row.damage for row in some),
                "damage": [row for row in some if row.damage],
                "holes": holes, "explained": asked.explained(store, exchange, holes),
                "syncs": asked.syncs(store, exchange),
                "contradictions": opinions.contradictions(store, exchange, some),
                "opinions": opinions.opinions(exchange),
            }  # fmt: skip
    except CryptaiError as error:
        return render(request, "pages/data.html", {**page, "failure": str(error)}, status=500)
    page["budgets"], page["budget_failure"] = asked.budgets()
    page["total"] = _total(everything)
    page["running"] = any(one.status == "PENDING" for one in page.get("syncs", ()))
    page["frames"] = series.frames(everything)
    return render(request, "pages/data.html", page)


class _Chosen:
    """What the address asks for; what it names that is not there is passed over."""

    def __init__(self, request: HttpRequest, exchange: str) -> None:
        asked = request.GET
        self.market = asked.get("market", "").strip()[:40]
        self.timeframe = _one_of(asked.get("timeframe", ""), TIMEFRAMES)
        self.state = _one_of(asked.get("state", ""), _STATES)
        self.window = _one_of(asked.get("window", ""), _WINDOWS)
        sort = asked.get("sort", "")
        self.reverse = sort.startswith("-")
        self.sort = _one_of(sort.removeprefix("-"), _SORTS) or "market"
        self.key = _SORTS[self.sort][2]
        self.exchange = exchange
        self._letters = "".join(c for c in self.market.upper() if c.isalnum())

    def fits(self, row: Series) -> bool:
        """Return whether the filters keep that series."""
        return (
            self._letters in row.stored.symbol.replace("/", "").replace(":", "")
            and self.timeframe in ("", row.stored.timeframe)
            and _STATES[self.state][1](row)
        )

    def bounds(self, rows: list[Series], now_ms: int) -> tuple[int, int]:
        """Return the instants between which coverage is drawn, the same for every page of the list."""
        end = max(now_ms, *(row.closed_ms for row in rows))
        days = _WINDOWS[self.window][1]
        return (end - days * DAY_MS if days else min(row.stored.first_ts for row in rows)), end

    @property
    def filtered(self) -> bool:
        """Whether series may be left out."""
        return bool(self._letters or self.timeframe or self.state)

    @property
    def query(self) -> str:
        """The query string of this choice, without its place in the pages."""
        return self._query(sort=("-" if self.reverse else "") + self.sort if self.sort != "market" else "")

    @property
    def headers(self) -> list[dict[str, str]]:
        """Return the sorting columns: label, class, aria-sort, and the query string that sorts by it."""
        columns = []
        for name, (label, kind, _key) in _SORTS.items():
            now = name == self.sort
            # The numbers are sorted by what is worst, which is the smallest of what is complete.
            descends = (name in ("missing", "bars", "state")) != self.reverse
            columns.append(
                {
                    "name": name, "label": label, "kind": kind,
                    "sort": ("descending" if descends else "ascending") if now else "none",
                    "query": self._query(sort=f"-{name}" if now and not self.reverse else name),
                }
            )  # fmt: skip
        return columns

    @property
    def windows(self) -> list[tuple[str, str, bool]]:
        """Return the spans to look at: label, query string, whether it is this one."""
        sort = ("-" if self.reverse else "") + self.sort
        return [
            (label, self._query(window=name, sort=sort), name == self.window)
            for name, (label, _days) in _WINDOWS.items()
        ]

    @property
    def states(self) -> list[tuple[str, str]]:
        """Return the states to filter by: value and label."""
        return [(name, label) for name, (label, _fits) in _STATES.items()]

    def _query(self, **changes: str) -> str:
        kept = {name: getattr(self, name) for name in ("exchange", "market", "timeframe", "state", "window")}
        return urlencode({name: value for name, value in {**kept, **changes}.items() if value})


def _total(rows: list[Series]) -> dict[str, Any]:
    bars, missing = sum(row.stored.bars for row in rows), sum(row.stored.holes for row in rows)
    return {
        "series": len(rows), "markets": len({row.stored.symbol for row in rows}), "bars": bars,
        "missing": missing, "completeness": series.whole_part(bars, missing) if rows else None,
        "with_holes": sum(row.stored.holes > 0 for row in rows),
        "fresh": sum(row.state == "fresh" for row in rows), "late": sum(row.state == "late" for row in rows),
        "stale": sum(row.state == "stale" for row in rows),
        "halted": sum(row.state == "halted" for row in rows),
        "delisted": sum(row.state == "delisted" for row in rows),
    }  # fmt: skip


def _one_of(asked: str, known: Any) -> str:
    return asked if asked in known else ""
