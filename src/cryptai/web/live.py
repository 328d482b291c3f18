"""What is true this moment: the price hub, and the feed behind it.

Prices go from the feed to many browsers. Each event is written as JSON once; each browser holds at most
one unsent frame a topic, the newest (conflation), so a slow one costs no memory and falls behind by nothing
but what it cannot see anyway. A topic's frames carry a sequence number; a browser that comes back says what
it saw last and gets only what is newer.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django.conf import settings

from cryptai.errors import CryptaiError
from cryptai.market.exchange import PRACTICE
from cryptai.seams import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptai.market.feed import Feed, FeedStatus
    from cryptai.market.store import CandleStore

# ("price", exchange, symbol) · ("state",)
# ("bar", exchange, symbol, timeframe), the forming one · ("closed", exchange, symbol, timeframe)
Topic = tuple[str, ...]


class Subscriber:
    """One browser's side of the hub: what it follows and what it has not been sent yet."""

    def __init__(self) -> None:
        self.topics: frozenset[Topic] = frozenset()
        self._unsent: dict[Topic, str] = {}
        self._wake = asyncio.Event()

    def offer(self, topic: Topic, frame: str) -> None:
        """Keep the frame for sending, in place of an older one of its topic."""
        self._unsent[topic] = frame
        self._wake.set()

    async def take(self) -> list[str]:
        """Return all unsent frames as soon as there is one."""
        await self._wake.wait()
        self._wake.clear()
        frames = list(self._unsent.values())
        self._unsent.clear()
        return frames

    def __len__(self) -> int:
        return len(self._unsent)


class PriceHub:
    """Newest values by topic, and who follows which. All methods but `latest` run on the server's loop."""

    def __init__(self) -> None:
        # Sequence numbers start anew with the process; a browser that saw another epoch gets everything.
        self.epoch = new_id()
        self._newest: dict[Topic, dict[str, Any]] = {}
        self._frames: dict[Topic, str] = {}
        self._followers: dict[Topic, set[Subscriber]] = {}

    def publish(self, event: dict[str, Any]) -> None:
        """Keep a feed's event, marked `practice` or not, as its topic's newest, and offer it to followers."""
        topic = _topic(event)
        seq = self._newest[topic]["seq"] + 1 if topic in self._newest else 1
        newest = {**event, "practice": event["exchange"] == PRACTICE, "seq": seq}
        self._newest[topic] = newest
        frame = json.dumps(newest, separators=(",", ":"), allow_nan=False)
        self._frames[topic] = frame
        for subscriber in self._followers.get(topic, ()):
            subscriber.offer(topic, frame)

    def follow(self, subscriber: Subscriber, topics: Iterable[Topic], seen: dict[Topic, int]) -> None:
        """Follow these topics in place of those before; offer at once what is newer than `seen`."""
        self.leave(subscriber)
        subscriber.topics = frozenset(topics)
        for topic in sorted(subscriber.topics):
            self._followers.setdefault(topic, set()).add(subscriber)
            if topic in self._frames and self._newest[topic]["seq"] != seen.get(topic):
                subscriber.offer(topic, self._frames[topic])

    def leave(self, subscriber: Subscriber) -> None:
        """Follow nothing more."""
        for topic in subscriber.topics:
            followers = self._followers.get(topic, set())
            followers.discard(subscriber)
            if not followers:
                self._followers.pop(topic, None)
        subscriber.topics = frozenset()

    def latest(self, exchange: str) -> dict[str, dict[str, Any]]:
        """Return the newest price event of each symbol of that venue; safe from any thread."""
        newest = self._newest.copy()
        return {topic[2]: event for topic, event in newest.items() if topic[:2] == ("price", exchange)}

    def state(self) -> dict[str, Any] | None:
        """Return the newest state of the feed, whichever process it runs in; safe from any thread."""
        return self._newest.get(("state",))


hub = PriceHub()
_feed: Feed | None = None
_store: CandleStore | None = None


def latest(exchange: str) -> dict[str, dict[str, Any]]:
    """Return `{symbol: {price, ts, change_24h, seq, …}}`, the newest prices of that venue."""
    return hub.latest(exchange)


def store() -> CandleStore:
    """Return the workspace's candle store, opened on first use (its imports are not light)."""
    global _store  # noqa: PLW0603 (opened once a process)
    if _store is None:
        from cryptai.market.store import CandleStore  # noqa: PLC0415 (heavy: not at start)

        _store = CandleStore(settings.WORKSPACE.candles)
    return _store


def exchanges() -> list[str]:
    """Return the venues with stored candles; none where the store cannot be read, for every page asks this.

    What is wrong with the store is said by the pages that read it.
    """
    try:
        return store().exchanges()
    except CryptaiError:
        return []


def attach(feed: Feed | None) -> None:
    """Say which feed fills the hub; None when it has ended."""
    global _feed  # noqa: PLW0603 (one feed a process)
    _feed = feed


def feed_status() -> FeedStatus:
    """Return the state of the data, as this process's feed or another's has it; "stopped" without a feed."""
    if _feed is not None:
        return _feed.status
    from cryptai.market.feed import FeedStatus  # noqa: PLC0415 (heavy: not at start)

    if told := hub.state():
        return FeedStatus(**{field.name: told[field.name] for field in fields(FeedStatus)})
    stored = exchanges()
    exchange = "binance" if "binance" in stored or not stored else stored[0]
    return FeedStatus(
        exchange=exchange, practice=exchange == PRACTICE,
        state="stopped", message="No feed is running.", done=0, total=0, since_ms=0,
    )  # fmt: skip


def _topic(event: dict[str, Any]) -> Topic:
    if event["type"] == "price":
        return ("price", event["exchange"], event["symbol"])
    if event["type"] == "candle":
        kind = "closed" if event["closed"] else "bar"
        return (kind, event["exchange"], event["symbol"], event["timeframe"])
    return ("state",)
