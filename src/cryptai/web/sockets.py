"""`/ws/prices/`: live prices and candles for one browser, on the bare ASGI protocol.

A browser says what it wants, as often as it likes within reason::

    {"exchange": "binance", "subscribe": ["BTC-USDT", "ETH-USDT"],
     "candles": {"symbol": "BTC-USDT", "timeframe": "1h"}, "signals": true,
     "epoch": "…", "seen": {"BTC-USDT": 17}}

Each name replaces what it said before under it; `exchange` is the feed's where it is not given. It first gets
`{"type": "hello", "epoch": …}`, then the newest of all it follows and every change, as the feed's events
with a `seq` and `practice`, and the feed's state. After a break it sends back `epoch` and what it has `seen`:
the last `seq` of each symbol, and of `signals`. These are told after each look at what closed: how many
stand, and which were `decided` newly. Of those none is left out, however slowly a browser reads: an event
that tells of some says the `seq` of the one `before` that did. Whoever has not seen that one, or comes back
to another epoch, finds the others at `/api/v1/recorded-signals/?since=`.

Whoever is signed in also gets what concerns them, and them only, unasked:
`{"type": "run", "id": "…", "status": "COMPLETED"}`.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import InputError
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe
from cryptai.seams import monotonic
from cryptai.web import live
from cryptai.web.admitted import Watch, admit
from cryptai.web.frames import FRAMES, unframed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cryptai.web.admitted import Admitted
    from cryptai.web.live import Topic

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[Mapping[str, Any]], Awaitable[None]]

PATH: Final = "/ws/prices/"
SIGNALS: Final = "signals"  # its name among what was `seen`; no symbol is called so
LONGEST: Final = 4096  # characters of one message
MOST_SYMBOLS: Final = 100
# What this process holds at most, tens of KiB each.
MOST_SOCKETS: Final = 10_000
# Messages a socket may send at once, and the seconds after which one more is granted.
BURST: Final = 20
GRANT_S: Final = 0.2

_POLICY, _TOO_BIG, _TRY_LATER = 1008, 1009, 1013
_open = 0
_watch = Watch()


async def prices(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one socket from its opening to its end."""
    global _open  # noqa: PLW0603 (how many this process holds)
    await receive()
    who = await asyncio.to_thread(admit, scope) if scope["path"] == PATH else None
    if who is None:
        await send({"type": "websocket.close", "code": _POLICY})
        return
    if _open >= MOST_SOCKETS:
        await send({"type": "websocket.close", "code": _TRY_LATER})
        return
    _open += 1
    try:
        await send({"type": "websocket.accept"})
        await _serve(who, receive, send, FRAMES in scope.get("extensions", ()))
    finally:
        _open -= 1


async def _serve(who: Admitted, receive: Receive, send: Send, prebuilt: bool) -> None:
    subscriber = live.Subscriber()
    telling = asyncio.create_task(_tell(subscriber, send, prebuilt))
    this, ended = asyncio.current_task(), False

    def end() -> None:
        nonlocal ended
        ended = True
        if this is not None:
            this.cancel()

    _watch.add(subscriber, who, end)
    try:
        code = await _listen(subscriber, who, receive)
    except asyncio.CancelledError:
        if not ended or this is None or this.uncancel():
            raise
        code = _POLICY
    finally:
        _watch.drop(subscriber)
        live.hub.leave(subscriber)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    if code is not None:
        with suppress(OSError, RuntimeError):  # the browser has gone meanwhile
            await send({"type": "websocket.close", "code": code})


# Sends batch after batch; while a slow browser takes one, the next gathers, conflated, in the subscriber.
async def _tell(subscriber: live.Subscriber, send: Send, prebuilt: bool) -> None:
    await send({"type": "websocket.send", "text": json.dumps({"type": "hello", "epoch": live.hub.epoch})})
    while True:
        frames = await subscriber.take()
        if prebuilt:
            await send({"type": FRAMES, "frames": b"".join(frames)})
        else:
            for frame in frames:
                await send({"type": "websocket.send", "text": unframed(frame)})


# Returns the code to close with, None when the browser has closed.
async def _listen(subscriber: live.Subscriber, who: Admitted, receive: Receive) -> int | None:
    wish = _Wish()
    live.hub.follow(subscriber, wish.topics(who), {})
    granted, since = float(BURST), monotonic()
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return None
        granted, since = min(BURST, granted + (monotonic() - since) / GRANT_S), monotonic()
        granted -= 1
        text = message.get("text")
        if granted < 0 or text is None:
            return _POLICY
        if len(text) > LONGEST:
            return _TOO_BIG
        try:
            said = json.loads(text)
            if not isinstance(said, dict):
                return _POLICY
            wish.hear(said)
            live.hub.follow(subscriber, wish.topics(who), wish.seen(said))
            del message, text, said  # kept while it waits, they would be kilobytes a browser
        # InputError is a ValueError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return _POLICY


class _Wish:
    """What a browser said it wants, newest words first; what it says beside these is not kept."""

    __slots__ = ("candles", "exchange", "signals", "symbols")

    def __init__(self) -> None:
        self.exchange = ""
        self.symbols: tuple[str, ...] = ()
        self.candles: tuple[str, str] | None = None
        self.signals = False

    def hear(self, said: dict[str, Any]) -> None:
        """Take what it says in place of what it said before."""
        if "exchange" in said:
            self.exchange = intern(str(said["exchange"] or ""))
        if "subscribe" in said:
            symbols = said["subscribe"] or []
            if not isinstance(symbols, list) or len(symbols) > MOST_SYMBOLS:
                raise InputError(f"A socket follows {MOST_SYMBOLS} symbols at most.", field="subscribe")
            self.symbols = tuple(intern(parse_symbol(symbol)) for symbol in symbols)
        if "signals" in said:
            self.signals = bool(said["signals"])
        if "candles" in said:
            series = said["candles"]
            self.candles = (
                (intern(parse_symbol(series["symbol"])), str(Timeframe(series["timeframe"])))
                if series
                else None
            )

    def topics(self, who: Admitted) -> list[Topic]:
        """Return what to follow: the feed's state, what concerns the user, and what was asked for."""
        topics: list[Topic] = [("state",), *(("price", self._venue(), symbol) for symbol in self.symbols)]
        if who.user is not None:
            topics.append(live.user_topic(who.user))
        if self.signals:
            topics.append(("signals", self._venue()))
        if self.candles:
            topics += [(kind, self._venue(), *self.candles) for kind in ("closed", "bar")]
        return topics

    def seen(self, said: dict[str, Any]) -> dict[Topic, int]:
        """Return the sequence numbers it has seen, if they are of this hub."""
        seen = said.get("seen") or {}
        if said.get("epoch") != live.hub.epoch:
            return {}
        if len(seen) > MOST_SYMBOLS + 1:
            raise InputError(f"A socket follows {MOST_SYMBOLS} symbols at most.", field="seen")
        venue = self._venue()
        told: dict[Topic, int] = {
            ("price", venue, parse_symbol(name)): seq for name, seq in seen.items() if name != SIGNALS
        }
        if SIGNALS in seen:
            told[SIGNALS, venue] = int(seen[SIGNALS])
        return told

    def _venue(self) -> str:
        return self.exchange or live.feed_status().exchange
