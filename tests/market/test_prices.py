"""Last prices: asked of a venue in the fewest requests, kept with their source and both their times."""

from __future__ import annotations

import sqlite3

import pytest
from binance_standin import standing_in

from cryptai import seams
from cryptai.errors import InputError, SourceError, WorkspaceError
from cryptai.market.prices import KEPT_MS, PriceBook
from cryptai.market.source import Price, PriceSource, open_source
from cryptai.market.sources.binance import Binance
from cryptai.market.sources.practice import Practice, price_at

NOW = 1_700_000_000_000


@pytest.fixture
def book(tmp_path):
    return PriceBook(tmp_path / "prices.sqlite3")


@pytest.fixture
async def exchange(monkeypatch):
    with seams.replaced(now_ns=lambda: NOW * 1_000_000):
        async with standing_in(monkeypatch, NOW) as standing:
            standing.prices = {
                "BTCUSDT": ("37000.50", "37500.00"),
                "ETHUSDT": ("2000.1", "0.00"),
                "NEWUSDT": ("0.00", "0.00"),
            }
            yield standing


@pytest.fixture
async def binance(exchange):
    source = Binance()
    yield source
    await source.aclose()


async def test_a_few_prices_are_asked_for_by_name_in_one_light_request(exchange, binance):
    assert isinstance(binance, PriceSource)
    found = await binance.prices(["BTC/USDT", "ETH/USDT", "NEW/USDT"])
    assert found == [
        Price("BTC/USDT", 37000.5, NOW - 5, pytest.approx(-0.01332)),
        Price("ETH/USDT", 2000.1, NOW - 5, None),
    ], "what never traded has no price"
    ((path, query),) = exchange.asked
    assert (path, query) == ("/api/v3/ticker/24hr", {"symbols": '["BTCUSDT","ETHUSDT","NEWUSDT"]'})
    assert binance._spot.budget.state().used == 2


async def test_a_market_that_is_listed_no_more_costs_the_others_nothing(exchange, binance):
    found = await binance.prices(["BTC/USDT", "GONE/USDT"])
    assert [price.symbol for price in found] == ["BTC/USDT"]
    assert [query for _, query in exchange.asked][1] == {}, "those of all, since one refuses the named"
    assert binance._spot.budget.state().used == 82


async def test_many_prices_and_perpetuals_are_asked_for_as_wholes(exchange, binance):
    names = [f"C{i}/USDT" for i in range(21)]
    assert [p.symbol for p in await binance.prices([*names, "BTC/USDT", "BTC/USDT:USDT"])] == [
        "BTC/USDT", "BTC/USDT:USDT",
    ]  # fmt: skip
    assert exchange.asked == [("/api/v3/ticker/24hr", {}), ("/fapi/v1/ticker/24hr", {})]
    assert await binance.prices([]) == []


@pytest.mark.parametrize("price", ["NaN", "1e400", "-1", None, "1_0"])
async def test_a_price_that_is_no_number_is_refused(exchange, binance, price):
    exchange.prices["BTCUSDT"] = (price, "1")
    with pytest.raises(SourceError, match="where a number stands"):
        await binance.prices(["BTC/USDT"])


async def test_the_practice_market_tells_the_prices_of_its_stream():
    with seams.replaced(now_ns=lambda: NOW * 1_000_000):
        (price,) = await Practice().prices(["BTC/USDT", "NONE/USDT"])
    assert (price.symbol, price.price, price.ts) == ("BTC/USDT", price_at(2017, "BTC/USDT", NOW), NOW)
    assert isinstance(open_source("practice"), PriceSource)


def test_a_price_is_kept_with_its_source_and_both_its_times(book):
    assert book.add("binance", [Price("BTC/USDT", 1.5, NOW, 0.1)], known_ms=NOW + 7) == 1
    assert book.add("binance", [Price("BTC/USDT", 1.6, NOW + 3)], source="kraken", known_ms=NOW + 8) == 1
    quote = book.latest("binance")["BTC/USDT"]
    assert (quote.source, quote.price, quote.ts, quote.known_ms) == ("binance", 1.5, NOW, NOW + 7)
    assert [(one.source, one.price, one.change_24h) for one in book.opinions("binance")] == [
        ("binance", 1.5, 0.1), ("kraken", 1.6, None),
    ]  # fmt: skip
    assert book.latest("kraken") == {}


def test_the_newest_price_is_the_one_heard_last_and_the_earlier_stay(book):
    for i in (1, 2, 2, 3):
        book.add("binance", [Price("BTC/USDT", float(i), NOW + i)], known_ms=NOW + i)
    assert book.latest("binance")["BTC/USDT"].price == 3.0
    assert [one.price for one in book.history("binance", "BTC/USDT")] == [1.0, 2.0, 3.0], "each once"


def test_prices_are_let_go_after_eight_days(book):
    book.add("binance", [Price("BTC/USDT", 1.0, NOW)], known_ms=NOW)
    book.add("binance", [Price("BTC/USDT", 2.0, NOW)], known_ms=NOW + KEPT_MS)
    assert len(book.history("binance", "BTC/USDT")) == 2
    book.add("binance", [], known_ms=NOW + KEPT_MS + 1)
    assert [one.price for one in book.history("binance", "BTC/USDT")] == [2.0]


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_a_price_that_cannot_be_leaves_the_book_as_it_was(book, price):
    with pytest.raises(InputError, match="cannot have the price"):
        book.add("binance", [Price("BTC/USDT", 1.0, NOW), Price("ETH/USDT", price, NOW)])
    assert book.opinions("binance") == []


def test_looking_makes_no_file_and_a_damaged_one_is_named(book, tmp_path):
    assert book.latest("binance") == {}
    assert not (tmp_path / "prices.sqlite3").exists()
    (tmp_path / "prices.sqlite3").write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(WorkspaceError, match=r"prices\.sqlite3 cannot be used"):
        book.latest("binance")
    with pytest.raises((WorkspaceError, sqlite3.DatabaseError)):
        book.add("binance", [Price("BTC/USDT", 1.0, NOW)])
