"""The board: today's signals of every stored venue, kept up at each close."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from cryptai.errors import CryptaiError
from cryptai.web import live

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.signals import Signal
    from cryptai.web.scanning import Scanning

_log = logging.getLogger(__name__)
# Closes of one instant arrive within a moment; candles imported beside the server are noticed by looking.
_GATHER_S: Final = 0.02
_LOOK_S: Final = 30.0
# While a close waits for a coarser one, or evidence is on its way.
_SOON_S: Final = 0.25
# Decided signals that one event tells of: those of hundreds of markets, card and all, are megabytes.
_TOGETHER: Final = 50
_FAILED: Final = "The scan failed; the server's log says why."


@dataclass(frozen=True)
class BoardState:
    """Where the signals of one venue stand.

    `state` is `waiting` (not scanned yet), `scanning` (for the first time), `ready` or `failed`; `message` is
    one sentence for people; `scanned_ms` is when the signals at hand were decided, 0 for never. `left_out`
    says why the user's own strategies are not among the signals, where they should be.
    """

    state: Literal["waiting", "scanning", "ready", "failed"]
    message: str
    scanned_ms: int
    left_out: str = ""


_WAITING: Final = BoardState("waiting", "The markets have not been scanned yet.", 0)
_signals: dict[str, list[Signal]] = {}
_states: dict[str, BoardState] = {}
_scannings: dict[str, Scanning] = {}
# Threads of their own: a scan must not hold up the server's shutdown, nor two run at once; what takes long
# (evidence, the user's own strategies) must not hold up a close.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scan")
_others = ThreadPoolExecutor(max_workers=2, thread_name_prefix="beside the scan")
_news = asyncio.Event()


def signals(exchange: str | None = None) -> list[Signal]:
    """Return the newest signals of a venue (default: the feed's), best first; empty before the first scan."""
    return _signals.get(exchange or live.feed_status().exchange, [])


def state(exchange: str | None = None) -> BoardState:
    """Return where the signals of a venue (default: the feed's) stand."""
    return _states.get(exchange or live.feed_status().exchange, _WAITING)


def forget() -> int:
    """Forget every screen, so that all venues are scanned anew; return how many were forgotten."""
    forgotten = len(_scannings)
    while _scannings:
        # After a look that is under way.
        _thread.submit(_scannings.popitem()[1].close)
    _news.set()
    return forgotten


def notice(event: dict[str, Any]) -> None:
    """Take note of a feed's event: closed candles, or a fill that ended, call for a scan."""
    if event.get("closed") or event.get("state") == "live":
        _news.set()


async def keep() -> None:
    """Keep the board fresh for ever: look at each venue when something closed, and now and then."""
    loop = asyncio.get_running_loop()
    running: dict[tuple[str, str], asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as tasks:
        while True:
            waits = False
            for exchange in await loop.run_in_executor(_thread, _venues):
                if await _told(await loop.run_in_executor(_thread, look, exchange)):
                    await loop.run_in_executor(_thread, show, exchange)
                waits |= exchange in _scannings and _scannings[exchange].waits
                for name, work in (("evidence", look_up), ("own", look_at_own)):
                    if (exchange, name) not in running or running[exchange, name].done():
                        running[exchange, name] = tasks.create_task(_alongside(exchange, work))
            try:
                await asyncio.wait_for(_news.wait(), _SOON_S if waits else _LOOK_S)
                await asyncio.sleep(_GATHER_S)
            except TimeoutError:
                pass
            _news.clear()


async def _alongside(exchange: str, work: Callable[[str], dict[str, Any] | None]) -> None:
    loop = asyncio.get_running_loop()
    if await _told(await loop.run_in_executor(_others, work, exchange)):
        await loop.run_in_executor(_thread, show, exchange)
        _news.set()


async def _told(news: dict[str, Any] | None) -> bool:
    if news is None:
        return False
    decided = news["decided"]
    for begin in range(0, max(1, len(decided)), _TOGETHER):
        live.hub.publish({**news, "decided": decided[begin : begin + _TOGETHER]})
        # Prices go out in between.
        await asyncio.sleep(0)
    return True


def scan(exchange: str) -> None:
    """Scan one venue wholly, evidence and all, and put the result on the board."""
    for work in (look, look_up, look, look_at_own):
        work(exchange)
    show(exchange)


def look(exchange: str) -> dict[str, Any] | None:
    """Look at what was written of a venue; return the news of it, None where there are none.

    A failure is shown, and leaves the signals before it.
    """
    if exchange not in _states:
        _states[exchange] = BoardState("scanning", "The markets are being scanned.", 0)
    return _done(exchange, "look")


def look_up(exchange: str) -> dict[str, Any] | None:
    """Bring the evidence of a venue up to date, if that was not done within the hour; later looks use it."""
    return _done(exchange, "look_up")


def look_at_own(exchange: str) -> dict[str, Any] | None:
    """Screen the user's own strategies where candles or files have changed; return the news of it."""
    return _done(exchange, "look_at_own")


def show(exchange: str) -> None:
    """Put what stands on the board, where the last look went well."""
    scanning = _scannings.get(exchange)
    if scanning is not None and scanning.looked_ms:
        found = scanning.signals()
        _signals[exchange] = found
        if _states[exchange].state != "failed":
            message = f"{len(found)} signals."
            _states[exchange] = BoardState("ready", message, scanning.looked_ms, scanning.left_out)


def _done(exchange: str, what: Literal["look", "look_up", "look_at_own"]) -> dict[str, Any] | None:
    before = _states.get(exchange, _WAITING)
    try:
        decided = getattr(_scanning(exchange), what)()
    except CryptaiError as error:
        _states[exchange] = BoardState("failed", str(error), before.scanned_ms)
        decided = []
    except Exception:  # noqa: BLE001 (a strategy may raise anything; the board goes on)
        _log.exception("The scan of %s failed.", exchange)
        _states[exchange] = BoardState("failed", _FAILED, before.scanned_ms)
        decided = []
    else:
        if decided is not None and before.state == "failed":
            _states[exchange] = BoardState("ready", "", before.scanned_ms)
    if decided is None:
        return None
    failed, scanning = _states[exchange].state == "failed", _scannings.get(exchange)
    return {
        "type": "signals", "exchange": exchange, "state": "failed" if failed else "ready",
        "scanned_ms": 0 if scanning is None else scanning.looked_ms,
        "standing": 0 if scanning is None else scanning.standing,
        "decided": [one.as_object() for one in decided],
    }  # fmt: skip


def _scanning(exchange: str) -> Scanning:
    if exchange not in _scannings:
        from cryptai.web.scanning import Scanning  # noqa: PLC0415 (heavy: not at start)

        _scannings[exchange] = Scanning(exchange)
    return _scannings[exchange]


# The venue of the feed comes first; while it is being filled it is left alone after the first look.
def _venues() -> list[str]:
    status = live.feed_status()
    found = sorted(live.exchanges(), key=lambda name: name != status.exchange)
    filling = status.state == "backfilling" and status.exchange in _scannings
    return [name for name in found if not (filling and name == status.exchange)]
