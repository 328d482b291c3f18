"""B2 with the commands that people run: killed at random moments, they lose nothing seen from outside.

What is acknowledged is what another process could read: this one watches the store while the command writes,
and kills it (`kill -9`) at any moment, most often within milliseconds of a write it just saw.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

import numpy as np

from cryptai import seams
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import MINUTE_MS, Timeframe
from cryptai.market.times import iso
from testbeds import faults
from testbeds.exchange import LyingExchange
from testbeds.reader import Reader
from testbeds.reaper import listening
from testbeds.truth import Truth
from testbeds.watched import PATIENCE_S, POLL_S, Seen, child_of, finished, kill

if TYPE_CHECKING:
    from collections.abc import Iterator


_FRAMES: Final = ("1m", "5m")
_KILLS_A_HOME: Final = 5
_SOON_S: Final = 0.03
# Starts after an end by Ctrl-C, that those after a kill are held against.
_UNDISTURBED: Final = 5
# Venue's minutes that pass while the platform is down, and how long after its start the first bar closes.
_DOWN_MINUTES: Final = 3
_CLOSE_S: Final = 4.0


def downloads(seed: int, count: int, bug: str = "none") -> dict[str, Any]:
    """Kill `cryptai data download` so often, a few times a workspace; each ends as an undisturbed one."""
    random = seams.rng([seed, 53])
    end = Timeframe("1h").floor(seams.now_ms())
    symbols, minutes = [f"C{i:03d}/USDT" for i in range(12)], 1500
    truth = Truth(seed, symbols, end - minutes * MINUTE_MS, minutes + 60)
    exchange = LyingExchange(truth, faults.none(), lambda: end + 30_000, seed)
    exchange.ledger.limit = None
    command = [
        "data", "download", "--json", "--symbols", ",".join(symbols), "--timeframes", ",".join(_FRAMES),
        "--since", iso(truth.start_ms), "--until", iso(end),
    ]  # fmt: skip
    killed = lost = different = seen_bars = 0
    back_s = 0.0
    with tempfile.TemporaryDirectory(prefix="cryptai-bed-") as folder, listening(exchange):
        began = seams.monotonic()
        wanted = finished(child_of(exchange, Path(folder) / "undisturbed", command))
        whole_s = seams.monotonic() - began
        reader = Reader(CandleStore(Path(folder) / "undisturbed" / "candles"), truth, exchange.clock, _FRAMES)
        untrue = reader.differences(truth.start_ms).series
        for life in range(count):
            home = Path(folder) / str(life)
            seen = Seen(home / "candles")
            for _ in range(min(_KILLS_A_HOME, count - killed)):
                child = child_of(exchange, home, command, bug)
                # Not before there is something to lose.
                writes = int(random.integers(1, 6)) if random.random() < 0.7 or not seen.series else 0
                killed += kill(child, seen, writes, float(random.uniform(0, _SOON_S if writes else whole_s)))
                if bug == "none" and random.random() < 0.5:
                    seen.again()  # else the next one is the first to open what this one left
            seen_bars += sum(map(len, seen.series.values()))
            different += finished(child_of(exchange, home, command, bug), seen) != wanted
            seen.again()
            lost, back_s = lost + seen.lost, max(back_s, seen.back_s)
            if killed >= count:
                break
    return {
        "seed": seed, "command": "data download", "kills": killed, "workspaces": life + 1,
        "seen_before_the_last_kill": seen_bars, "lost": lost, "different": different,
        "slowest_read_s": round(back_s, 3), "undisturbed_s": round(whole_s, 2),
        "fell_short": _words({
            "the undisturbed download did not end well": not wanted,
            "it was not killed so often": killed < count,
            "nothing was seen before a kill": not seen_bars,
            "what was seen before a kill is gone": lost > 0,
            "a download that was killed ends as another than one undisturbed": different > 0,
            "the undisturbed download is not the truth": untrue > 0,
        }),
    }  # fmt: skip


def platforms(seed: int, count: int, bug: str = "none") -> dict[str, Any]:
    """Kill `cryptai up` so often on one workspace, while it back-fills and while minutes close."""
    random = seams.rng([seed, 59])
    symbols = [f"C{i:03d}/USDT" for i in range(6)]
    venue = _Venue(Timeframe("1m").floor(seams.now_ms()) - (count + 2) * _DOWN_MINUTES * MINUTE_MS)
    truth = Truth(seed, symbols, venue.now - 400 * MINUTE_MS, 400 + (count + 60) * (_DOWN_MINUTES + 1))
    exchange = LyingExchange(truth, faults.none(), venue.ms, seed)
    starts: list[float] = []
    undisturbed: list[float] = []
    killed = 0
    with tempfile.TemporaryDirectory(prefix="cryptai-bed-") as folder, listening(exchange):
        home, beside = Path(folder) / "workspace", Path(folder) / "undisturbed"
        if count > 1:  # else it is not timed
            _start(exchange, beside, symbols)  # it makes the workspace, which those that are timed need not
        seen = Seen(home / "candles")
        while killed < count:
            if len(undisturbed) * count <= killed * _UNDISTURBED:
                # Among the others, so that whatever else this machine does is in both.
                undisturbed.append(_start(exchange, beside, symbols))
            venue.wake()
            child, port = _platform(exchange, home, symbols, bug)
            writes = int(random.integers(1, 8)) if random.random() < 0.6 or not seen.series else 0
            wait = float(random.uniform(0, _SOON_S if writes else 2 * _CLOSE_S))
            with _answering(port, starts):
                killed += kill(child, seen, writes, wait)
            if random.random() < 0.5:
                seen.again()  # else the next one is the first to open what this one left
        venue.wake()
        child, port = _platform(exchange, home, symbols, bug)
        reader = Reader(CandleStore(home / "candles"), truth, venue.ms, _FRAMES)
        with _answering(port, starts):
            different = _settled(reader, truth)
        reader.look()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=PATIENCE_S)
        seen.again()
    return {
        "seed": seed, "command": "up", "kills": killed, "writes_seen": seen.grew, "lost": seen.lost,
        "untrue": reader.wrong, "different": different, "slowest_read_s": round(seen.back_s, 3),
        "starts": len(starts), "start_s": round(float(np.median(starts)), 2) if starts else None,
        "slowest_start_s": round(max(starts), 2) if starts else None,
        "undisturbed_start_s": round(float(np.median(undisturbed)), 2),
        "slowest_undisturbed_start_s": round(max(undisturbed), 2),
        "fell_short": _words({
            "nothing was seen before a kill": not seen.grew,
            "what was seen before a kill is gone": seen.lost > 0,
            "untrue closed candles were stored": reader.wrong > 0,
            "the store differs from the truth at last": different > 0,
            "it did not end well": child.returncode != 0,
        }),
    }  # fmt: skip


class _Venue:
    """A clock that runs as ours does, and stands a few minutes further at each start, just before a close."""

    def __init__(self, start_ms: int) -> None:
        self.now, self._since = start_ms, seams.monotonic()

    def ms(self) -> int:
        return self.now + int((seams.monotonic() - self._since) * 1000)

    def wake(self) -> None:
        ahead = self.ms() // MINUTE_MS * MINUTE_MS + (_DOWN_MINUTES + 1) * MINUTE_MS
        self.now, self._since = ahead - int(_CLOSE_S * 1000), seams.monotonic()


def _platform(
    exchange: LyingExchange, home: Path, symbols: list[str], bug: str
) -> tuple[subprocess.Popen[str], int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    named = {"CRYPTAI_SYMBOLS": ",".join(symbols), "CRYPTAI_TIMEFRAMES": ",".join(_FRAMES)}
    return child_of(exchange, home, ["up", "--port", str(port), "--json"], bug, **named), port


def _start(exchange: LyingExchange, home: Path, symbols: list[str]) -> float:
    """Start the platform where nobody was killed, and end it as Ctrl-C does; return how long it took."""
    took: list[float] = []
    child, port = _platform(exchange, home, symbols, "none")
    with _answering(port, took):
        began = seams.monotonic()
        while not took and child.poll() is None and seams.monotonic() - began < PATIENCE_S:
            seams.sleep(POLL_S)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=PATIENCE_S)
    return took[0]


@contextmanager
def _answering(port: int, starts: list[float]) -> Iterator[None]:
    """Note how long it takes from now until the platform answers, if it lives so long."""
    began, over = seams.monotonic(), threading.Event()

    def ask() -> None:
        while not over.is_set():
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                answer.read()
                starts.append(seams.monotonic() - began)
                return
            over.wait(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def _settled(reader: Reader, truth: Truth) -> int:
    """Wait until the store is the truth; return how many series are not, at last."""
    began = seams.monotonic()
    while True:
        different = int(reader.differences(truth.start_ms).series)
        if not different or seams.monotonic() - began > PATIENCE_S:
            return different
        seams.sleep(0.5)


def _words(broken: dict[str, bool]) -> list[str]:
    return [words for words, is_broken in broken.items() if is_broken]
