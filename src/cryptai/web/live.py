"""What is true this moment: the price hub, and the feed behind it.

Prices go from the feed to many browsers. Each event is made a frame once; each browser holds at most
one unsent frame a topic, the newest (conflation), so a slow one costs no memory and falls behind by nothing
but what it cannot see anyway. A topic's frames carry a sequence number; a browser that comes back says what
it saw last and gets only what is newer.

Signals that were decided are no such value: each is told, to slow browsers too. What tells of some is not
conflated, and the hub keeps the newest of these events for browsers that come back.

What concerns one user only (a run that ended) goes the same way to that user's browsers, see `tell_user`. It
says no more than that there is news: nothing of it is kept, and a page that connects looks for itself.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from cryptai.errors import CryptaiError
from cryptai.market.exchange import PRACTICE
from cryptai.market.timeframe import HOUR_MS
from cryptai.seams import new_id, now_ms
from cryptai.web.frames import framed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryptai.market.feed import Feed, FeedStatus
    from cryptai.market.store import CandleStore

# ("price", exchange, symbol) · ("state",)
# ("bar", exchange, symbol, timeframe), the forming one · ("closed", exchange, symbol, timeframe)
# ("user", key), what concerns that user
Topic = tuple[str, ...]
# Frames that tell of decided signals, kept of each venue for browsers that come back.
_REMEMBERED: Final = 1_000


class Subscriber:
    """One browser's side of the hub: what it follows and what it has not been sent yet."""

    __slots__ = ("_unsent", "_waiting", "topics")

    def __init__(self) -> None:
        self.topics: tuple[Topic, ...] = ()
        self._unsent: dict[Topic, bytes] = {}
        self._waiting: asyncio.Future[None] | None = None

    def offer(self, topic: Topic, frame: bytes) -> None:
        """Keep the frame for sending, in place of an older one of its topic."""
        if topic[0] == "signals":
            # In their order: how many stand is not told before what was decided until then.
            self._unsent.pop(topic, None)
        self._unsent[topic] = frame
        if self._waiting is not None:
            if not self._waiting.done():
                self._waiting.set_result(None)
            self._waiting = None

    async def take(self) -> list[bytes]:
        """Return all unsent frames as soon as there is one; one task asks."""
        while not self._unsent:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        frames, self._unsent = list(self._unsent.values()), {}
        return frames

    def __len__(self) -> int:
        return len(self._unsent)


class PriceHub:
    """Newest values by topic, and who follows which. All methods but `latest` run on the server's loop."""

    def __init__(self) -> None:
        # Sequence numbers start anew with the process; a browser that saw another epoch gets everything.
        self.epoch = new_id()
        self._newest: dict[Topic, dict[str, Any]] = {}
        self._frames: dict[Topic, bytes] = {}
        # What is not conflated: by topic, each frame with its number, the newest last.
        self._each: dict[Topic, deque[tuple[int, bytes]]] = {}
        # By topic, with the one tuple that stands for it: thousands of browsers name the same ones.
        self._followers: dict[Topic, tuple[Topic, set[Subscriber]]] = {}

    def publish(self, event: dict[str, Any]) -> None:
        """Keep a feed's event, marked `practice` or not, as its topic's newest, and offer it to followers.

        One that tells of decided signals also says the number of the one that did `before` it: a browser that
        has that one has them all.
        """
        topic = _topic(event)
        seq = self._newest[topic]["seq"] + 1 if topic in self._newest else 1
        newest = {**event, "practice": event["exchange"] == PRACTICE, "seq": seq}
        each, slot = None, topic
        if event.get("decided"):
            each, slot = self._each.setdefault(topic, deque(maxlen=_REMEMBERED)), (*topic, str(seq))
            newest["before"] = each[-1][0] if each else 0
        self._newest[topic] = newest
        frame = _framed(newest)
        self._frames[topic] = frame
        if each is not None:
            each.append((seq, frame))
        if topic in self._followers:
            topic, followers = self._followers[topic]
            for subscriber in followers:
                subscriber.offer(slot, frame)

    def tell(self, user: int, event: dict[str, Any]) -> None:
        """Offer an event to that user's browsers; the newest of each `type` and `id` replaces older ones."""
        topic = user_topic(user)
        slot, frame = (*topic, str(event["type"]), str(event.get("id"))), _framed(event)
        for subscriber in self._followers.get(topic, (topic, ()))[1]:
            subscriber.offer(slot, frame)

    def follow(self, subscriber: Subscriber, topics: Iterable[Topic], seen: dict[Topic, int]) -> None:
        """Follow these topics in place of those before; offer at once what is newer than `seen`.

        A price that is old (see `latest`) is not offered.
        """
        self.leave(subscriber)
        kept = []
        for topic in sorted(set(topics)):
            one, followers = self._followers.setdefault(topic, (topic, set()))
            followers.add(subscriber)
            kept.append(one)
            since = seen.get(topic)
            for seq, frame in self._each.get(topic, ()):
                if since is not None and seq > since:
                    subscriber.offer((*one, str(seq)), frame)
            if (
                topic in self._frames
                and self._newest[topic]["seq"] != since
                and not _is_old(self._newest[topic])
            ):
                subscriber.offer(self._slot(one), self._frames[topic])
        subscriber.topics = tuple(kept)

    def _slot(self, topic: Topic) -> Topic:
        # Where a browser holds the newest: in a place of its own if it is one of those that are all told.
        newest, each = self._newest[topic]["seq"], self._each.get(topic)
        return (*topic, str(newest)) if each and each[-1][0] == newest else topic

    def leave(self, subscriber: Subscriber) -> None:
        """Follow nothing more."""
        for topic in subscriber.topics:
            followers = self._followers[topic][1]
            followers.discard(subscriber)
            if not followers:
                del self._followers[topic]
        subscriber.topics = ()

    def latest(self, exchange: str) -> dict[str, dict[str, Any]]:
        """Return the newest price event of each symbol of that venue; safe from any thread.

        A market of which nothing came for an hour is not in it: its last bar says as much, and how old it is.
        """
        newest = self._newest.copy()
        return {
            topic[2]: event
            for topic, event in newest.items()
            if topic[:2] == ("price", exchange) and not _is_old(event)
        }

    def state(self) -> dict[str, Any] | None:
        """Return the newest state of the feed, whichever process it runs in; safe from any thread."""
        return self._newest.get(("state",))


hub = PriceHub()
# How an event for a user leaves this process or thread: set by the server and by workers.
_speak: Callable[[dict[str, Any]], None] | None = None
_feed: Feed | None = None
_store: CandleStore | None = None


def latest(exchange: str) -> dict[str, dict[str, Any]]:
    """Return `{symbol: {price, ts, change_24h, seq, …}}`, the newest prices of that venue."""
    return hub.latest(exchange)


def user_topic(user: int) -> Topic:
    """Return what to follow to hear what concerns that user."""
    return ("user", str(user))


def tell_user(user: int, **event: Any) -> None:
    """Let that user's open pages know of news: `type`, `id` and what is public to the user of it.

    From any thread, of the server or of a worker. It is lost where nobody listens, and where this process has
    no way to a server.
    """
    if _speak is not None:
        _speak({**event, "to": user})


def speak_by(speak: Callable[[dict[str, Any]], None] | None) -> None:
    """Say how events for users leave: `speak(event)` is called on any thread; the user is its `to`."""
    global _speak  # noqa: PLW0603 (one way out of a process)
    _speak = speak


def store() -> CandleStore:
    """Return the workspace's candle store, opened on first use (its imports are not light)."""
    global _store  # noqa: PLW0603 (opened once a process)
    if _store is None:
        from cryptai.market.opening import open_store  # noqa: PLC0415 (heavy: not at start)

        _store = open_store(settings.WORKSPACE)
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


# The last price of a market that is dead must not look like a price of now.
def _is_old(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "price" and now_ms() - event["ts"] > HOUR_MS)


def _framed(event: dict[str, Any]) -> bytes:
    return framed(json.dumps(event, separators=(",", ":"), allow_nan=False))


def _topic(event: dict[str, Any]) -> Topic:
    if event["type"] == "price":
        return ("price", event["exchange"], event["symbol"])
    if event["type"] == "candle":
        kind = "closed" if event["closed"] else "bar"
        return (kind, event["exchange"], event["symbol"], event["timeframe"])
    if event["type"] == "signals":
        return ("signals", event["exchange"])
    return ("state",)
