"""What `benchmarks.lists` asks: addresses with hundreds of parameters, and what the tables say to each."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.closing import NAME, SYMBOLS
from cryptai.screening.chain import link
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    # Addresses by what is asked, each a list of questions.
    Lists = dict[str, list[str]]

_DAY_MS = 86_400_000
_MOST, _ON_A_PAGE, _RATED = 500, 200, 5_000
_LOOKED_AT = 40


class Tables:
    """The record's tables, read whole and without an index."""

    def __init__(self, home: Path) -> None:
        self._path = home / "candles" / "catalog.sqlite3"
        every = (
            "SELECT id, symbol, timeframe, strategy, side, decided_ms, retrospective, identity FROM signal"
        )
        # The newest decision first, as every list has them.
        self.rows = sorted(self.ask(every), key=lambda row: (-row[5], -row[0]))
        self.chosen: dict[str, list[int]] = {}
        for day, number in self.ask("SELECT day, signal FROM selection ORDER BY day, place"):
            self.chosen.setdefault(day, []).append(number)

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of one statement."""
        with closing(sqlite3.connect(self._path)) as db:
            return db.execute(statement, values).fetchall()

    def newest(self, limit: int, **kinds: str) -> list[int]:
        """Return the numbers of the newest signals of these kinds."""
        at = {"symbol": 1, "timeframe": 2, "strategy": 3, "side": 4}
        found = (row[0] for row in self.rows if all(row[at[name]] == one for name, one in kinds.items()))
        return [number for number, _ in zip(found, range(limit), strict=False)]

    def between(self, since_ms: int, until_ms: int, side: str, limit: int) -> list[int]:
        """Return the numbers of the newest signals of a side in a span."""
        found = [row[0] for row in self.rows if since_ms <= row[5] < until_ms and row[4] == side]
        return found[:limit]


def check(home: Path, get: Callable[[str], bytes]) -> Lists:
    """Return the questions, each kind of them once compared with the tables; `get` asks one."""
    tables = Tables(home)

    def got(path: str) -> Any:
        body = get(path).decode()
        return json.loads(body) if "/api/" in path else " ".join(body.split())

    _check_standing(got)
    _check_recorded(got, tables)
    _check_pages(got, tables)
    return _lists(sorted(tables.chosen), {row[3] for row in tables.rows})


def _check_standing(got: Any) -> None:
    door = "/signals/api/signals/"
    of_each = [got(f"{door}?limit={_MOST}&symbol={name.replace('/', '-')}")["signals"] for name in SYMBOLS]
    every = sorted((one for some in of_each for one in some), key=_rank)
    assert len(every) >= _MOST, f"only {len(every)} stand"
    ruled = sorted(
        every, key=lambda s: (s["stale"], -(s["parts"]["rules"] or 0.0), s["symbol"], s["timeframe"])
    )
    for asked, expected in (
        ("", every[:50]),
        (f"?limit={_MOST}", every[:_MOST]),
        ("?signal_type=BUY&limit=77", [s for s in every if s["side"] == "long"][:77]),
        ("?signal_type=SELL", [s for s in every if s["side"] == "short"][:50]),
        ("?is_valid=true&limit=91", [s for s in every if not s["stale"]][:91]),
        ("?is_valid=false", [s for s in every if s["stale"]][:50]),
    ):
        for name in (door, "/api/v1/signals/"):
            told = got(name + asked)
            assert told["signals"] == expected, asked
            assert told["count"] == len(expected), asked
    told = got(f"{door}?mode=rules&limit={_MOST}")["signals"]
    assert [s["parts"] for s in told] == [s["parts"] for s in ruled[:_MOST]]


def _rank(one: dict[str, Any]) -> tuple[Any, ...]:
    kinds = (one["symbol"], one["timeframe"], one["strategy"], one["decided_at"])
    return (one["stale"], -one["score"], *kinds)


def _check_recorded(got: Any, tables: Tables) -> None:
    door = "/api/v1/recorded-signals/"
    span = _span(400)
    for asked, expected in (
        ("", tables.newest(50)),
        (f"?limit={_MOST}", tables.newest(_MOST)),
        ("?symbol=S007-USDT", tables.newest(50, symbol="S007/USDT")),
        ("?strategy=breakout&timeframe=1d", tables.newest(50, strategy="breakout", timeframe="1d")),
        ("?signal_type=SELL&timeframe=4h&limit=9", tables.newest(9, side="short", timeframe="4h")),
        (f"?signal_type=BUY&{span[2]}", tables.between(*span[:2], "long", 50)),
        ("?strategy=nobody", []),
    ):
        told = got(door + asked)
        assert told == got(f"/signals/api/recorded-signals/{asked}")
        assert [one["id"] for one in told["signals"]] == expected, asked
        assert told["count"] == len(expected), asked
        _check_sealed(told["signals"][:_LOOKED_AT], tables)
    days = sorted(tables.chosen, reverse=True)
    assert got("/api/v1/available-dates/") == {"exchange": NAME, "practice": False, "dates": days[:1_000]}
    for day in days[:: len(days) // _LOOKED_AT]:
        told = got(f"/signals/api/daily-best-signals/?date={day}")
        assert ([one["id"] for one in told["signals"]], told["recorded"]) == (tables.chosen[day], True)
        _check_sealed(told["signals"], tables)


def _check_sealed(some: Sequence[dict[str, Any]], tables: Tables) -> None:
    for one in some:
        ((sealed_ms, text, before, own),) = tables.ask(
            "SELECT sealed_ms, body, previous, hash FROM signal WHERE id = ?", (one["id"],)
        )
        assert (one["previous"], one["hash"]) == (before, own)
        assert own == link(before, one["id"], sealed_ms, text)
        body = json.loads(text)
        assert {name: one.get(name) for name in body if name[-3:] != "_ms"} == {
            name: value for name, value in body.items() if name[-3:] != "_ms"
        }
        life = tables.ask("SELECT event, body FROM signal_event WHERE signal = ? ORDER BY id", (one["id"],))
        told = [(event["event"], event) for event in one["events"]]
        assert [name for name, _ in told] == [name for name, _ in life]
        assert all(
            event.items() >= json.loads(row[1]).items() for (_, event), row in zip(told, life, strict=True)
        )


def _check_pages(got: Any, tables: Tables) -> None:
    page = _digits(got("/signals/"))
    assert re.findall(r"/signals/([0-9a-f]{64})/", page) == [row[7] for row in tables.rows[:_ON_A_PAGE]]
    assert f"A chain of {len(tables.rows)} seals" in page
    last = dict(tables.ask("SELECT signal, event FROM (SELECT signal, event FROM signal_event ORDER BY id)"))
    in_time = [row[0] for row in tables.rows[:_RATED] if not row[6]]
    ended = sum(last.get(number) in ("target", "stop", "expired") for number in in_time)
    missed = sum(last.get(number) == "missed" for number in in_time)
    page = _digits(got("/signals/quality/"))
    assert f"{len(in_time)} of {_RATED} recorded" in page
    assert f"{ended} ended, {missed} missed" in page


def _digits(page: str) -> str:
    # Thousands stand apart on a page.
    return re.sub(r"(?<=\d)[^\w<>=\"](?=\d{3}(?!\d))", "", page)


def _lists(days: Sequence[str], strategies: set[str]) -> Lists:
    here, there = "/signals/api/", "/api/v1/"
    symbols = [name.replace("/", "-") for name in SYMBOLS]
    some = range(50, _MOST, 3)
    spread = [days[i * 277 % len(days)] for i in range(len(days))]
    pairs = [(name, frame) for name in sorted(strategies) for frame in ("1h", "4h", "1d")]
    return {
        "signals/": [f"{here}signals/"],
        "signals/?limit=": [f"{here}signals/?limit={n}" for n in some],
        "signals/?symbol=": [f"{here}signals/?symbol={name}" for name in symbols],
        "signals/?signal_type=": [f"{here}signals/?signal_type=BUY&limit={n}" for n in some],
        "signals/?is_valid=": [f"{here}signals/?is_valid=true&limit={n}" for n in some],
        "signals/?mode=": [f"{here}signals/?mode=rules&limit={n}" for n in some],
        "daily-best-signals/?date=": [f"{here}daily-best-signals/?date={day}" for day in spread],
        "daily-best-signals/?date=today": [f"{here}daily-best-signals/?date={_today()}"],
        "available-dates/": [f"{here}available-dates/"],
        "recorded-signals/?limit=": [f"{here}recorded-signals/?limit={n}" for n in some],
        "recorded-signals/?symbol=": [f"{here}recorded-signals/?symbol={name}" for name in symbols],
        "recorded-signals/?strategy=&timeframe=": [
            f"{here}recorded-signals/?strategy={name}&timeframe={frame}&limit={n}"
            for n in (50, 51, 52, 53)
            for name, frame in pairs
        ],
        "recorded-signals/?signal_type=&since=&until=": [
            f"{here}recorded-signals/?signal_type=SELL&{_span(n)[2]}" for n in range(2, 600)
        ],
        "v1/signals/?symbol=&limit=": [f"{there}signals/?symbol={name}&limit=9" for name in symbols],
        "v1/daily-best-signals/?date=": [f"{there}daily-best-signals/?date={day}" for day in spread[::-1]],
        "v1/available-dates/": [f"{there}available-dates/"],
        "the page of the record": ["/signals/"],
        "the page of their quality": ["/signals/quality/"],
    }


def _today() -> str:
    return _day(now_ms())


def _span(days_ago: int) -> tuple[int, int, str]:
    end = now_ms() // _DAY_MS * _DAY_MS - days_ago * _DAY_MS
    return end - _DAY_MS, end, f"since={_day(end - _DAY_MS)}&until={_day(end)}"


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1e3, UTC).strftime("%Y-%m-%d")
