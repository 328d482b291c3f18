"""Price hubs of several processes hear each other: a pub/sub channel of Redis, and the newest of each topic.

The process that follows the market tells what its hub learns; every other gives it to its own hub. A process
that comes later, or lost the connection, first gets the newest of every topic. Like everywhere, prices
and unfinished candles are conflated on the way and the last of each topic arrives; signals that were decided
are gathered, and all arrive. What is for one user
(`to`) goes the same way and is kept nowhere. Without `REDIS_URL` there is one process, and nothing here runs.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cryptai.market.source import Backoff
from cryptai.seams import monotonic, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

_log = logging.getLogger(__name__)
# So long what comes is gathered before it is told: a person sees no difference, and Redis one command.
_GATHER_S: Final = 0.01
# What nobody has told anew for so long is no longer true of a market.
_KEPT_S: Final = 3600
# A connection that held so long was a good one.
_STEADY_S: Final = 60.0
_Event: TypeAlias = dict[str, Any]


class Relay:
    """One process's end of the channel.

    Parameters
    ----------
    hear
        Called with each event of another process, on the running loop.
    """

    def __init__(self, address: str, prefix: str, hear: Callable[[_Event], None]) -> None:
        self._address = address
        self._channel = f"{prefix}prices"
        self._newest = f"{prefix}prices.newest"
        self._hear = hear
        self._origin = new_id()
        self._own: dict[str, _Event] = {}
        self._unsent: dict[str, _Event] = {}
        self._wake = asyncio.Event()

    def tell(self, event: _Event) -> None:
        """Have the others hear an event of this process soon, unless a newer of its topic comes first."""
        topic = _topic(event)
        self._unsent[topic] = _after(self._unsent.get(topic), event)
        if "to" not in event:
            self._own[topic] = event
        self._wake.set()

    async def run(self) -> None:
        """Tell and hear for ever; a connection that is lost is made anew."""
        from redis.asyncio import Redis  # noqa: PLC0415 (only where there is a REDIS_URL)
        from redis.exceptions import RedisError  # noqa: PLC0415

        backoff, attempt = Backoff(first=0.1, most=5.0), 0
        while True:
            began = monotonic()
            client = Redis.from_url(self._address, client_name=self._channel)
            try:
                await self._connected(client)
            except* (RedisError, OSError) as errors:
                _log.warning("Prices cannot be shared through Redis now (%s).", errors.exceptions[0])
            finally:
                await client.aclose()
            attempt = 0 if monotonic() - began > _STEADY_S else attempt + 1
            await asyncio.sleep(backoff.seconds(attempt))

    async def _connected(self, client: Redis) -> None:
        async with client.pubsub() as pubsub, asyncio.TaskGroup() as tasks:
            await pubsub.subscribe(self._channel)
            while await pubsub.get_message(timeout=5.0) is None:
                pass
            # Only now: whatever is told from here on comes through the channel too.
            for stored in (await client.hgetall(self._newest)).values():
                self._take(stored)
            # Redis may have forgotten everything meanwhile.
            self._unsent = {
                **self._own,
                **{topic: one for topic, one in self._unsent.items() if "to" in one or one.get("decided")},
            }
            self._wake.set()
            tasks.create_task(self._send(client))
            tasks.create_task(self._listen(pubsub))

    async def _send(self, client: Redis) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            batch, self._unsent = self._unsent, {}
            if batch:
                told = {topic: json.dumps(event) for topic, event in batch.items()}
                kept = {topic: self._message(one) for topic, one in told.items() if "to" not in batch[topic]}
                async with client.pipeline(transaction=True) as together:
                    if kept:
                        together.hset(self._newest, mapping=kept)  # type: ignore[arg-type]
                        together.expire(self._newest, _KEPT_S)
                    # One message for all: hundreds of prices change at the same instant.
                    together.publish(self._channel, self._message(", ".join(told.values())))
                    try:
                        await together.execute()
                    except Exception:
                        for topic, event in batch.items():
                            if event.get("decided"):
                                self._unsent[topic] = _after(event, self._unsent.get(topic, event))
                        raise

    def _message(self, events: str) -> str:
        return f'{{"from": "{self._origin}", "events": [{events}]}}'

    async def _listen(self, pubsub: PubSub) -> None:
        async for message in pubsub.listen():
            if message["type"] == "message":
                self._take(message["data"])

    def _take(self, frame: bytes | str) -> None:
        told = json.loads(frame)
        if told["from"] != self._origin:
            for event in told["events"]:
                # It is the other's to tell now: ours would be the older one.
                self._own.pop(_topic(event), None)
                self._hear(event)


def tell_once(address: str, prefix: str, event: _Event) -> None:
    """Have all servers hear an event from a process that has no hub, such as a worker; lost without Redis."""
    from redis import Redis, RedisError  # noqa: PLC0415 (only where there is a REDIS_URL)

    try:
        with Redis.from_url(address, socket_timeout=2.0, socket_connect_timeout=2.0) as client:
            client.publish(f"{prefix}prices", json.dumps({"from": "", "events": [event]}))
    except RedisError as error:
        _log.warning("What a user should know of could not be told through Redis (%s).", error)


def _after(before: _Event | None, event: _Event) -> _Event:
    """Return an event in place of one that was not told, with the signals that were decided before, too."""
    if before is None or before is event or not before.get("decided"):
        return event
    return {**event, "decided": [*before["decided"], *event["decided"]]}


def _topic(event: _Event) -> str:
    if "to" in event:
        return "|".join(("to", *(str(event.get(name)) for name in ("to", "type", "id"))))
    parts = (event.get(name) for name in ("type", "exchange", "symbol", "timeframe", "closed"))
    # There is one state: the venue that is followed may change.
    return "state" if event["type"] == "state" else "|".join(str(part) for part in parts)
