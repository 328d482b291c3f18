"""What a download asks first: limits and days of listing, believed only when the venue bears them out."""

from __future__ import annotations

import asyncio

import pytest
from binance_standin import standing_in

from cryptai import seams
from cryptai.errors import SourceError
from cryptai.market.download import download
from cryptai.market.listing import listings
from cryptai.market.sources.binance import Binance
from cryptai.market.store import CandleStore
from cryptai.market.symbols import SymbolBook
from cryptai.market.timeframe import DAY_MS, HOUR_MS

NOON = 1_700_049_600_000
LISTED = NOON - NOON % DAY_MS - 30 * DAY_MS
INFO = {
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    ],
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001"},
            ],
        }
    ],
}


@pytest.fixture
def clock():
    class Clock:
        ms = NOON + 30_000

    with seams.replaced(now_ns=lambda: Clock.ms * 1_000_000):
        yield Clock


@pytest.fixture
async def venue(monkeypatch, clock):
    async with standing_in(monkeypatch, clock.ms) as exchange:
        exchange.first_ms = LISTED + 5 * HOUR_MS
        exchange.info["/api/v3/exchangeInfo"] = INFO
        yield exchange


@pytest.fixture
async def binance(venue):
    source = Binance(rest=lambda _: asyncio.sleep(0))
    yield source
    await source.aclose()


@pytest.fixture
def book(tmp_path):
    return SymbolBook(tmp_path / "symbols.sqlite3")


def paths(venue):
    return [path for path, _ in venue.asked]


async def test_the_list_is_fetched_once_a_day_and_with_it_the_limit(venue, binance, book, clock):
    venue.first_ms = LISTED
    assert binance._spot.budget.state().limit == 1200, "careful, until it is told"
    found = await listings(binance, book, ["BTC/USDT", "NONE/USDT"], 0)
    assert found == {"BTC/USDT": LISTED}
    assert binance._spot.budget.state().limit == 6000
    assert book.info("binance", "BTC/USDT").listed_ms == LISTED
    venue.asked.clear()
    await listings(binance, book, ["BTC/USDT"], 0)
    assert "/api/v3/exchangeInfo" not in paths(venue)
    clock.ms = venue.now_ms = clock.ms + DAY_MS + 1
    await listings(binance, book, ["BTC/USDT"], 0)
    assert "/api/v3/exchangeInfo" in paths(venue)


async def test_a_day_before_since_bounds_nothing(venue, binance, book):
    venue.first_ms = LISTED
    assert await listings(binance, book, ["BTC/USDT"], LISTED) == {}
    assert await listings(binance, book, ["BTC/USDT"], LISTED - 1) == {"BTC/USDT": LISTED}


async def test_a_day_of_listing_that_has_bars_before_it_is_not_believed(venue, binance, book, monkeypatch):
    # A stand-in that passes over `startTime` gives the newest bar, as if the market were of today.
    monkeypatch.setattr(venue, "first_klines", lambda frame, _start, limit: venue.klines(
        {"interval": str(frame), "endTime": str(venue.now_ms), "limit": str(limit)}
    ))  # fmt: skip
    assert await listings(binance, book, ["BTC/USDT"], 0) == {}
    assert book.info("binance", "BTC/USDT").listed_ms is None, "nor kept"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"symbols": []}'])
async def test_a_venue_without_a_list_is_downloaded_all_the_same(venue, binance, book, body, monkeypatch):
    monkeypatch.setattr(venue, "info", {"/api/v3/exchangeInfo": body, "/fapi/v1/exchangeInfo": body})
    assert await listings(binance, book, ["BTC/USDT"], 0) == {}


async def test_what_lies_before_the_listing_is_neither_asked_for_nor_a_hole(venue, binance, book, tmp_path):
    venue.first_ms = LISTED
    store = CandleStore(tmp_path / "candles")
    listed = await listings(binance, book, ["BTC/USDT"], 0)
    totals = []
    (one,) = await download(
        binance, store, ["BTC/USDT"], ["1h"], since_ms=LISTED - 400 * DAY_MS, listed=listed,
        progress=lambda _done, total: totals.append(total),
    )  # fmt: skip
    assert one.added == (NOON - LISTED) // HOUR_MS
    assert sum(end - start for start, end in one.absent) < 7 * DAY_MS
    assert max(totals) <= one.added + 7 * 24
    (plain,) = await download(
        binance, CandleStore(tmp_path / "other"), ["BTC/USDT"], ["1h"], since_ms=LISTED - 400 * DAY_MS
    )
    assert plain.added == one.added


async def test_one_market_whose_listing_does_not_come_stops_no_other(
    venue, binance, book, monkeypatch, caplog
):
    venue.first_ms = LISTED
    asked = binance.listed_ms

    async def nonsense_of_eth(symbol):
        if symbol == "ETH/USDT":
            raise SourceError("Binance sent a page that cannot be.")
        return await asked(symbol)

    eth = INFO["symbols"][0] | {"symbol": "ETHUSDT", "baseAsset": "ETH"}
    monkeypatch.setitem(venue.info, "/api/v3/exchangeInfo", INFO | {"symbols": [*INFO["symbols"], eth]})
    monkeypatch.setattr(binance, "listed_ms", nonsense_of_eth)
    assert await listings(binance, book, ["ETH/USDT", "BTC/USDT"], 0) == {"BTC/USDT": LISTED}
    assert "Since when ETH/USDT of binance trades is not known: Binance sent a page" in caplog.text


async def test_a_list_that_does_not_come_is_said_not_to(venue, binance, book, monkeypatch, caplog):
    async def never(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr("cryptai.market.listing.sync_symbols", never)
    monkeypatch.setattr("cryptai.market.listing._PATIENCE_S", 0.01)
    assert await listings(binance, book, ["BTC/USDT"], 0) == {}
    assert "not known: no answer in time" in caplog.text
