"""`/ws/prices/`: live prices and candles for one browser, on the bare ASGI protocol.

A browser says what it wants, as often as it likes within reason::

    {"exchange": "binance", "subscribe": ["BTC-USDT", "ETH-USDT"],
     "candles": {"symbol": "BTC-USDT", "timeframe": "1h"},
     "epoch": "…", "seen": {"BTC-USDT": 17}}

Each name replaces what it said before under it; `exchange` is the feed's where it is not given. It first gets
`{"type": "hello", "epoch": …}`, then the newest of all it follows and every change, as the feed's events
with a `seq` and `practice`, and the feed's state. After a break it sends
back `epoch` and the last `seq` seen of each symbol.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import connections

from cryptai.errors import InputError
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe
from cryptai.seams import monotonic
from cryptai.web import live
from cryptai.web.permissions import is_loopback, may

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cryptai.web.live import Topic

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[Mapping[str, Any]], Awaitable[None]]

PATH: Final = "/ws/prices/"
LONGEST: Final = 4096  # characters of one message
MOST_SYMBOLS: Final = 100
MOST_SOCKETS: Final = 256
# Messages a socket may send at once, and the seconds after which one more is granted.
BURST: Final = 20
GRANT_S: Final = 0.2
# A session that has ended closes its sockets within this time.
RECHECK_S: Final = 0.8
_WISHES: Final = ("exchange", "subscribe", "candles", "epoch", "seen")

_POLICY, _TOO_BIG, _TRY_LATER = 1008, 1009, 1013
_open = 0


async def prices(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one socket from its opening to its end."""
    global _open  # noqa: PLW0603 (how many this process holds)
    await receive()
    if scope["path"] != PATH or not await asyncio.to_thread(_permitted, scope):
        await send({"type": "websocket.close", "code": _POLICY})
        return
    if _open >= MOST_SOCKETS:
        await send({"type": "websocket.close", "code": _TRY_LATER})
        return
    _open += 1
    try:
        await send({"type": "websocket.accept"})
        await _serve(scope, receive, send)
    finally:
        _open -= 1


async def _serve(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    subscriber = live.Subscriber()
    tasks = [
        asyncio.create_task(_listen(subscriber, receive)),
        asyncio.create_task(_recheck(scope)),
        asyncio.create_task(_tell(subscriber, send)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code = next((task.result() for task in tasks if task in done and not task.exception()), None)
        if code is not None:
            with suppress(OSError, RuntimeError):  # the browser has gone meanwhile
                await send({"type": "websocket.close", "code": code})
    finally:
        live.hub.leave(subscriber)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# Sends batch after batch; while a slow browser takes one, the next gathers, conflated, in the subscriber.
async def _tell(subscriber: live.Subscriber, send: Send) -> int | None:
    await send({"type": "websocket.send", "text": json.dumps({"type": "hello", "epoch": live.hub.epoch})})
    while True:
        for frame in await subscriber.take():
            await send({"type": "websocket.send", "text": frame})


# Returns the code to close with, None when the browser has closed.
async def _listen(subscriber: live.Subscriber, receive: Receive) -> int | None:
    wishes: dict[str, Any] = {}
    live.hub.follow(subscriber, _topics(wishes), {})
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
            # What it says beside these is not kept: a socket may say new names for ever.
            wishes |= {name: said[name] for name in _WISHES if name in said}
            live.hub.follow(subscriber, _topics(wishes), _seen(wishes))
        # InputError is a ValueError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return _POLICY


async def _recheck(scope: dict[str, Any]) -> int | None:
    if is_loopback(_request(scope)):
        await asyncio.Event().wait()  # no session to lose
    while await asyncio.to_thread(_permitted, scope):  # noqa: ASYNC110 (another process may end the session)
        await asyncio.sleep(RECHECK_S)
    return _POLICY


def _topics(wishes: dict[str, Any]) -> list[Topic]:
    exchange = _exchange(wishes)
    symbols = wishes.get("subscribe") or []
    if not isinstance(symbols, list) or len(symbols) > MOST_SYMBOLS:
        raise InputError(f"A socket follows {MOST_SYMBOLS} symbols at most.", field="subscribe")
    topics: list[Topic] = [("state",), *(("price", exchange, parse_symbol(symbol)) for symbol in symbols)]
    if candles := wishes.get("candles"):
        series = (exchange, parse_symbol(candles["symbol"]), str(Timeframe(candles["timeframe"])))
        topics += [("closed", *series), ("bar", *series)]
    return topics


def _seen(wishes: dict[str, Any]) -> dict[Topic, int]:
    if wishes.get("epoch") != live.hub.epoch:
        return {}
    exchange = _exchange(wishes)
    seen = wishes.get("seen") or {}
    if len(seen) > MOST_SYMBOLS:
        raise InputError(f"A socket follows {MOST_SYMBOLS} symbols at most.", field="seen")
    return {("price", exchange, parse_symbol(symbol)): seq for symbol, seq in seen.items()}


def _exchange(wishes: dict[str, Any]) -> str:
    return str(wishes.get("exchange") or live.feed_status().exchange)


def _permitted(scope: dict[str, Any]) -> bool:
    try:
        request = _request(scope)
        request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        request.user = get_user(request)
        request.loopback = is_loopback(request)  # type: ignore[attr-defined]
        return _same_origin(request) and may("prices", request)
    except DisallowedHost:
        return False
    finally:
        connections.close_all()


# A browser always says from which site its script comes; one that says nothing has no session to abuse.
def _same_origin(request: ASGIRequest) -> bool:
    origin = urlsplit(request.headers.get("Origin", ""))
    if not origin.scheme and not origin.netloc and not origin.path:
        return True
    scheme = "https" if request.is_secure() else "http"
    return (origin.scheme, origin.netloc.lower()) == (scheme, request.get_host().lower())


def _request(scope: dict[str, Any]) -> ASGIRequest:
    scheme = {"ws": "http", "wss": "https"}[scope.get("scheme", "ws")]
    return ASGIRequest({**scope, "type": "http", "method": "GET", "scheme": scheme}, BytesIO())
