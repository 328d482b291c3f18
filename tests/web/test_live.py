"""The price hub: the newest of each topic, once a subscriber, in order, from where it left off."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cryptai.market.timeframe import HOUR_MS
from cryptai.seams import now_ms
from cryptai.web.frames import framed, unframed
from cryptai.web.live import PriceHub, Subscriber, user_topic

NOW = now_ms()


def price(symbol: str = "BTC/USDT", value: float = 1.0, exchange: str = "binance") -> dict[str, Any]:
    return {
        "type": "price", "exchange": exchange, "symbol": symbol, "price": value, "ts": NOW, "change_24h": 0.0,
        "practice": exchange == "practice",
    }  # fmt: skip


def candle(ts: int, *, closed: bool) -> dict[str, Any]:
    return {
        "type": "candle", "exchange": "binance", "symbol": "BTC/USDT", "timeframe": "1h",
        "bar": [ts, 1.0, 1.0, 1.0, 1.0, 1.0], "closed": closed,
    }  # fmt: skip


BTC = ("price", "binance", "BTC/USDT")
ETH = ("price", "binance", "ETH/USDT")


async def taken(subscriber: Subscriber) -> list[dict[str, Any]]:
    return [json.loads(unframed(frame)) for frame in await asyncio.wait_for(subscriber.take(), 1)]


async def test_a_follower_gets_the_newest_at_once_and_every_change() -> None:
    hub, subscriber = PriceHub(), Subscriber()
    hub.publish(price(value=1.0))
    hub.follow(subscriber, [BTC], {})
    assert await taken(subscriber) == [{**price(value=1.0), "seq": 1}]
    hub.publish(price(value=2.0))
    assert await taken(subscriber) == [{**price(value=2.0), "seq": 2}]


@pytest.mark.parametrize(("exchange", "practice"), [("practice", True), ("binance", False)])
@pytest.mark.parametrize("kind", ["price", "candle", "state"])
async def test_every_event_says_whether_its_venue_is_the_practice_market(
    exchange: str, practice: bool, kind: str
) -> None:
    hub, subscriber = PriceHub(), Subscriber()
    bare = {**(price() if kind == "price" else candle(0, closed=False)), "type": kind, "exchange": exchange}
    bare.pop("practice", None)
    topics = [("price", exchange, "BTC/USDT"), ("bar", exchange, "BTC/USDT", "1h"), ("state",)]
    hub.follow(subscriber, topics, {})
    hub.publish(bare)
    assert [(f["type"], f["practice"]) for f in await taken(subscriber)] == [(kind, practice)]


async def test_a_slow_follower_holds_one_frame_a_topic_however_much_comes() -> None:
    hub, subscriber = PriceHub(), Subscriber()
    hub.follow(subscriber, [BTC, ETH], {})
    for i in range(10_000):
        hub.publish(price(value=float(i)))
        hub.publish(price("ETH/USDT", float(i)))
    assert len(subscriber) == 2
    assert [(f["symbol"], f["price"], f["seq"]) for f in await taken(subscriber)] == [
        ("BTC/USDT", 9999.0, 10_000), ("ETH/USDT", 9999.0, 10_000),
    ]  # fmt: skip


async def test_one_who_comes_back_gets_only_what_is_newer_than_what_it_saw() -> None:
    hub, subscriber = PriceHub(), Subscriber()
    hub.publish(price())
    hub.publish(price("ETH/USDT"))
    hub.publish(price("ETH/USDT", 2.0))
    hub.follow(subscriber, [BTC, ETH], {BTC: 1, ETH: 1})
    assert [(f["symbol"], f["seq"]) for f in await taken(subscriber)] == [("ETH/USDT", 2)]


async def test_nothing_of_other_symbols_or_venues_comes() -> None:
    hub, subscriber = PriceHub(), Subscriber()
    hub.follow(subscriber, [BTC], {})
    hub.publish(price("ETH/USDT"))
    hub.publish(price(exchange="practice"))
    assert len(subscriber) == 0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(subscriber.take(), 0.01)


async def test_the_forming_candle_never_replaces_the_closed_one() -> None:
    hub, subscriber = PriceHub(), Subscriber()
    series = ("binance", "BTC/USDT", "1h")
    hub.follow(subscriber, [("bar", *series), ("closed", *series)], {})
    hub.publish(candle(0, closed=False))
    hub.publish(candle(0, closed=True))
    hub.publish(candle(3_600_000, closed=False))
    frames = await taken(subscriber)
    assert sorted((f["bar"][0], f["closed"]) for f in frames) == [(0, True), (3_600_000, False)]


async def test_following_anew_replaces_and_leaving_forgets() -> None:
    hub, subscriber = PriceHub(), Subscriber()
    hub.follow(subscriber, [BTC], {})
    hub.follow(subscriber, [ETH], {})
    hub.publish(price())
    assert len(subscriber) == 0
    hub.leave(subscriber)
    hub.publish(price("ETH/USDT"))
    assert len(subscriber) == 0
    assert hub._followers == {}


async def test_the_latest_prices_of_a_venue_are_there_for_the_first_page() -> None:
    hub = PriceHub()
    hub.publish(price(value=1.0))
    hub.publish(price(value=3.0))
    hub.publish(price("ETH/USDT", 2.0))
    hub.publish(price(exchange="practice"))
    assert {symbol: e["price"] for symbol, e in hub.latest("binance").items()} == {
        "BTC/USDT": 3.0,
        "ETH/USDT": 2.0,
    }
    assert hub.latest("kraken") == {}


async def test_the_last_price_of_a_market_that_is_dead_is_not_told_as_of_now() -> None:
    hub, late = PriceHub(), Subscriber()
    hub.publish({**price(), "ts": now_ms() - HOUR_MS - 60_000})
    hub.publish({**price("ETH/USDT"), "ts": now_ms() - HOUR_MS + 60_000})
    assert list(hub.latest("binance")) == ["ETH/USDT"]
    hub.follow(late, [BTC, ETH], {})
    assert [event["symbol"] for event in await taken(late)] == ["ETH/USDT"]
    hub.publish(price(value=2.0))
    assert hub.latest("binance")["BTC/USDT"]["price"] == 2.0
    assert [event["price"] for event in await taken(late)] == [2.0]


async def test_what_concerns_a_user_reaches_that_users_browsers_only_and_the_newest_of_each_thing() -> None:
    hub, alices, bobs = PriceHub(), Subscriber(), Subscriber()
    hub.follow(alices, [user_topic(1), BTC], {})
    hub.follow(bobs, [user_topic(2), BTC], {})
    for status in ("RUNNING", "COMPLETED"):
        hub.tell(1, {"type": "run", "id": "a", "status": status})
    hub.tell(1, {"type": "run", "id": "b", "status": "RUNNING"})
    assert len(bobs) == 0
    assert [(f["id"], f["status"]) for f in await taken(alices)] == [("a", "COMPLETED"), ("b", "RUNNING")]
    late = Subscriber()
    hub.follow(late, [user_topic(1)], {})
    assert len(late) == 0, "nothing of it is kept"


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 70_000])
def test_a_frame_is_read_by_another_implementation_as_the_text_it_was_made_of(length: int) -> None:
    from websockets.frames import Frame, Opcode
    from websockets.streams import StreamReader

    text = "é" * (length // 2) + "x" * (length % 2)
    reader = StreamReader()
    reader.feed_data(framed(text))
    parsing = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as parsed:
        next(parsing)
    frame = parsed.value.value
    assert (frame.opcode, frame.fin, bytes(frame.data).decode()) == (Opcode.TEXT, True, text)
    assert unframed(framed(text)) == text


def looked(*decided: str, exchange: str = "binance") -> dict[str, Any]:
    return {"type": "signals", "exchange": exchange, "state": "ready", "decided": list(decided)}


SIGNALS = ("signals", "binance")


async def test_a_slow_follower_is_told_of_every_decided_signal_and_the_newest_state() -> None:
    hub, subscriber = PriceHub(), Subscriber()
    hub.follow(subscriber, [SIGNALS], {})
    for i in range(500):
        hub.publish(looked(f"signal {i}"))
        for _ in range(3):
            hub.publish(looked())
    frames = await taken(subscriber)
    told = [one for one in frames if one["decided"]]
    assert [one["decided"] for one in told] == [[f"signal {i}"] for i in range(500)]
    assert [one["before"] for one in told] == [0, *(one["seq"] for one in told[:-1])]
    assert [one["seq"] for one in frames if not one["decided"]] == [2_000]


async def test_one_who_comes_back_is_told_of_every_signal_it_has_not_seen() -> None:
    hub, first, again = PriceHub(), Subscriber(), Subscriber()
    hub.publish(looked("a"))
    hub.publish(looked("b"))
    hub.follow(first, [SIGNALS], {})
    assert [one["decided"] for one in await taken(first)] == [["b"]]
    hub.leave(first)
    for name in "cde":
        hub.publish(looked(name))
    hub.publish(looked("z", exchange="okx"))
    hub.follow(again, [SIGNALS], {SIGNALS: 2})
    assert [one["decided"] for one in await taken(again)] == [["c"], ["d"], ["e"]]
    hub.follow(again, [SIGNALS], {SIGNALS: 5})
    assert len(again) == 0


async def test_how_many_stand_is_not_told_before_what_was_decided_until_then() -> None:
    hub, subscriber = PriceHub(), Subscriber()
    hub.follow(subscriber, [SIGNALS], {})
    for names in ((), ("a",), (), ("b",), ()):
        hub.publish(looked(*names))
    assert [one["seq"] for one in await taken(subscriber)] == [2, 4, 5]
