"""The Data page: every hole is on it, nothing is whole that is not, and 4,000 series stay readable."""

from __future__ import annotations

import re
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from conftest import HOUR, START, made_candles
from cryptai.errors import DataError, WorkspaceError
from cryptai.market.budget import BudgetState
from cryptai.market.candles import Candles
from cryptai.market.feed import FeedStatus
from cryptai.market.files import read_candles
from cryptai.market.prices import PriceBook
from cryptai.market.source import Price
from cryptai.market.store import CandleStore, Stored
from cryptai.market.symbols import SymbolBook, SymbolInfo
from cryptai.market.timeframe import DAY_MS, TIMEFRAMES, Timeframe
from cryptai.seams import now_ms
from cryptai.web import live
from cryptai.web.pages import asked, coverage, series
from cryptai.workspace import Workspace

pytestmark = pytest.mark.django_db
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "candles" / "spot"
PAGE = "/data/dashboard/"


@pytest.fixture
def here(on_loopback: dict[str, str]) -> Client:
    return Client(**on_loopback)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CandleStore:
    store = CandleStore(tmp_path)
    monkeypatch.setattr(live, "store", lambda: store)
    return store


def without(candles: Candles, *missing: tuple[int, int]) -> Candles:
    """Return the bars less those rows: (first, how many)."""
    keep = np.ones(len(candles), bool)
    for first, bars in missing:
        keep[first : first + bars] = False
    names = ("ts", "open", "high", "low", "close", "volume")
    columns: Any = {name: getattr(candles, name)[keep] for name in names}
    return Candles(**columns, symbol=candles.symbol, timeframe=candles.timeframe)


def text(response: Any) -> str:
    return re.sub(r"[ \n]+", " ", response.content.decode()).replace("\u202f", " ")


def series_shown(page: str) -> list[tuple[str, str]]:
    table = page.split('id="data-coverage"')[1].split("</table>", maxsplit=1)[0]
    return re.findall(r'<th scope="row" class="name"><a [^>]*>(\S+) <span class="muted">(\w+)', table)


@pytest.mark.parametrize("address", ["/data/dashboard", "/data/dashboard?exchange=binance"])
def test_the_address_without_its_slash_leads_to_the_page(here: Client, home: Workspace, address: str) -> None:
    response = here.get(address, follow=True)
    assert response.status_code == 200
    assert response.redirect_chain[0][0].startswith(PAGE)


def test_every_hole_is_listed_with_place_and_length_and_ticked(here: Client, store: CandleStore) -> None:
    store.write("binance", without(made_candles(), (100, 1), (200, 33)), made_candles("ETH/USDT", seed=2))
    page = text(here.get(PAGE))
    assert "34 missing in 1 series" in page
    assert '34<span class="of-holes"> in 2</span>' in page
    holes = page.split('id="data-holes"')[1]
    assert re.findall(r'<td class="num">(\d+)</td><td class="num">([^<]+)</td>', holes) == [
        ("33", "33 h"),
        ("1", "60 min"),
    ]
    assert "2023-11-23 08:00" in holes
    strip = page.split('id="data-coverage"')[1].split("BTC/USDT 1h: ")[1].split("</svg>")[0]
    assert strip.count('class="tick"') == 2
    assert "the longest hole is 33 missing" in strip
    assert "style=" not in page


@pytest.mark.shared
def test_the_28_halts_in_seven_years_of_bitcoin_are_there(here: Client, store: CandleStore) -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared candles are not beside this clone")
    store.write("binance", read_candles(SHARED / "BTCUSDT_1h.parquet"))
    page = text(here.get(PAGE))
    assert '128<span class="of-holes"> in 28</span>' in page
    assert "99.77 %" in page
    assert page.split('id="data-holes"')[1].count('<th scope="row" class="name">') == 28
    assert "2018-02-08 01:00" in page


def test_what_misses_one_bar_in_a_million_is_not_called_complete() -> None:
    assert series.whole_part(999_999, 1) == 0.9999
    assert series.whole_part(1_000_000, 0) == 1.0


def test_a_stale_series_is_told_in_words(here: Client, store: CandleStore) -> None:
    fresh = made_candles("ETH/USDT", bars=10)
    ts = Timeframe("1h").last_closed(now_ms()) - HOUR * np.arange(9, -1, -1)
    values = (fresh.open, fresh.high, fresh.low, fresh.close, fresh.volume)
    store.write("binance", made_candles(), Candles(ts, *values, symbol="ETH/USDT", timeframe="1h"))
    page = text(here.get(PAGE))
    assert "<b>1h</b>: 1 stale of 2. Furthest behind is BTC/USDT: its newest bar closed" in page
    assert "bars should have followed" in page
    assert "none missing" in page


def test_a_market_that_its_venue_halted_is_called_so_and_is_no_alert(
    here: Client, store: CandleStore, tmp_path: Path, settings: Any
) -> None:
    settings.WORKSPACE = Workspace(tmp_path)
    store.write("binance", made_candles(), made_candles("ETH/USDT"))
    book = SymbolBook(tmp_path / "symbols.sqlite3")
    sizes = (Decimal("0.01"), Decimal("0.01"))
    symbols = [SymbolInfo("BTC/USDT", "halted", *sizes), SymbolInfo("ETH/USDT", "trading", *sizes)]
    book.sync("binance", symbols, now_ms())
    page = text(here.get(PAGE))
    assert '<span class="risk">1 stale</span>, 1 halted by the venue, 0 fresh.' in page
    assert "<b>1h</b>: 1 stale of 2." in page
    assert series_shown(text(here.get(f"{PAGE}?state=stopped"))) == [("BTC/USDT", "1h")]
    book.sync("binance", symbols[:1], now_ms())
    page = text(here.get(PAGE))
    assert "1 halted by the venue, 1 delisted, 0 fresh." in page
    assert "should have followed" not in page


def test_series_are_filtered_sorted_and_paged(here: Client, store: CandleStore) -> None:
    store.write("binance", *(made_candles(f"S{i:02d}/USDT", bars=30 + i, seed=i) for i in range(45)))
    store.write("binance", without(made_candles("HOLE/USDT"), (9, 3)))
    first = series_shown(text(here.get(PAGE)))
    assert len(first) == 40
    assert first[0] == ("HOLE/USDT", "1h")
    second = series_shown(text(here.get(f"{PAGE}?page=2")))
    assert [name for name, _ in second] == [f"S{i:02d}/USDT" for i in range(39, 45)]
    assert series_shown(text(here.get(f"{PAGE}?market=s07"))) == [("S07/USDT", "1h")]
    assert series_shown(text(here.get(f"{PAGE}?state=holes"))) == [("HOLE/USDT", "1h")]
    assert series_shown(text(here.get(f"{PAGE}?sort=-bars")))[0] == ("S00/USDT", "1h")
    assert series_shown(text(here.get(f"{PAGE}?sort=missing")))[0] == ("HOLE/USDT", "1h")
    assert "No series fits this filter" in text(here.get(f"{PAGE}?state=sound"))


@pytest.mark.parametrize(
    "query", ["sort=x&page=-1&state=y&window=z&timeframe=2h&holes=9", "market=%3Cscript%3E&window=1d"]
)
def test_what_the_address_names_wrongly_is_passed_over(here: Client, store: CandleStore, query: str) -> None:
    store.write("binance", made_candles())
    response = here.get(f"{PAGE}?{query}")
    assert response.status_code == 200
    assert "<script>" not in text(response).split("</head>")[1]


@pytest.mark.parametrize("window", ["", "5y", "1y", "90d", "7d", "1d"])
def test_each_window_is_drawn_inside_its_strip(here: Client, store: CandleStore, window: str) -> None:
    store.write("binance", without(made_candles(), (100, 5)))
    page = text(here.get(f"{PAGE}?window={window}")).split('id="data-coverage"')[1]
    for x, width in re.findall(r'<rect class="\w+" x="([\d.-]+)%" y="[\d.]+%" width="([\d.-]+)%"', page):
        assert 0 <= float(x) < float(x) + float(width) <= 100.001


def test_a_venue_with_no_candles_says_what_will_be_here(
    here: Client, store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FeedStatus("practice", True, "backfilling", "Fetching candles.", 3, 36, START)
    monkeypatch.setattr(live, "feed_status", lambda: feed)
    page = text(here.get(PAGE))
    assert "The first candles are on their way" in page
    assert "3 of 36 series" in page
    assert "data-feed-progress" in page


def test_a_running_back_fill_shows_its_progress(
    here: Client, store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("binance", made_candles())
    feed = FeedStatus("binance", False, "backfilling", "Fetching candles.", 3, 36, START)
    monkeypatch.setattr(live, "feed_status", lambda: feed)
    page = text(here.get(PAGE))
    assert "Fetching candles." in page
    assert "3 of 36 series" in page


def test_a_catalog_that_cannot_be_read_is_told(
    here: Client, store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "The candle catalog is damaged; bring it back with: cryptai restore FILE."

    def damaged(*_args: object) -> None:
        raise WorkspaceError(message)

    monkeypatch.setattr(store, "markets", damaged)
    response = here.get(PAGE)
    assert response.status_code == 500
    assert message in text(response)
    assert "Nothing was changed" in text(response)


def test_a_damaged_series_is_named_and_the_others_are_shown(
    here: Client, store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("binance", without(made_candles(bars=90), (50, 5)), made_candles("ETH/USDT"))

    def damaged(*_args: object) -> None:
        raise DataError("The segment FILE is missing or damaged; bring it back with: cryptai restore FILE.")

    monkeypatch.setattr(store, "read", damaged)
    response = here.get(PAGE)
    page = text(response)
    assert response.status_code == 200
    assert "is missing or damaged; bring it back with: cryptai restore FILE." in page
    assert '<span class="risk">damaged</span>' in page
    assert ("ETH/USDT", "1h") in series_shown(page)
    assert "No hole is known yet" in page


class Crowd(CandleStore):
    """A store of 500 markets in eight timeframes, each seventh with holes, that counts what is read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads = 0
        self.stored: list[Stored] = []

    def exchanges(self) -> list[str]:
        return ["binance"]

    def markets(self, exchange: str | None = None) -> list[Stored]:
        assert exchange == "binance"
        if not self.stored:
            last = Timeframe("1w").last_closed(now_ms())
            for i in range(500):
                for j, name in enumerate(TIMEFRAMES):
                    frame = Timeframe(name)
                    holes = 5 if (i + j) % 7 == 0 else 0
                    first = frame.floor(last - 999 * frame.ms)
                    known = (first, first + 999 * frame.ms, holes, f"{i}{name}")
                    self.stored.append(Stored("binance", f"S{i:03d}/USDT", frame, 1000 - holes, *known))
        return self.stored

    def read(self, exchange: str, symbol: str, timeframe: str, **_: Any) -> Candles:
        assert exchange == "binance"
        self.reads += 1
        one = next(s for s in self.stored if (s.symbol, s.timeframe) == (symbol, timeframe))
        ts = one.first_ts + one.timeframe.ms * np.delete(np.arange(1000), slice(500, 505))
        ones = np.ones(len(ts))
        return Candles(ts, ones, ones, ones, ones, ones, symbol=symbol, timeframe=timeframe)


def test_four_thousand_series_are_summed_up_and_read_by_the_page_only(
    here: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crowd = Crowd(tmp_path)
    monkeypatch.setattr(live, "store", lambda: crowd)
    response = here.get(f"{PAGE}?exchange=binance")
    page = text(response)
    assert "4 000 series of 500 markets of binance" in page
    assert len(series_shown(page)) == 40
    assert "1 to 40 of 4 000 series" in page
    assert len(response.content) < 250_000
    assert 0 < crowd.reads <= 40
    before = crowd.reads
    assert len(series_shown(text(here.get(f"{PAGE}?exchange=binance")))) == 40
    assert crowd.reads == before, "where holes lie is known by the digest of the bars"


def test_a_page_waits_for_what_it_can_read_in_time_and_says_what_it_left(
    here: Client, store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("binance", *(without(made_candles(s, seed=9), (7, 2)) for s in ("AA/USDT", "BB/USDT")))
    ticks = iter(range(0, 100, 2))
    monkeypatch.setattr(series, "monotonic", lambda: float(next(ticks)))
    page = text(here.get(PAGE))
    assert "The holes of 2 series are still being read" in page
    assert page.count('class="unread"') >= 2


def test_a_hole_tells_its_cause_and_when_it_was_asked_for(here: Client, store: CandleStore) -> None:
    store.write("binance", without(made_candles(), (50, 4), (100, 6), (200, 9)))
    ts = [START + HOUR * row for row in (100, 106, 200, 205)]
    store.absences.add("binance", "BTC/USDT", "1h", [(ts[0], ts[1]), (ts[2], ts[3])])
    page = text(here.get(PAGE)).split('id="data-holes"')[1]
    causes = re.findall(
        r'<td class="late-col(?: muted)?">([a-z][^<]+)</td><td class="late-col">([^<]+)', page
    )
    assert [cause for cause, _asked in causes] == [
        "binance had none of 5, the rest was not asked for yet", "binance had none", "not asked for yet",
    ]  # fmt: skip
    assert "cryptai data repair --exchange binance" in page
    assert [asked == "–" for _cause, asked in causes] == [False, False, True]


def test_syncs_show_what_runs_what_failed_and_why(here: Client, store: CandleStore) -> None:
    store.write("binance", made_candles())
    for _ in range(12):
        store.sync_log.end(store.sync_log.begin("binance", "BTC/USDT", "1h"), bars=7)
    store.sync_log.end(store.sync_log.begin("binance", "ETH/USDT", "1h"), failed="The venue said 418.")
    store.sync_log.begin("binance", "SOL/USDT", "4h")
    page = text(here.get(PAGE)).split('id="data-feed"')[1].split("</section>", maxsplit=1)[0]
    assert re.findall(r'<th scope="row">(\S+)', page) == ["SOL/USDT", "ETH/USDT", *["BTC/USDT"] * 7]
    assert "running for 0 s" in page
    assert '<span class="risk">failed</span>: The venue said 418.' in page


def test_the_venues_budgets_are_shown_and_a_pause_is_told(
    here: Client, store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("binance", made_candles())
    state = BudgetState("binance", "http://127.0.0.1:1", used=120, limit=6000, pause_s=90.0, waiting=2)
    monkeypatch.setattr(asked, "budget_states", lambda: [state])
    page = text(here.get(PAGE))
    assert "120 of 6000 weight in the last minute" in page
    assert "binance asked for a pause, 1 min are left. 2 requests waiting." in page

    def damaged() -> None:
        raise sqlite3.DatabaseError("file is not a database")

    monkeypatch.setattr(asked, "budget_states", damaged)
    assert "request budgets cannot be read: file is not a database" in text(here.get(PAGE))


def test_a_market_tells_where_each_bar_is_from(here: Client, store: CandleStore) -> None:
    candles = made_candles()
    store.write("binance", candles, source="binance", fetched_at_ms=START + 999 * HOUR)
    corrected = without(candles, (0, 300), (301, 99))
    columns: Any = {name: getattr(corrected, name) for name in ("ts", "open", "high", "low", "close")}
    again = Candles(**columns, volume=corrected.volume + 1, symbol="BTC/USDT", timeframe="1h")
    store.write("binance", again, replace=True, source="second")
    page = text(here.get("/markets/BTC-USDT/")).split('id="provenance"')[1]
    assert "The newest bar, 2023-12-01 15:00 UTC" in page
    assert "Corrected" not in page
    page = text(here.get(f"/markets/BTC-USDT/?bar={again.ts[0]}")).split('id="provenance"')[1]
    assert re.findall(r"<dt>Source</dt><dd>(\w+)", page) == ["second", "binance"]
    assert re.findall(r"<dt>([^<]*rit[^<]*|Corr[^<]*)</dt>", page) == ["Corrected, in force", "First written"]
    assert store.markets()[0].digest in page


@pytest.mark.parametrize("bar", ["x", "-1", "0", "99999999999999999999"])
def test_a_bar_that_cannot_be_is_the_newest(here: Client, store: CandleStore, bar: str) -> None:
    store.write("binance", made_candles())
    assert "The newest bar" in text(here.get(f"/markets/BTC-USDT/?bar={bar}"))


def test_a_strip_shows_the_share_of_each_span_and_one_tick_a_hole() -> None:
    start, day = START - START % DAY_MS, DAY_MS
    end = start + coverage.BUCKETS * day
    # Of the second day a quarter is missing, the fourth and fifth are gone, ten days ago it ends.
    holes = np.array([[start + day, 6], [start + 3 * day, 48]])
    strip = coverage.time_strip((start, end), (start, end - 10 * day, end), holes, HOUR)
    step = 100 / coverage.BUCKETS
    assert [(b.level, round(b.x / step), round(b.width / step)) for b in strip.blocks] == [
        ("whole", 0, 1), ("part", 1, 1), ("whole", 2, 1), ("gone", 3, 2), ("whole", 5, 57),
        ("behind", 62, 10),
    ]  # fmt: skip
    assert [b.said.partition(": ")[2] for b in strip.blocks if b.said] == ["6 missing", "48 missing"]
    assert strip.ticks == pytest.approx([step * 1.125, step * 4], abs=0.4)


def test_one_missing_minute_in_ten_years_is_seen() -> None:
    start, end = START - 3650 * DAY_MS, START
    strip = coverage.time_strip(
        (start, end), (start, end, end), np.array([[START - DAY_MS * 999, 1]]), 60_000
    )
    assert [b.level for b in strip.blocks] == ["whole", "part", "whole"]
    assert "1 missing" in strip.blocks[1].said
    assert len(strip.ticks) == 1


def test_bars_longer_than_a_span_leave_no_stripes() -> None:
    start, end = START - 90 * DAY_MS, START
    strip = coverage.time_strip(
        (start, end), (start - DAY_MS, end, end), np.empty((0, 2), np.int64), 7 * DAY_MS
    )
    assert [(b.level, b.width) for b in strip.blocks] == [("whole", 100.0)]


@pytest.mark.parametrize("days", [0.2, 1, 3, 7, 30, 90, 365, 1826, 3400, 9000])
def test_an_axis_has_a_few_dates_that_differ(days: float) -> None:
    marks = coverage.axis(START - int(days * DAY_MS), START)
    assert 1 <= len(marks) <= 6
    assert len({mark.text for mark in marks}) == len(marks)
    assert all(4 <= mark.at <= 96 for mark in marks)
    assert coverage.axis(START, START) == []


@pytest.fixture
def prices(tmp_path: Path, settings: Any) -> PriceBook:
    settings.WORKSPACE = Workspace(tmp_path)
    return PriceBook(tmp_path / "prices.sqlite3")


def test_last_prices_stand_beside_what_other_sources_say_the_farthest_apart_first(
    here: Client, store: CandleStore, prices: PriceBook
) -> None:
    store.write("binance", made_candles())
    told = now_ms()
    prices.add("binance", [Price(symbol, 100.0, told) for symbol in ("BTC/USDT", "ETH/USDT", "XRP/USDT")])
    prices.add("binance", [Price("ETH/USDT", 103.0, told), Price("BTC/USDT", 99.9, told)], source="coingecko")
    prices.add("binance", [Price("ETH/USDT", 101.0, told)], source="nearer")
    shown = text(here.get(PAGE)).split('id="data-prices"')[1].split("</section>")[0]
    rows = re.findall(r">(\w+/USDT)</a>.*?<td[^>]*>([^<]*)</td></tr>", shown)
    fallen = "\N{MINUS SIGN}0.10 %"
    assert rows == [("ETH/USDT", "+3.00 %"), ("BTC/USDT", fallen), ("XRP/USDT", "none was heard")]
    assert "nearer" not in shown
    assert shown.count('class="num warn"') == 1, "a tenth of a percent calls for no look"


def test_without_kept_prices_the_page_says_what_will_keep_them(here: Client, store: CandleStore) -> None:
    store.write("binance", made_candles())
    page = text(here.get(PAGE))
    assert "No price of binance was kept yet" in page
    assert "<h3>None does</h3>" in page


def test_bars_on_which_sources_contradict_each_other_are_named(here: Client, store: CandleStore) -> None:
    whole = made_candles()
    store.write("binance", whole, source="stream")
    columns = [getattr(whole[5:6], name) for name in ("ts", "open", "high", "low", "close", "volume")]
    columns[2] = columns[2] * 1.25
    store.write("binance", Candles(*columns, "BTC/USDT", "1h"), replace=True, source="second")
    shown = text(here.get(PAGE)).split('id="data-contradictions"')[1].split("</section>")[0]
    assert "stream, second" in shown
    assert "20.00 %" in shown


def test_a_book_of_prices_that_cannot_be_read_is_said_and_the_rest_is_shown(
    here: Client, store: CandleStore, prices: PriceBook, tmp_path: Path
) -> None:
    del prices
    store.write("binance", made_candles())
    (tmp_path / "prices.sqlite3").write_bytes(b"no database" * 1000)
    page = text(here.get(PAGE))
    assert "The book of prices" in page
    assert "BTC/USDT" in page
