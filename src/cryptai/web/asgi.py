"""The server's one application: lifespan, prices over a WebSocket, and Django for all else."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cryptai.web.settings")
_pages = get_asgi_application()

from cryptai.seams import now_ms  # noqa: E402 (Django's settings come first)
from cryptai.web import board, live, sockets  # noqa: E402
from cryptai.web.ops.turn import in_turn  # noqa: E402
from cryptai.web.relay import Relay  # noqa: E402
from cryptai.web.research.models import Run, Study  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_log = logging.getLogger(__name__)
_relay: Relay | None = None
# No form and no list of options comes near it.
LARGEST_BODY: Final = 256 * 1024
# Libraries are loaded by the first to need them: a scan, a page, a job.
_SETTLED_S: Final = (2.0, 10.0, 60.0, 600.0)
_TOO_LARGE_HEADERS: Final = [
    (b"content-type", b"application/problem+json"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'"),
    (b"connection", b"close"),
]


class _TooLarge(Exception):
    """The body goes on beyond what may come."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one connection of the ASGI server."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await sockets.prices(scope, receive, send)
    else:
        await _request(scope, receive, send)


async def _request(scope: Scope, receive: Receive, send: Send) -> None:
    # Django under ASGI spools a body to the disk, however large, before anyone may look at it.
    length = 0

    async def limited() -> dict[str, Any]:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > LARGEST_BODY:
            raise _TooLarge
        return message

    try:
        await _pages(scope, limited, send)
    except _TooLarge:
        detail = f"A request may be {LARGEST_BODY // 1024} KiB long."
        body = json.dumps({"type": "about:blank", "title": "Too Large", "status": 413, "detail": detail})
        await send({"type": "http.response.start", "status": 413, "headers": _TOO_LARGE_HEADERS})
        await send({"type": "http.response.body", "body": body.encode()})


async def _live(receive: Receive, send: Send) -> None:
    # Feed and board run as long as the server. Their failing is shown on every page, and does not end it.
    tasks: list[asyncio.Task[None]] = []
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await asyncio.to_thread(_fail_abandoned)
            live.speak_by(_speaking(asyncio.get_running_loop()))
            tasks = [
                *_following(),
                asyncio.create_task(board.keep(), name="board"),
                asyncio.create_task(import_module(settings.JOB_RUNNER).keep(), name="schedule"),
                asyncio.create_task(_settle(), name="settle"),
            ]
            await send({"type": "lifespan.startup.complete"})
        else:
            live.speak_by(None)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
            await send({"type": "lifespan.shutdown.complete"})
            return


# Python's collector looks at every object there is, with all else waiting: 160 ms were measured, in which no
# price leaves. What has been loaded by then stays for ever and need not be looked at again.
async def _settle() -> None:
    gc.set_threshold(20_000, 20, 20)
    for wait_s in _SETTLED_S:
        await asyncio.sleep(wait_s)
        gc.freeze()


# What concerns a user is told from threads.
def _speaking(loop: asyncio.AbstractEventLoop) -> Callable[[dict[str, Any]], None]:
    def speak(event: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(_publish, event)

    return speak


# Alone, this server follows the market. Of several, one does, and the others hear it.
def _following() -> list[asyncio.Task[None]]:
    global _relay  # noqa: PLW0603 (one a process)
    if not settings.REDIS_URL:
        return [asyncio.create_task(_follow(), name="follow")]
    _relay = Relay(settings.REDIS_URL, settings.REDIS_PREFIX, _hear)
    return [
        asyncio.create_task(_relay.run(), name="relay"),
        asyncio.create_task(in_turn("follow_market", _follow), name="follow"),
    ]


# A run of another server that is alive is not abandoned; one that was begun an hour ago is.
def _fail_abandoned() -> None:
    before_ms = now_ms() - 3_600_000 if settings.REDIS_URL else None
    Run.objects.fail_abandoned(before_ms=before_ms)
    Study.objects.fail_abandoned(before_ms=before_ms)


async def _follow() -> None:
    from cryptai.market.feed import Feed  # noqa: PLC0415 (heavy: the server answers before it is loaded)
    from cryptai.market.followed import followed_symbols, followed_timeframes  # noqa: PLC0415
    from cryptai.market.halts import all_halted  # noqa: PLC0415
    from cryptai.market.symbols import SymbolBook  # noqa: PLC0415

    book = SymbolBook(settings.WORKSPACE.root / "symbols.sqlite3")
    feed = Feed(
        live.store(), _publish, exchange=os.environ.get("CRYPTAI_EXCHANGE", "binance"),
        symbols=followed_symbols(), timeframes=followed_timeframes(), halted=partial(all_halted, book),
    )  # fmt: skip
    live.attach(feed)
    with suppress(asyncio.CancelledError):
        try:
            await feed.run()
        except Exception:  # noqa: BLE001 (whatever it was: pages go on with what is stored, and say so)
            _log.exception("The feed stopped.")
    if settings.REDIS_URL:
        live.attach(None)


def _publish(event: dict[str, Any]) -> None:
    _hear(event)
    if _relay:
        _relay.tell(event)


def _hear(event: dict[str, Any]) -> None:
    if "to" in event:
        live.hub.tell(event["to"], {name: value for name, value in event.items() if name != "to"})
        return
    live.hub.publish(event)
    board.notice(event)
