"""`/ws/prices/`: who gets in, what is said, and when it ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import pytest

from cryptai.seams import now_ms
from cryptai.web import admitted, live, sockets
from cryptai.web.asgi import application
from cryptai.web.frames import FRAMES, framed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from django.test import Client

    from cryptai.web.accounts.models import User
    from cryptai.workspace import Workspace

NOW = now_ms()
HERE = {"host": "localhost:8000", "client": "127.0.0.1"}
PRICE = {
    "type": "price", "exchange": "binance", "symbol": "BTC/USDT", "price": 7.0, "ts": NOW, "change_24h": 0.01,
    "practice": False,
}  # fmt: skip


class Socket:
    """A browser's end of one socket, on the bare protocol."""

    def __init__(self, *, host: str, client: str, path: str = "/ws/prices/", **headers: str) -> None:
        names = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.scope = {
            "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "ws",
            "root_path": "", "headers": [(k.encode(), v.encode()) for k, v in names.items()],
            "client": (client, 50_000), "server": ("127.0.0.1", 8000), "subprotocols": [],
        }  # fmt: skip
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox.put_nowait({"type": "websocket.connect"})

    async def __aenter__(self) -> Self:
        async def send(message: Any) -> None:
            await self.inbox.put(message)

        self.task = asyncio.create_task(application(self.scope, self.outbox.get, send))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.outbox.put({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(self.task, 5)

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.inbox.get(), 5)

    async def frame(self) -> dict[str, Any]:
        """The next frame that is not the feed's state."""
        while True:
            message = await self.next()
            assert message["type"] == "websocket.send", message
            frame: dict[str, Any] = json.loads(message["text"])
            if frame["type"] != "state":
                return frame

    async def say(self, said: object) -> None:
        text = said if isinstance(said, str) else json.dumps(said)
        await self.outbox.put({"type": "websocket.receive", "text": text})

    async def opened(self) -> dict[str, Any]:
        assert (await self.next())["type"] == "websocket.accept"
        return await self.frame()


@pytest.fixture
async def hub(
    monkeypatch: pytest.MonkeyPatch, on_loopback: object, home: Workspace
) -> AsyncIterator[live.PriceHub]:
    del on_loopback, home
    fresh = live.PriceHub()
    monkeypatch.setattr(live, "hub", fresh)
    yield fresh
    assert fresh._followers == {}, "everybody has left"


async def test_prices_reach_a_person_at_this_machine(hub: live.PriceHub) -> None:
    async with Socket(**HERE, origin="http://localhost:8000") as socket:
        assert await socket.opened() == {"type": "hello", "epoch": hub.epoch}
        await socket.say({"exchange": "binance", "subscribe": ["BTC-USDT"]})
        await asyncio.sleep(0.01)
        hub.publish(PRICE)
        assert await socket.frame() == {**PRICE, "seq": 1}


@pytest.mark.parametrize(("same_epoch", "first_seq"), [(True, 2), (False, 1)])
async def test_what_was_seen_is_not_sent_again_within_one_epoch(
    hub: live.PriceHub, same_epoch: bool, first_seq: int
) -> None:
    hub.publish(PRICE)
    epoch = hub.epoch if same_epoch else "of the server before"
    async with Socket(**HERE) as socket:
        await socket.opened()
        await socket.say(
            {"exchange": "binance", "subscribe": ["btcusdt"], "epoch": epoch, "seen": {"BTC-USDT": 1}}
        )
        await asyncio.sleep(0.01)
        first = asyncio.create_task(socket.frame())
        await asyncio.sleep(0.01)
        hub.publish(PRICE)
        assert (await first)["seq"] == first_seq


async def test_the_last_candle_of_one_series_comes_live(hub: live.PriceHub) -> None:
    bar = {
        "type": "candle", "exchange": "binance", "symbol": "BTC/USDT", "timeframe": "1h",
        "bar": [0, 1.0, 2.0, 0.5, 1.5, 9.0], "closed": False, "practice": False,
    }  # fmt: skip
    async with Socket(**HERE) as socket:
        await socket.opened()
        await socket.say({"exchange": "binance", "candles": {"symbol": "BTC-USDT", "timeframe": "1h"}})
        await asyncio.sleep(0.01)
        hub.publish({**bar, "timeframe": "4h"})
        hub.publish(bar)
        assert await socket.frame() == {**bar, "seq": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9000"},
        {"origin": "https://localhost:8000"},
        {"origin": "null"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"path": "/ws/other/"},
    ],
)
async def test_another_sites_page_does_not_get_in(hub: live.PriceHub, change: dict[str, str]) -> None:
    del hub
    async with Socket(**{**HERE, **change}) as socket:
        assert (await socket.next())["type"] == "websocket.close"


@pytest.mark.parametrize(
    "said",
    [
        "", "{", "[]", "7", "[" * 4000, '{"subscribe": "BTC"}', '{"subscribe": ["?"]}', '{"subscribe": [7]}',
        '{"candles": {"symbol": "BTC-USDT", "timeframe": "7h"}}', '{"candles": 5}',
        '{"seen": 5, "epoch": "E"}',
        json.dumps({"subscribe": ["BTC-USDT"] * 101}), json.dumps({"x": "y" * 5000}),
    ],
)  # fmt: skip
async def test_nonsense_closes_the_socket(hub: live.PriceHub, said: str) -> None:
    async with Socket(**HERE) as socket:
        await socket.opened()
        await socket.say(said.replace("E", hub.epoch))
        message = await socket.next()
        assert message["type"] == "websocket.close"
        assert message["code"] in {1008, 1009}


async def test_a_flood_of_messages_closes_the_socket(hub: live.PriceHub) -> None:
    del hub
    async with Socket(**HERE) as socket:
        await socket.opened()
        for _ in range(sockets.BURST + 5):
            await socket.say({})
        assert (await socket.next()) == {"type": "websocket.close", "code": 1008}


async def test_more_sockets_than_the_server_holds_are_told_to_come_later(
    hub: live.PriceHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    del hub
    monkeypatch.setattr(sockets, "MOST_SOCKETS", 1)
    async with Socket(**HERE) as first:
        await first.opened()
        async with Socket(**HERE) as second:
            assert await second.next() == {"type": "websocket.close", "code": 1013}
    async with Socket(**HERE) as third:
        await third.opened()


async def test_a_browser_that_takes_nothing_costs_one_frame_a_topic(hub: live.PriceHub) -> None:
    async with Socket(**HERE) as socket:
        await socket.opened()
        await socket.say({"exchange": "binance", "subscribe": ["BTC-USDT"]})
        await asyncio.sleep(0.01)
        for _ in range(5_000):
            hub.publish(PRICE)
        assert [len(s) for s in hub._followers["price", "binance", "BTC/USDT"][1]] == [1]


@pytest.mark.django_db(transaction=True)
async def test_off_loopback_a_session_is_needed_and_its_end_ends_the_socket(
    hub: live.PriceHub, alice: User, signed_in: Callable[[User], Client], settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    del hub
    settings.ALLOWED_HOSTS = ["cryptai.example"]
    monkeypatch.setattr(admitted, "RECHECK_S", 0.01)
    there = {"host": "cryptai.example", "client": "192.0.2.7", "origin": "http://cryptai.example"}
    async with Socket(**there) as stranger:
        assert (await stranger.next())["type"] == "websocket.close"
    client = await asyncio.to_thread(signed_in, alice)
    cookie = f"cryptai-session={client.cookies['cryptai-session'].value}"
    async with Socket(**there, cookie=cookie) as socket:
        await socket.opened()
        await asyncio.to_thread(alice.start_over)
        while (message := await socket.next())["type"] != "websocket.close":
            pass
        assert message["code"] == 1008


async def test_a_server_that_takes_prebuilt_frames_gets_a_batch_as_one(hub: live.PriceHub) -> None:
    socket = Socket(**HERE)
    socket.scope["extensions"] = {FRAMES: {}}
    async with socket:
        await socket.opened()
        await socket.say({"exchange": "binance", "subscribe": ["BTC-USDT", "ETH-USDT"]})
        await asyncio.sleep(0.01)
        hub.publish(PRICE)
        hub.publish({**PRICE, "symbol": "ETH/USDT"})
        hub.publish({**PRICE, "price": 8.0})
        message = await socket.next()
        while b'"state"' in message["frames"]:
            message = await socket.next()
        assert message["type"] == FRAMES
        assert message["frames"] == framed(
            json.dumps({**PRICE, "price": 8.0, "seq": 2}, separators=(",", ":"))
        ) + (framed(json.dumps({**PRICE, "symbol": "ETH/USDT", "seq": 1}, separators=(",", ":"))))


@pytest.mark.django_db(transaction=True)
async def test_what_concerns_alice_is_told_to_alices_sockets_only(
    hub: live.PriceHub, alice: User, bob: User, signed_in: Callable[[User], Client]
) -> None:
    hers, his = [
        f"cryptai-session={(await asyncio.to_thread(signed_in, user)).cookies['cryptai-session'].value}"
        for user in (alice, bob)
    ]
    async with (
        Socket(**HERE, cookie=hers) as one,
        Socket(**HERE, cookie=his) as two,
        Socket(**HERE) as nobody,
    ):
        for socket in (one, two, nobody):
            await socket.opened()
        await two.say({"exchange": "binance", "subscribe": [], "user": alice.pk})  # no such wish
        await asyncio.sleep(0.05)
        news = {"type": "run", "id": "r", "status": "COMPLETED"}
        hub.tell(alice.pk, news)
        hub.tell(bob.pk, {**news, "id": "his"})
        assert await one.frame() == news
        assert (await two.frame())["id"] == "his"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(nobody.frame(), 0.1)


@pytest.mark.django_db(transaction=True)
async def test_the_sessions_of_many_sockets_are_asked_for_together(
    hub: live.PriceHub, alice: User, signed_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    del hub
    asked: list[int] = []
    real = admitted._still_known
    monkeypatch.setattr(admitted, "RECHECK_S", 0.05)
    monkeypatch.setattr(admitted, "_still_known", lambda watched: asked.append(len(watched)) or real(watched))
    clients = [await asyncio.to_thread(signed_in, alice) for _ in range(5)]
    cookies = [f"cryptai-session={client.cookies['cryptai-session'].value}" for client in clients]
    async with AsyncExitStack() as stack:
        sockets_ = [await stack.enter_async_context(Socket(**HERE, cookie=cookie)) for cookie in cookies]
        for socket in sockets_:
            await socket.opened()
        while 5 not in asked:  # noqa: ASYNC110 (a thread asks)
            await asyncio.sleep(0.01)
        await asyncio.to_thread(clients[2].logout)
        assert (await sockets_[2].next())["type"] == "websocket.close"
        while asked[-1] != 4:  # noqa: ASYNC110 (a thread asks)
            await asyncio.sleep(0.01)
        assert sockets_[3].inbox.empty()


async def test_signals_are_told_to_those_who_ask(hub: live.PriceHub) -> None:
    news = {"type": "signals", "exchange": "binance", "state": "ready", "standing": 3, "decided": []}
    async with Socket(**HERE) as asking, Socket(**HERE) as other:
        for socket in (asking, other):
            await socket.opened()
        await asking.say({"exchange": "binance", "signals": True, "subscribe": ["BTC-USDT"]})
        await other.say({"exchange": "binance", "subscribe": ["BTC-USDT"]})
        await asyncio.sleep(0.05)
        hub.publish(news)
        hub.publish(PRICE)
        assert {(await asking.frame())["type"], (await asking.frame())["type"]} == {"signals", "price"}
        assert (await other.frame())["type"] == "price"


async def test_a_browser_that_comes_back_gets_the_signals_that_were_decided_meanwhile(
    hub: live.PriceHub,
) -> None:
    def decide(name: str) -> None:
        told = {"type": "signals", "exchange": "binance", "state": "ready", "standing": 1, "decided": [name]}
        hub.publish(told)

    decide("before")
    async with Socket(**HERE) as socket:
        await socket.opened()
        await socket.say({"exchange": "binance", "signals": True})
        first = await socket.frame()
    for name in "abc":
        decide(name)
    async with Socket(**HERE) as socket:
        await socket.opened()
        seen = {"signals": first["seq"], **dict.fromkeys((f"A{i}-USDT" for i in range(100)), 1)}
        await socket.say({"exchange": "binance", "signals": True, "epoch": hub.epoch, "seen": seen})
        assert [(await socket.frame())["decided"] for _ in "abc"] == [["a"], ["b"], ["c"]]
