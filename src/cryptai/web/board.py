"""The board: today's signals of every stored venue, scanned anew when candles or strategies have changed."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from django.conf import settings

from cryptai.errors import CryptaiError, InputError, LimitExceeded
from cryptai.seams import now_ms
from cryptai.web import live

if TYPE_CHECKING:
    from cryptai.signals import Signal

_log = logging.getLogger(__name__)
# Closes of one instant arrive within a moment; candles imported beside the server are noticed by looking.
_GATHER_S = 1.0
_LOOK_S = 30.0
_FAILED = "The scan failed; the server's log says why."


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


_WAITING = BoardState("waiting", "The markets have not been scanned yet.", 0)
_signals: dict[str, list[Signal]] = {}
_states: dict[str, BoardState] = {}
_scanned: dict[str, tuple[object, ...]] = {}
# A thread of its own: a scan must not hold up the server's shutdown, nor two run at once.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scan")
_news = asyncio.Event()


def signals(exchange: str | None = None) -> list[Signal]:
    """Return the newest signals of a venue (default: the feed's), best first; empty before the first scan."""
    return _signals.get(exchange or live.feed_status().exchange, [])


def state(exchange: str | None = None) -> BoardState:
    """Return where the signals of a venue (default: the feed's) stand."""
    return _states.get(exchange or live.feed_status().exchange, _WAITING)


def forget() -> int:
    """Forget every screen, so that all venues are scanned anew; return how many were forgotten."""
    forgotten = len(_scanned)
    _scanned.clear()
    _news.set()
    return forgotten


def notice(event: dict[str, Any]) -> None:
    """Take note of a feed's event: closed candles, or a fill that ended, call for a scan."""
    if event.get("closed") or event.get("state") == "live":
        _news.set()


async def keep() -> None:
    """Keep the board fresh for ever: scan each venue whose candles have changed, all when strategies have."""
    loop = asyncio.get_running_loop()
    while True:
        for exchange in await loop.run_in_executor(_thread, _changed):
            await loop.run_in_executor(_thread, scan, exchange)
            live.hub.publish(_news_of(exchange))
        try:
            await asyncio.wait_for(_news.wait(), _LOOK_S)
            await asyncio.sleep(_GATHER_S)
        except TimeoutError:
            pass
        _news.clear()


def _news_of(exchange: str) -> dict[str, Any]:
    found = _signals.get(exchange, [])
    fresh = [one.as_object() for one in found if one.age_bars == 0 and not one.stale]
    state_ = _states.get(exchange, _WAITING)
    return {
        "type": "signals", "exchange": exchange, "state": state_.state, "scanned_ms": state_.scanned_ms,
        "standing": len(found), "decided": fresh,
    }  # fmt: skip


def scan(exchange: str) -> None:
    """Scan one venue and put the result on the board; a failure is shown and leaves the signals before it."""
    before = _states.get(exchange, _WAITING)
    if not before.scanned_ms:
        _states[exchange] = BoardState("scanning", "The markets are being scanned.", 0)
    began = now_ms()
    try:
        _signals[exchange], left_out = _scan(exchange)
    except CryptaiError as error:
        _states[exchange] = BoardState("failed", str(error), before.scanned_ms)
    except Exception:  # noqa: BLE001 (a strategy may raise anything; the board goes on)
        _log.exception("The scan of %s failed.", exchange)
        _states[exchange] = BoardState("failed", _FAILED, before.scanned_ms)
    else:
        count = len(_signals[exchange])
        _states[exchange] = BoardState("ready", f"{count} signals.", began, left_out)


# The venue of the feed comes first; while it is being filled it is left alone after the first look.
def _changed() -> list[str]:
    from cryptai.strategies.user import user_files  # noqa: PLC0415 (heavy: not at start)

    status = live.feed_status()
    changed = []
    try:
        files = user_files(settings.WORKSPACE.strategies).values()
        edited = tuple((file.name, file.stat().st_mtime_ns) for file in files)
        for exchange in sorted(live.exchanges(), key=lambda name: name != status.exchange):
            if exchange == status.exchange and status.state == "backfilling" and exchange in _scanned:
                continue
            markets = live.store().markets(exchange)
            content = (*edited, *markets)
            if markets and _scanned.get(exchange) != content:
                _scanned[exchange] = content
                changed.append(exchange)
    except (CryptaiError, OSError):
        _log.exception("The candle store or the strategies could not be looked at.")
    return changed


# The signals, and why the user's own strategies have no part in them.
def _scan(exchange: str) -> tuple[list[Signal], str]:
    from cryptai.screening.evidence import Evidence, unlooked  # noqa: PLC0415 (heavy: not at start)
    from cryptai.screening.isolated import screen_isolated  # noqa: PLC0415
    from cryptai.screening.record import Record  # noqa: PLC0415
    from cryptai.screening.screen import ranked, screen  # noqa: PLC0415
    from cryptai.strategies.user import user_files  # noqa: PLC0415

    workspace, store = settings.WORKSPACE, live.store()
    if exchange not in _signals:
        # Looking up what came of every past setup takes a while the first time; levels are there at once.
        _signals[exchange] = screen(store, exchange, evidence=unlooked).signals
    own: list[Signal] = []
    left_out = ""
    if user_files(workspace.strategies):
        # A user's code never runs in this process.
        try:
            own = screen_isolated(workspace.root, exchange)
        except (InputError, LimitExceeded) as error:
            # One file that never ends does not take the signals of all others away.
            _log.warning("The user's strategies could not be scanned: %s", error)
            left_out = f"Your own strategies are left out: {error}"
    built_in = screen(store, exchange, evidence=Evidence(workspace, store, exchange)).signals
    found = ranked([*built_in, *own])
    # What was decided at the last close is sealed before the next one tells what comes of it.
    fresh = [one.as_sealed() for one in found if one.age_bars == 0 and not one.stale]
    if fresh:
        Record(store.catalog).seal(fresh)
    return found, left_out
