"""The platform itself, as a person starts it, follows the exchange that lies: `cryptai up`, in real time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import MINUTE_MS, Timeframe
from testbeds.exchange import LyingExchange
from testbeds.faults import Faults
from testbeds.reader import Reader
from testbeds.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAMES: Final = ("1m", "5m")
# Fewer minutes than the 1,000 bars that the platform fills: it may be long in starting.
_HISTORY: Final = 900
# The first close comes so long after the start, whatever the time of day: the venue's clock is set for it.
_FIRST_CLOSE_S: Final = 25
_AFTER_CLOSE_S: Final = 25.0
_HEAL_S: Final = 240.0
# A close is judged once it is so old.
_SETTLED_MS: Final = 15_000
_REVISED_S: Final = 15.0
# A request that was sent before the refusal of another one had arrived is nobody's fault.
_IN_FLIGHT_MS: Final = 1_000
# One in ten: of answers the first row, of the stream's events the second.
_RATES: Final = {
    "error": 0.03, "late_error": 0.01, "reset": 0.02, "malformed": 0.02, "pause": 0.01, "pages": 0.01,
    "drop": 0.03, "duplicate": 0.03, "reorder": 0.02, "unfinished": 0.02, "silence": 0.004, "weights": 0.1,
}  # fmt: skip


def site(seed: int, symbols: int, seconds: float, *, bans: bool, bug: str = "none") -> dict[str, Any]:
    """Start the platform on an empty workspace, let it follow for so long, stop the faults, and judge."""
    faults = Faults(_RATES | ({"ban": 0.002} if bans else {}))
    began = seams.now_ms()
    ahead = (MINUTE_MS - _FIRST_CLOSE_S * 1000 - began) % MINUTE_MS
    names = [f"C{i:03d}/USDT" for i in range(symbols)]
    start = began + ahead - _HISTORY * MINUTE_MS
    truth = Truth(seed, names, start, _HISTORY + int(seconds / 60) + 30)

    def venue_ms() -> int:
        return seams.now_ms() + ahead

    exchange = LyingExchange(truth, faults, venue_ms, seed)
    exchange.ledger.in_flight_ms = _IN_FLIGHT_MS
    exchange.fails_first = 2
    with (
        tempfile.TemporaryDirectory(prefix="cryptai-bed-") as folder,
        listening(exchange),
        _started(exchange, Path(folder), names, bug) as child,
    ):
        home = Path(folder) / "workspace"
        store = CandleStore(home / "candles")
        reader = Reader(store, truth, venue_ms, _FRAMES)
        _reached(exchange, child)
        _read(reader, truth, child, seconds, seed)
        faults.on = False
        healed_s, at_ms = _heal(store, reader, truth, child)
        died = child.poll()
        child.send_signal(signal.SIGINT)
        ended = child.wait(30)
        answer: dict[str, Any] = {"complete": False, "markets": []}
        if "binance" in store.exchanges():
            answer = _check(home)
        different = reader.differences(truth.start_ms, at_ms)
        practised = "practice" in store.exchanges()
    ledger = exchange.ledger
    series = [(m["symbol"], m["timeframe"]) for m in answer["markets"] if m["exchange"] == "binance"]
    disagree = sum(one["differ"] for m in answer["markets"] for one in m["against_finer"])
    return {
        "seed": seed, "symbols": symbols, "seconds": seconds, "candles": reader.seen, "series": len(series),
        "complete": answer["complete"], "untrue": reader.wrong, "different": different.series,
        "disagree": disagree, "healed_s": healed_s, "requests": len(ledger.requests),
        "connections": exchange.streams.opened, "early": ledger.early,
        "own_bans": ledger.count(418, injected=False), "own_pauses": ledger.count(429, injected=False),
        "faults": dict(sorted(faults.struck.items())), "examples": reader.untrue,
        "fell_short": [
            words for words, broken in {
                "the platform died": died is not None,
                "it did not end well": ended != 0,
                "it turned to the practice market": practised,
                "not every series was filled": len(series) != symbols * len(_FRAMES),
                "the check does not say complete": not answer["complete"],
                "the check found bars that disagree": disagree > 0,
                "untrue closed candles were visible": reader.wrong > 0,
                "the store differs from the truth": different.series > 0,
                "requests came before they were allowed": ledger.early > 0,
                "the venue banned us for our own doing": ledger.count(418, injected=False) > 0,
                "no fault struck": not faults.struck,
            }.items() if broken
        ],
    }  # fmt: skip


def _reached(exchange: LyingExchange, child: subprocess.Popen[bytes]) -> None:
    began = seams.monotonic()
    while not exchange.ledger.requests and child.poll() is None and seams.monotonic() - began < _HEAL_S:
        seams.sleep(0.1)


def _read(reader: Reader, truth: Truth, child: subprocess.Popen[bytes], seconds: float, seed: int) -> None:
    """Read the store for so long, while the venue corrects a candle from time to time."""
    random = seams.rng([seed, 47])
    if seconds > _AFTER_CLOSE_S:
        # At least until a close has come and was asked about once more.
        close_ms = MINUTE_MS - reader.clock() % MINUTE_MS
        seconds = max(seconds, close_ms / 1000 + _AFTER_CLOSE_S)
    until = seams.monotonic() + seconds
    revise = seams.monotonic() + _REVISED_S
    while seams.monotonic() < until and child.poll() is None:
        reader.look(90, some=10)
        if seams.monotonic() > revise:
            revise += _REVISED_S
            now = reader.clock()
            ts = Timeframe("1m").last_closed(now) - int(random.integers(0, 20)) * MINUTE_MS
            truth.revise(truth.symbols[int(random.integers(len(truth.symbols)))], ts, now, seed)
        seams.sleep(0.5)


def _heal(
    store: CandleStore, reader: Reader, truth: Truth, child: subprocess.Popen[bytes]
) -> tuple[float | None, int]:
    """Wait until the store is the truth of a moment; return the seconds it took, None if never, and which."""
    began, at_ms = seams.monotonic(), reader.clock()
    while seams.monotonic() - began < _HEAL_S and child.poll() is None:
        if store.exchanges() not in ([], ["binance"]):
            break
        reader.look(90)
        # On a busy machine a look at all series takes longer than a minute's closes.
        at_ms = reader.clock() - _SETTLED_MS
        if not reader.differences(truth.start_ms, at_ms).series:
            return round(seams.monotonic() - began, 1), at_ms
        seams.sleep(1.0)
    return None, at_ms


def _check(home: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "cryptai", "data", "check", "--json", "--exchange", "binance"],
        env=os.environ | {"CRYPTAI_HOME": str(home)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextmanager
def _started(
    exchange: LyingExchange, folder: Path, names: list[str], bug: str
) -> Iterator[subprocess.Popen[bytes]]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [
        sys.executable, "-m", "testbeds.upping", bug, "up", "--port", str(port),
        "--symbols", ",".join(names), "--timeframes", ",".join(_FRAMES),
    ]  # fmt: skip
    if bug == "none":
        command[1:4] = ["-m", "cryptai"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CRYPTAI_", "DJANGO_"))}
    settings = {
        "CRYPTAI_HOME": str(folder / "workspace"),
        "CRYPTAI_BINANCE_REST": exchange.rest,
        "CRYPTAI_BINANCE_WS": exchange.ws,
    }
    with (folder / "said").open("wb") as said:
        child = subprocess.Popen(
            command, env=kept | settings, cwd=Path(__file__).resolve().parents[1], stdout=said, stderr=said
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()


@contextmanager
def listening(exchange: LyingExchange) -> Iterator[None]:
    """Run the exchange in a thread, in real time."""
    ready, done = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def listen() -> None:
        loops.append(asyncio.get_running_loop())
        async with exchange.open():
            ready.set()
            await done.wait()

    # Answers that were never to end are ended with it.
    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(done.set)
        thread.join()
