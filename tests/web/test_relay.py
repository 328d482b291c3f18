"""Hubs of several processes hear each other through a real Redis: the newest of each topic arrives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from full import REDIS, environment, redis_prefix  # noqa: F401 (fixtures)

from cryptai.seams import now_ms
from cryptai.web.live import PriceHub
from cryptai.web.relay import Relay, tell_once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


NOW = now_ms()


def price(symbol: str, value: float) -> dict[str, Any]:
    return {
        "type": "price", "exchange": "binance", "symbol": symbol, "price": value, "ts": NOW,
        "change_24h": None,
    }  # fmt: skip


class End:
    """A process's hub, and the relay that joins it to the others'."""

    def __init__(self, prefix: str) -> None:
        self.hub = PriceHub()
        self.relay = Relay(REDIS, prefix, self.hub.publish)

    def publish(self, event: dict[str, Any]) -> None:
        self.hub.publish(event)
        self.relay.tell(event)

    def prices(self) -> dict[str, float]:
        return {symbol: event["price"] for symbol, event in self.hub.latest("binance").items()}


@asynccontextmanager
async def ends(prefix: str, number: int) -> AsyncIterator[list[End]]:
    made = [End(prefix) for _ in range(number)]
    tasks = [asyncio.create_task(end.relay.run()) for end in made]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not true():  # noqa: ASYNC110 (what is awaited comes over Redis)
            await asyncio.sleep(0.01)


async def test_the_last_price_of_every_symbol_arrives_and_later_hubs_get_it_too(redis_prefix: str) -> None:  # noqa: F811
    last = {f"C{i}/USDT": 99.0 + i for i in range(50)}
    async with ends(redis_prefix, 2) as (one, other):
        for n in range(100):
            for i in range(50):
                one.publish(price(f"C{i}/USDT", float(n + i)))
            await asyncio.sleep(0)
        assert one.prices() == last
        await until(lambda: other.prices() == last)
        async with ends(redis_prefix, 1) as (late,):
            await until(lambda: late.prices() == last)
            late.publish(price("C0/USDT", 7.0))
            await until(lambda: one.prices()["C0/USDT"] == other.prices()["C0/USDT"] == 7.0)


async def test_a_hub_hears_no_echo_of_its_own(redis_prefix: str) -> None:  # noqa: F811
    async with ends(redis_prefix, 2) as (one, other):
        one.publish(price("E/USDT", 1.0))
        await until(lambda: other.prices().get("E/USDT") == 1.0)
        other.publish(price("F/USDT", 2.0))
        await until(lambda: one.prices().get("F/USDT") == 2.0)
        assert one.hub.latest("binance")["E/USDT"]["seq"] == 1
        assert other.hub.latest("binance")["E/USDT"]["seq"] == 1


async def test_after_a_lost_connection_the_newest_is_there(redis_prefix: str) -> None:  # noqa: F811
    from redis.asyncio import Redis

    client = Redis.from_url(REDIS)
    async with ends(redis_prefix, 2) as (one, other):
        one.publish(price("L/USDT", 1.0))
        await until(lambda: other.prices().get("L/USDT") == 1.0)
        channel = f"{redis_prefix}prices"
        for connected in await client.client_list(_type="pubsub"):
            # Only our own two: others on this Redis go on.
            if connected["name"] == channel:
                await client.client_kill_filter(_id=connected["id"])
        await client.delete(f"{redis_prefix}prices.newest")  # as if Redis had been started anew
        one.publish(price("L/USDT", 2.0))
        one.publish(price("M/USDT", 3.0))
        await until(lambda: (other.prices().get("L/USDT"), other.prices().get("M/USDT")) == (2.0, 3.0))
        async with ends(redis_prefix, 1) as (late,):
            await until(lambda: late.prices().get("L/USDT") == 2.0)
    await client.aclose()


async def test_another_process_is_heard(redis_prefix: str, tmp_path: Path) -> None:  # noqa: F811
    code = (
        "import asyncio, sys\n"
        "from cryptai.web.relay import Relay\n"
        "async def tell():\n"
        "    relay = Relay(sys.argv[1], sys.argv[2], lambda event: None)\n"
        "    run = asyncio.create_task(relay.run())\n"
        f"    relay.tell({price('P/USDT', 5.0)!r})\n"
        "    while True: await asyncio.sleep(0.1)  # until it is ended: the other says when it heard\n"
        "asyncio.run(tell())\n"
    )
    async with ends(redis_prefix, 1) as (one,):
        command = [sys.executable, "-c", code, REDIS, redis_prefix]
        process = subprocess.Popen(command, env=environment(tmp_path))  # noqa: ASYNC220 (it returns at once)
        try:
            await until(lambda: one.prices().get("P/USDT") == 5.0)
        finally:
            process.kill()
            process.wait()


async def test_what_is_for_one_user_reaches_every_server_from_wherever_and_is_kept_nowhere(
    redis_prefix: str,  # noqa: F811
) -> None:
    from redis import Redis

    async with ends(redis_prefix, 2) as (one, other):
        one.publish(price("U/USDT", 1.0))
        other.publish(price("V/USDT", 1.0))
        await until(lambda: {"U/USDT", "V/USDT"} <= one.prices().keys() & other.prices().keys())
        heard: list[tuple[str, str]] = []
        for name, end in (("one", one), ("other", other)):
            end.relay._hear = lambda event, name=name: (
                heard.append((name, event["id"])) if "to" in event else None
            )
        one.relay.tell({"to": 7, "type": "run", "id": "a", "status": "COMPLETED"})
        await until(lambda: heard == [("other", "a")])
        await asyncio.to_thread(tell_once, REDIS, redis_prefix, {"to": 7, "type": "run", "id": "b"})
        await until(lambda: sorted(heard[1:]) == [("one", "b"), ("other", "b")])
        with Redis.from_url(REDIS) as client:
            kept = client.hkeys(f"{redis_prefix}prices.newest")
        assert {topic.split(b"|")[0] for topic in kept} == {b"price"}


async def test_every_decided_signal_arrives_however_close_together_they_are_told(redis_prefix: str) -> None:  # noqa: F811
    def looked(*decided: str) -> dict[str, Any]:
        return {"type": "signals", "exchange": "binance", "state": "ready", "decided": list(decided)}

    async with ends(redis_prefix, 2) as (one, other):
        heard: list[str] = []
        hear = other.hub.publish

        def listen(event: dict[str, Any]) -> None:
            heard.extend(event.get("decided", ()))
            hear(event)

        other.relay._hear = listen
        # Before there is a connection, then while there is one.
        one.publish(looked("a"))
        one.publish(looked())
        one.publish(looked("b"))
        await until(lambda: {"a", "b"} <= set(heard))
        for i in range(50):
            one.publish(looked(f"later {i}"))
            one.publish(looked())
        await until(lambda: "later 49" in heard)
        assert [name for name in heard if name.startswith("later")] == [f"later {i}" for i in range(50)]
