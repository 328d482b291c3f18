"""The jobs of market data ask a venue for what is missing, and for nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conftest import HOUR, START, made_candles
from cryptai import seams
from cryptai.errors import SourceError
from cryptai.market import source as port
from cryptai.market.candles import Candles
from cryptai.market.prices import PriceBook
from cryptai.market.source import Price
from cryptai.market.sources.coingecko import CoinGecko
from cryptai.market.store import CandleStore
from cryptai.market.symbols import SymbolBook, SymbolInfo
from cryptai.market.times import iso, parse_time
from cryptai.web import live
from cryptai.web.jobs import jobs
from cryptai.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BARS = 2_500
WHOLE = made_candles(bars=BARS)
# What the venue itself never had.
NEVER = 700


class Venue:
    """A venue with one market; it remembers for what it was asked."""

    name = "standin"
    title = "Stand-in"
    practice = False
    asked: list[tuple[str, int]]
    away = False

    async def ping(self) -> None:
        if self.away:
            raise SourceError("Stand-in can't be reached from here.")

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        if timeframe == "1d" and end_ms is not None and end_ms <= START:
            return WHOLE[:0]  # it was not listed then
        assert timeframe == "1h" or symbol != "BTC/USDT"
        self.asked.append((symbol, bars))
        if symbol != "BTC/USDT":
            raise SourceError(f"Stand-in has trouble with {symbol}.")
        end = end_ms or START + BARS * HOUR
        return _of_venue().between(end - bars * HOUR, end)

    def now_ms(self) -> int:
        return seams.now_ms()

    async def symbols(self) -> list[SymbolInfo]:
        return [SymbolInfo("BTC/USDT", "trading", tick=Decimal("0.01"), step=Decimal("0.0001"))]

    async def prices(self, symbols: list[str]) -> list[Price]:
        return [Price("BTC/USDT", 1.5, seams.now_ms() - 5, 0.1)]

    async def listed_ms(self, symbol: str) -> int | None:
        return START

    async def aclose(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CandleStore]:
    """A store with 1,990 of the venue's first 2,000 bars; the clock stands at its newest close."""
    made = CandleStore(tmp_path / "candles")
    kept = np.ones(2_000, bool)
    kept[[NEVER, *range(100, 104), *range(1_990, 1_995)]] = False
    made.write("standin", _taken(made_candles(bars=BARS), kept))
    made.write("practice", made_candles(bars=10))
    made.write("elsewhere", made_candles(bars=10))
    monkeypatch.setattr(live, "_store", made)
    monkeypatch.setattr(Venue, "asked", [], raising=False)
    monkeypatch.setattr(Venue, "away", False)
    monkeypatch.setitem(port.sources._found, "standin", Venue)
    with seams.replaced(now_ns=lambda: (START + BARS * HOUR) * 1_000_000):
        yield made


def test_the_hourly_job_brings_the_newest_bars(store: CandleStore) -> None:
    said = jobs.get("update_historical_data_task")()
    assert said == "standin: 505 bars added to 1 series."
    assert store.read("standin", "BTC/USDT", "1h").ts[-1] == START + (BARS - 1) * HOUR
    again = jobs.get("update_historical_data_task")()
    assert again == "standin: 0 bars added to 1 series."
    assert Venue.asked == [("BTC/USDT", 500), ("BTC/USDT", 5)], "nothing is asked for twice"


def test_the_weekly_job_fills_every_hole_and_says_what_stays_one(store: CandleStore) -> None:
    jobs.get("update_historical_data_task")()
    said = jobs.get("weekly_gap_check_and_fill_task")()
    assert said == ("standin: 4 bars added to 1 series. 1 bars the venue does not have stay holes.")
    read = store.read("standin", "BTC/USDT", "1h")
    assert np.array_equal(read.ts, _of_venue().ts)
    assert np.array_equal(read.close, _of_venue().close)


def test_the_weekly_job_asks_the_second_source_where_one_is_named(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Second(Venue):
        name = "second"

        async def history(
            self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int
        ) -> Candles:
            return WHOLE.between(None, end_ms)[-bars:]

    monkeypatch.setitem(port.sources._found, "second", Second)
    monkeypatch.setenv("CRYPTAI_SECOND", "second")
    said = jobs.get("weekly_gap_check_and_fill_task")()
    assert said == ("standin: 10 bars added to 1 series. 0 bars the venue does not have stay holes.")
    (revision,) = store.revisions("standin", "BTC/USDT", "1h", ts=START + NEVER * HOUR)
    assert revision.source == "second"


def test_the_prices_job_keeps_what_each_venue_says_and_the_practice_market_too(
    store: CandleStore, home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def opinion(_self: CoinGecko, bases: set[str]) -> list[Price]:
        return [Price(f"{base}/USD", 1.4, START) for base in bases]

    store.write("standin", made_candles("ETH/USDT", bars=10))
    monkeypatch.setattr(CoinGecko, "prices", opinion)
    monkeypatch.setenv("CRYPTAI_COINGECKO", "1")
    said = jobs.get("update_crypto_prices")()
    assert said == "practice: 1 of 1 prices. standin: 1 of 2 prices. coingecko: 2 prices in US dollars."
    book = PriceBook(home.root / "prices.sqlite3")
    quote = book.latest("standin")["BTC/USDT"]
    assert (quote.source, quote.price, quote.change_24h) == ("standin", 1.5, 0.1)
    assert quote.ts == quote.known_ms - 5 == seams.now_ms() - 5
    assert sorted(book.latest("coingecko")) == ["BTC/USD", "ETH/USD"]
    assert list(book.latest("practice")) == ["BTC/USDT"]


def test_a_second_opinion_that_cannot_be_had_fails_nothing(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_self: CoinGecko, _bases: set[str]) -> list[Price]:
        raise SourceError("CoinGecko is away.")

    monkeypatch.setattr(CoinGecko, "prices", away)
    monkeypatch.setenv("CRYPTAI_COINGECKO", "1")
    said = jobs.get("update_crypto_prices")()
    assert said.endswith("standin: 1 of 1 prices. No second opinion: CoinGecko is away.")
    monkeypatch.setattr(Venue, "away", True)
    with pytest.raises(SourceError, match=r"Stand-in can't be reached from here\. practice: 1 of 1 prices"):
        jobs.get("update_crypto_prices")()


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, False),
        ({"CRYPTAI_COINGECKO": "1"}, True),
        ({"CRYPTAI_COINGECKO_REST": "http://127.0.0.1:1"}, True),
        ({"CRYPTAI_COINGECKO": "0", "CRYPTAI_COINGECKO_REST": "http://127.0.0.1:1"}, False),
    ],
)
def test_a_third_party_is_asked_by_those_who_want_it(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], *, asked: bool
) -> None:
    heard: list[set[str]] = []

    async def opinion(_self: CoinGecko, bases: set[str]) -> list[Price]:
        heard.append(bases)
        return []

    monkeypatch.setattr(CoinGecko, "prices", opinion)
    monkeypatch.delenv("CRYPTAI_COINGECKO", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    said = jobs.get("update_crypto_prices")()
    assert ("coingecko" in said, heard) == (asked, [{"BTC"}] if asked else [])


def test_what_is_behind_has_the_venue_asked_why(
    store: CandleStore, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKSPACE = Workspace(tmp_path)
    book = SymbolBook(tmp_path / "symbols.sqlite3")
    jobs.get("update_historical_data_task")()
    assert store.markets("standin")[0].last_ts == START + (BARS - 1) * HOUR
    assert book.events() == [], "nothing is behind"

    async def halted(_self: Venue) -> list[SymbolInfo]:
        return [SymbolInfo("BTC/USDT", "halted", tick=Decimal("0.01"), step=Decimal("0.0001"))]

    monkeypatch.setattr(Venue, "symbols", halted)
    later = START + (BARS + 3) * HOUR
    with seams.replaced(now_ns=lambda: later * 1_000_000):
        jobs.get("update_historical_data_task")()
    assert book.stopped("standin") == {"BTC/USDT": ("halted", later)}


@pytest.mark.parametrize(
    ("name", "after", "due"),
    [
        ("update_crypto_prices", "2026-03-01T10:01", "2026-03-01T10:30"),
        ("sync_crypto_symbols_task", "2026-03-01T10:01", "2026-03-02T01:30"),
        ("sync_market_data_task", "2026-03-01T10:01", "2026-03-02T01:00"),
        ("update_historical_data_task", "2026-03-01T10:01", "2026-03-01T11:00"),
        ("update_historical_data_daily_task", "2026-03-01T02:30", "2026-03-02T02:30"),
        # The first of March 2026 is a Sunday.
        ("weekly_gap_check_and_fill_task", "2026-03-01T02:59", "2026-03-01T03:00"),
        ("weekly_gap_check_and_fill_task", "2026-03-01T03:00", "2026-03-08T03:00"),
    ],
)
def test_the_six_jobs_are_due_at_their_times_in_utc(name: str, after: str, due: str) -> None:
    schedule = jobs.get(name).due
    assert schedule is not None
    assert iso(schedule.next(parse_time(after)))[:16] == due


def test_the_daily_job_reaches_back_farther_than_the_hourly(store: CandleStore) -> None:
    del store
    assert jobs.get("update_historical_data_daily_task")() == "standin: 509 bars added to 1 series."


def test_the_symbols_of_a_venue_are_noted_once(store: CandleStore, home: Workspace) -> None:
    del store
    said = [jobs.get("sync_crypto_symbols_task")() for _ in range(2)]
    assert said == ["standin: 1 markets trade; 1 changes.", "standin: 1 markets trade; 0 changes."]
    assert [info.symbol for info in SymbolBook(home.root / "symbols.sqlite3").universe("standin")] == [
        "BTC/USDT"
    ]


def test_since_when_a_stored_market_trades_is_known_after_a_sync(store: CandleStore, home: Workspace) -> None:
    del store
    jobs.get("sync_crypto_symbols_task")()
    book = SymbolBook(home.root / "symbols.sqlite3")
    assert book.info("standin", "BTC/USDT").listed_ms == START
    assert [info.symbol for info in book.universe("standin", as_of_ms=START + HOUR)] == ["BTC/USDT"]
    assert book.universe("standin", as_of_ms=START - HOUR) == []


def test_a_venue_that_is_away_fails_the_job_with_its_words(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Venue, "away", True)
    digest = store.markets("standin")[0].digest
    with pytest.raises(SourceError, match="Stand-in can't be reached"):
        jobs.get("update_historical_data_task")()
    assert store.markets("standin")[0].digest == digest


def test_one_market_that_fails_is_named_and_the_others_are_kept(store: CandleStore) -> None:
    store.write("standin", made_candles("ETH/USDT", bars=100))
    with pytest.raises(SourceError, match=r"1 series failed, the first ETH/USDT 1h: .*505 bars added"):
        jobs.get("update_historical_data_task")()


def test_without_a_venue_there_is_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = CandleStore(tmp_path / "candles")
    empty.write("practice", made_candles(bars=10))
    monkeypatch.setattr(live, "_store", empty)
    for name in ("update_historical_data_task", "sync_market_data_task"):
        assert jobs.get(name)() == "No candles of a venue that can be asked are stored."


def _of_venue() -> Candles:
    kept = np.ones(BARS, bool)
    kept[NEVER] = False
    return _taken(WHOLE, kept)


def _taken(candles: Candles, kept: np.ndarray) -> Candles:
    kept = np.r_[kept, np.zeros(len(candles) - len(kept), bool)]
    columns = {
        name: getattr(candles, name)[kept] for name in ("ts", "open", "high", "low", "close", "volume")
    }
    return Candles(**columns, symbol=candles.symbol, timeframe=candles.timeframe)
