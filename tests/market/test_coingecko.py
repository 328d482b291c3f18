"""CoinGecko, against its recorded answers, good and bad, and a stand-in on loopback."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.source import Price, sources
from cryptai.market.sources.coingecko import CoinGecko, parse_categories, parse_markets, parse_ohlc


@pytest.fixture
def recorded(shared):
    calls = []
    for file in sorted((shared / "data/payloads/coingecko_recorded").glob("*.json")):
        calls += json.loads(file.read_text())
    return {
        (call["request"]["uri"].removeprefix("https://api.coingecko.com"), call["status"]): call
        for call in calls
    }


@pytest.fixture
async def site(workspace, monkeypatch):
    """Answers by path; a list is given one by one."""
    site = {"asked": [], "answers": {}}

    def request(_connection, asked):
        site["asked"].append(asked.path)
        status, headers, body = site["answers"][urlsplit(asked.path).path].pop(0)
        content = body.encode()
        headers = {"Content-Length": str(len(content)), "Connection": "close"} | headers
        return Response(status, "said", Headers(headers), content)

    async with serve(lambda socket: None, "127.0.0.1", 0, process_request=request) as server:
        monkeypatch.setenv("CRYPTAI_COINGECKO_REST", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield site


@pytest.fixture
async def gecko(site):
    now = [1_000.0]

    async def rest(seconds):
        now[0] += seconds
        await asyncio.sleep(0)

    with seams.replaced(monotonic=lambda: now[0]):
        source = CoinGecko(rest=rest)
        yield source
        await source.aclose()


@pytest.mark.shared
async def test_recorded_markets_are_read_exactly(recorded, site, gecko):
    body = recorded["/api/v3/coins/markets?ids=bitcoin&vs_currency=usd", 200]["body"]
    site["answers"]["/api/v3/coins/markets"] = [(200, {}, body)]
    (coin,) = await gecko.markets(ids=("bitcoin",))
    assert (coin.id, coin.ticker, coin.name, coin.rank) == ("bitcoin", "BTC", "Bitcoin", 1)
    assert (coin.price, coin.market_cap, coin.volume_24h) == (49053.0, 917825524991.0, 61679663434.0)
    assert coin.change_24h == pytest.approx(-0.0437931)
    assert site["asked"] == ["/api/v3/coins/markets?vs_currency=usd&ids=bitcoin"]


@pytest.mark.shared
async def test_recorded_bars_are_read_exactly(recorded, site, gecko):
    body = recorded["/api/v3/coins/bitcoin/ohlc?days=7&vs_currency=usd", 200]["body"]
    site["answers"]["/api/v3/coins/bitcoin/ohlc"] = [(200, {}, body)]
    bars = await gecko.ohlc("bitcoin")
    assert bars.tolist() == json.loads(body)
    assert bars.shape[1] == 5


@pytest.mark.shared
async def test_recorded_categories_are_read_exactly(recorded, site, gecko):
    body = recorded["/api/v3/coins/categories/list", 200]["body"]
    site["answers"]["/api/v3/coins/categories/list"] = [(200, {}, body)]
    found = await gecko.categories()
    assert found == {row["category_id"]: row["name"] for row in json.loads(body)}
    assert found["aave-tokens"] == "Aave Tokens"


@pytest.mark.shared
async def test_a_recorded_422_is_said_in_its_words_and_asked_once(recorded, site, gecko):
    call = recorded["/api/v3/coins/markets", 422]
    site["answers"]["/api/v3/coins/markets"] = [(422, {}, call["body"])] * 3
    with pytest.raises(SourceError, match=r"HTTP 422\): Missing parameter vs_currency") as caught:
        await gecko.markets()
    assert caught.value.permanent
    assert len(site["asked"]) == 1


@pytest.mark.shared
async def test_a_recorded_500_is_tried_again(recorded, site, gecko):
    bad = recorded["/api/v3/coins/bitcoin/ohlc", 500]["body"]
    site["answers"]["/api/v3/coins/bitcoin/ohlc"] = [(500, {}, bad), (200, {}, "[[1,2,3,1,2]]")]
    assert (await gecko.ohlc("bitcoin")).tolist() == [[1, 2, 3, 1, 2]]
    site["answers"]["/api/v3/coins/bitcoin/ohlc"] = [(500, {}, bad)] * 3
    with pytest.raises(SourceError, match=r"HTTP 500\): Internal Server Error"):
        await gecko.ohlc("bitcoin")


async def test_a_long_pause_is_kept_by_the_next_source_too(site, gecko):
    site["answers"]["/api/v3/coins/categories/list"] = [(429, {"Retry-After": "600"}, "{}"), (200, {}, "[]")]
    for source in (gecko, CoinGecko()):
        with pytest.raises(SourceError, match="CoinGecko asked for a pause"):
            await source.categories()
        await source.aclose()
    assert len(site["asked"]) == 1


@pytest.mark.parametrize(
    ("parse", "text", "told"),
    [
        (parse_ohlc, b'{"error": 1}', "another shape"),
        (parse_ohlc, b"[[1,2,3,1]]", "another shape"),
        (parse_ohlc, b"[[1,2,3,1,2],[1,2,3,1,2]]", "another shape"),
        (parse_ohlc, b"[[1,2,3,NaN,2]]", "not JSON"),
        (parse_ohlc, b"[[1,2,3,1e400,2]]", "where a number stands"),
        (parse_ohlc, b'[[1,2,3,"1",2]]', "where a number stands"),
        (parse_ohlc, b"[[1,2,3,null,2]]", "cannot be"),
        (parse_ohlc, b"[[1,2,3,2.5,2]]", "cannot be"),
        (parse_ohlc, b"[[1,-2,3,-4,2]]", "cannot be"),
        (parse_ohlc, b"[" * 100_000, "not JSON"),
        (parse_markets, b'[{"id": 1}]', "where a name stands"),
        (
            parse_markets,
            b'[{"id": "a", "symbol": "b", "name": "c", "current_price": true}]',
            "a number stands",
        ),
        (parse_categories, b'[["a"]]', "another shape"),
        (parse_categories, b"<html>", "not JSON"),
    ],
)
def test_what_cannot_be_is_refused(parse, text, told):
    with pytest.raises(SourceError, match=told):
        parse(text)


@pytest.mark.parametrize(("coin", "days"), [("bitcoin", 8), ("../global", 7), ("", 7), ("a?b", 7)])
async def test_what_cannot_be_asked_is_refused_before_it_is(site, gecko, coin, days):
    with pytest.raises(InputError):
        await gecko.ohlc(coin, days=days)
    assert site["asked"] == []


def test_it_is_no_venue_to_follow():
    assert "coingecko" not in sources


async def test_prices_are_those_of_the_largest_coin_of_a_ticker_in_dollars(site, gecko):
    def coin(id_, ticker, price, at="2026-01-01T00:00:00.500Z"):
        told = {"id": id_, "symbol": ticker, "name": id_, "current_price": price, "last_updated": at}
        return told | {"price_change_percentage_24h": 2.0}

    body = [coin("a", "btc", 9.5), coin("b", "btc", 1.0), coin("c", "eth", None), coin("d", "sol", 2, None)]
    site["answers"]["/api/v3/coins/markets"] = [(200, {}, json.dumps(body))]
    found = await gecko.prices(["BTC", "ETH", "SOL", "ADA"])
    assert found == [Price("BTC/USD", 9.5, 1_767_225_600_500, 0.02)]
    site["answers"]["/api/v3/coins/markets"] = [(200, {}, json.dumps([coin("a", "btc", 9.5, "yesterday")]))]
    with pytest.raises(SourceError, match="of the time 'yesterday'"):
        await gecko.prices(["BTC"])
