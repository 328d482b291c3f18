"""B2 with the commands that people run: killed at random moments, they lose nothing seen from outside.

What is acknowledged is what another process could read: this one watches the store while the command writes,
and kills it (`kill -9`) at any moment, most often within milliseconds of a write it just saw.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

import numpy as np

from cryptai import seams
from cryptai.errors import CryptaiError
from cryptai.market.budget import Budget
from cryptai.market.candles import COLUMNS
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import MINUTE_MS, Timeframe
from cryptai.market.times import iso
from testbeds import faults
from testbeds.exchange import LyingExchange
from testbeds.reader import Reader
from testbeds.reaper import listening
from testbeds.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.market.candles import Candles

_ROOT: Final = Path(__file__).resolve().parents[1]
_FRAMES: Final = ("1m", "5m")
_WITH_BUG: Final = """import sys
from cryptai.cli.main import main
from testbeds import planted
with planted.bug(sys.argv.pop(1)):
    main()
"""
_POLL_S: Final = 0.01
_KILLS_A_HOME: Final = 5
_SOON_S: Final = 0.03
# A command that does nothing for so long hangs.
_PATIENCE_S: Final = 120.0
# Venue's minutes that pass while the platform is down, and how long after its start the first bar closes.
_DOWN_MINUTES: Final = 3
_CLOSE_S: Final = 4.0


@dataclass
class Seen:
    """What another process saw in a store, and what was wrong with it later."""

    folder: Path
    series: dict[tuple[str, Timeframe], Candles] = field(default_factory=dict)
    _listed: dict[tuple[str, Timeframe], str] = field(default_factory=dict)
    grew: int = 0
    lost: int = 0
    back_s: float = 0.0

    def look(self) -> None:
        """See what is stored now; what was seen before must be there, bit for bit."""
        store = CandleStore(self.folder)
        markets = {(one.symbol, one.timeframe): one for one in store.markets("binance")}
        for key in self.series.keys() - markets.keys():
            self.lost += len(self.series.pop(key))
        for key, one in markets.items():
            if self._listed.get(key) == one.digest:
                continue
            known, candles = self.series.get(key), store.read("binance", *key)
            self.grew += 1
            self.lost += 0 if known is None else _gone(known, candles)
            self.series[key], self._listed[key] = candles, one.digest

    def again(self) -> None:
        """See it after a kill: everything seen before is looked for anew; take the time."""
        began = seams.monotonic()
        before, grew = self.series, self.grew
        self.series, self._listed = {}, {}
        self.look()
        self.grew = grew
        self.back_s = max(self.back_s, seams.monotonic() - began)
        for key, known in before.items():
            self.lost += _gone(known, self.series[key]) if key in self.series else len(known)


def _gone(known: Candles, now: Candles) -> int:
    _, here, there = np.intersect1d(known.ts, now.ts, assume_unique=True, return_indices=True)
    same = np.ones(len(here), bool)
    for name in COLUMNS[1:]:
        same &= getattr(known, name)[here] == getattr(now, name)[there]
    return len(known) - int(same.sum())


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
        wanted = _finished(_child(exchange, Path(folder) / "undisturbed", command))
        whole_s = seams.monotonic() - began
        reader = Reader(CandleStore(Path(folder) / "undisturbed" / "candles"), truth, exchange.clock, _FRAMES)
        untrue = reader.differences(truth.start_ms).series
        for life in range(count):
            home = Path(folder) / str(life)
            seen = Seen(home / "candles")
            for _ in range(min(_KILLS_A_HOME, count - killed)):
                child = _child(exchange, home, command, bug)
                # Not before there is something to lose.
                writes = int(random.integers(1, 6)) if random.random() < 0.7 or not seen.series else 0
                killed += _kill(child, seen, writes, float(random.uniform(0, _SOON_S if writes else whole_s)))
                if bug == "none" and random.random() < 0.5:
                    seen.again()  # else the next one is the first to open what this one left
            seen_bars += sum(map(len, seen.series.values()))
            different += _finished(_child(exchange, home, command, bug), seen) != wanted
            seen.again()
            lost, back_s = lost + seen.lost, max(back_s, seen.back_s)
            if killed >= count:
                break
    return {
        "seed": seed, "command": "data download", "kills": killed, "workspaces": life + 1,
        "seen_before_the_last_kill": seen_bars, "lost": lost, "different": different,
        "slowest_read_s": round(back_s, 3), "undisturbed_s": round(whole_s, 2),
        "fell_short": _words({
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
    killed = 0
    with tempfile.TemporaryDirectory(prefix="cryptai-bed-") as folder, listening(exchange):
        undisturbed_s = _first_start(exchange, Path(folder) / "undisturbed", symbols)
        home = Path(folder) / "workspace"
        seen = Seen(home / "candles")
        while killed < count:
            venue.wake()
            child, port = _platform(exchange, home, symbols, bug)
            writes = int(random.integers(1, 8)) if random.random() < 0.6 or not seen.series else 0
            wait = float(random.uniform(0, _SOON_S if writes else 2 * _CLOSE_S))
            with _answering(port, starts):
                killed += _kill(child, seen, writes, wait)
            if random.random() < 0.5:
                seen.again()  # else the next one is the first to open what this one left
        venue.wake()
        child, port = _platform(exchange, home, symbols, bug)
        reader = Reader(CandleStore(home / "candles"), truth, venue.ms, _FRAMES)
        with _answering(port, starts):
            different = _settled(reader, truth)
        reader.look()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=_PATIENCE_S)
        seen.again()
    return {
        "seed": seed, "command": "up", "kills": killed, "writes_seen": seen.grew, "lost": seen.lost,
        "untrue": reader.wrong, "different": different, "slowest_read_s": round(seen.back_s, 3),
        "starts": len(starts), "start_s": round(float(np.median(starts)), 2) if starts else None,
        "slowest_start_s": round(max(starts), 2) if starts else None, "undisturbed_start_s": undisturbed_s,
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


def cryptai(bug: str) -> list[str]:
    """Return how the command is called, perhaps with a planted bug in force."""
    return [sys.executable, *(["-m", "cryptai"] if bug == "none" else ["-c", _WITH_BUG, bug])]


def _child(
    exchange: LyingExchange, home: Path, words: list[str], bug: str = "none", **settings: str
) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CRYPTAI_", "DJANGO_"))}
    named = {"CRYPTAI_BINANCE_REST": exchange.rest, "CRYPTAI_BINANCE_WS": exchange.ws}
    # Here it is the store that is proved: neither side waits for a budget.
    home.mkdir(exist_ok=True)
    budget = Budget("binance", exchange.rest, file=home / "budget.sqlite3")
    budget.learn(10_000_000)
    budget.close()
    return subprocess.Popen(
        [*cryptai(bug), *words],
        env=kept | named | settings | {"CRYPTAI_HOME": str(home)}, cwd=_ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _platform(
    exchange: LyingExchange, home: Path, symbols: list[str], bug: str
) -> tuple[subprocess.Popen[str], int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    named = {"CRYPTAI_SYMBOLS": ",".join(symbols), "CRYPTAI_TIMEFRAMES": ",".join(_FRAMES)}
    return _child(exchange, home, ["up", "--port", str(port), "--json"], bug, **named), port


def _first_start(exchange: LyingExchange, home: Path, symbols: list[str]) -> float:
    """Start the platform where nobody was killed, and end it; return how long it took to answer."""
    took: list[float] = []
    child, port = _platform(exchange, home, symbols, "none")
    with _answering(port, took):
        began = seams.monotonic()
        while not took and child.poll() is None and seams.monotonic() - began < _PATIENCE_S:
            seams.sleep(_POLL_S)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=_PATIENCE_S)
    return round(took[0], 2)


def _finished(child: subprocess.Popen[str], seen: Seen | None = None) -> dict[tuple[str, str], str]:
    """Let a download end, watched all the while; return the digests that it tells."""
    while seen and child.poll() is None:
        _look(child, seen)
        seams.sleep(_POLL_S)
    told, _ = child.communicate(timeout=_PATIENCE_S)
    if child.returncode:
        return {}
    return {(row["symbol"], row["timeframe"]): row["digest"] for row in json.loads(told)["series"]}


def _kill(child: subprocess.Popen[str], seen: Seen, writes: int, wait: float) -> bool:
    """Kill it so long after so many writes were seen; return whether it was still there."""
    began, before = seams.monotonic(), seen.grew
    while child.poll() is None and seams.monotonic() - began < _PATIENCE_S:
        _look(child, seen)
        if (seen.grew - before >= writes) if writes else (seams.monotonic() - began >= wait):
            seams.sleep(wait if writes else 0.0)
            break
        seams.sleep(_POLL_S)
    there = child.poll() is None
    child.kill()
    child.communicate()
    return there


def _look(child: subprocess.Popen[str], seen: Seen) -> None:
    """See what is there, but not before the child has opened the store: closing would tidy up for it."""
    try:
        names = [str(one.readlink()) for one in Path(f"/proc/{child.pid}/fd").iterdir()]
    except OSError:
        return
    if any("catalog.sqlite3" in name for name in names):
        with suppress(CryptaiError):  # what cannot be read now must be readable after the kill
            seen.look()


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
        if not different or seams.monotonic() - began > _PATIENCE_S:
            return different
        seams.sleep(0.5)


def _words(broken: dict[str, bool]) -> list[str]:
    return [words for words, is_broken in broken.items() if is_broken]
