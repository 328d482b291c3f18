"""From a closed candle to the signal on a socket: one market of 500, and all 500 at once.

The server is `cryptai up` in a process of its own, as it is; only the venue is a script. A delivery is timed
from the moment the candle is handed to the feed until this process has read the frame that names its signal:
in between the candle is made durable, every strategy is asked, the signal gets its card and is sealed into
the record. What was told is then compared with the record.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import numpy as np

from benchmarks.closing import BETWEEN, HOUR_MS, NAME, SYMBOLS, history
from benchmarks.crowd import Crowd
from cryptai.market.opening import open_store
from cryptai.market.times import iso
from cryptai.screening.evidence import Evidence
from cryptai.screening.record import Record
from cryptai.screening.screen import chosen
from cryptai.seams import now_ms
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.crowd import Member

STRATEGY = "breakout"
ALONE = 200
PATIENCE_S = 30.0
_SETTLED = 6  # looks, two seconds apart


def measure() -> Iterator[dict[str, Any]]:
    """Yield the latency of all markets at once, and of one at a time."""
    os.environ["CLOSING_BEGINS_MS"] = str(now_ms() // HOUR_MS * HOUR_MS)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        fill(home)
        with served(home) as (server, port):
            handed, told = server.close(SYMBOLS, [1])
            yield _line("all at one instant", [moment - handed for moment in told.values()], 2_000)
            server.close(SYMBOLS, range(2, BETWEEN + 1))
            server.settle(port)
            alone = []
            for symbol in SYMBOLS[:ALONE]:
                handed, told = server.close([symbol], [BETWEEN + 1], patience_s=3.0)
                alone += [moment - handed for moment in told.values()]
            yield _line("one at a time", alone, 250)
            _check(home, server.told)


class Server:
    """The server, and the one socket that follows its signals."""

    def __init__(self, process: subprocess.Popen[str], crowd: Crowd, member: Member) -> None:
        self._process, self._crowd, self._member = process, crowd, member
        self.told: set[tuple[str, str, str]] = set()

    def cpu_ms(self) -> float:
        """Return what the server's process has computed so far; those that look beside it are not in it."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")

    def close(
        self, symbols: Sequence[str], bars: Sequence[int], *, patience_s: float = PATIENCE_S
    ) -> tuple[int, dict[str, int]]:
        """Have symbols close bars; return when, and when each one's signal was read."""
        self._member.skip()
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"close": list(symbols), "bars": list(bars)}) + "\n")
        self._process.stdin.flush()
        handed = int(self.said()["handed"])
        told: dict[str, int] = {}
        began = time.monotonic()
        newest = [began]

        def over() -> bool:
            if self._member.reads:
                newest[0] = time.monotonic()
                for moment, event in self._member.events():
                    for one in event["decided"] if event["type"] == "signals" else ():
                        self.told.add((one["symbol"], one["strategy"], one["decided_at"]))
                        if one["strategy"] == STRATEGY:
                            told.setdefault(one["symbol"], moment)
            enough = len(told) == len(symbols) == 1
            # Some markets have none: their trend speaks against it.
            quiet = bool(told) and time.monotonic() - newest[0] > 3.0
            return enough or quiet or time.monotonic() - began > patience_s

        self._crowd.read(over)
        return handed, told

    def settle(self, port: int) -> None:
        """Wait until everything that stands has its card and nothing more is found."""
        address = f"http://127.0.0.1:{port}/signals/api/signals/?exchange={NAME}&limit=500"
        seen: list[str | None] = []
        while len(seen) < _SETTLED or len(set(seen[-_SETTLED:])) > 1:
            began = time.monotonic()
            # Read on: the server lets go of a socket that answers no ping.
            self._crowd.read(lambda since=began: time.monotonic() - since > 2.0)  # type: ignore[misc]
            with urlopen(address) as answer:
                told = json.load(answer)
            carded = told["signals"] and all(one["evidence"]["past"] for one in told["signals"])
            seen.append(told["scanned_at"] if carded else str(len(seen)))

    def said(self) -> dict[str, Any]:
        """Return the next line of the server."""
        assert self._process.stdout
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        return said


def fill(home: Path) -> None:
    workspace = open_workspace(home)
    store = open_store(workspace)
    store.write(NAME, *(history(symbol) for symbol in SYMBOLS))
    # What becomes of parameters beside a strategy's own is minutes of work, and does not belong to a close.
    evidence = Evidence(workspace, store, NAME, neighbourhood=False)
    for strategy in chosen(None, None, {}):
        evidence.past(strategy, "1h", now_ms())


@contextmanager
def served(home: Path) -> Iterator[tuple[Server, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.closing", str(port)], env={**kept, "CRYPTAI_HOME": str(home)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    crowd = Crowd(port)
    try:
        assert process.stdout
        process.stdout.readline()  # its address is open
        member = crowd.join([], NAME, signals=True)
        server = Server(process, crowd, member)
        while "ready" not in server.said():
            pass
        server.settle(port)
        yield server, port
    finally:
        crowd.leave()
        process.terminate()
        process.communicate(timeout=20)


def _check(home: Path, told: set[tuple[str, str, str]]) -> None:
    record = Record(open_store(open_workspace(home)).catalog)
    sealed = record.newest(NAME, limit=10_000)
    assert record.verify() is None
    there = {(one.body["symbol"], one.body["strategy"], iso(one.body["decided_ms"])) for one in sealed}
    assert told <= there, f"{len(told - there)} signals were told and are not in the record"
    lost = {one for one in there - told if one[2] > iso(int(os.environ["CLOSING_BEGINS_MS"]))}
    assert not lost, f"{len(lost)} of the record were not told, such as {min(lost)}"


def _line(what: str, spent_ns: Sequence[int], goal_ms: int) -> dict[str, Any]:
    p50, p99, last = np.percentile(np.array(spent_ns) / 1e6, [50, 99, 100])
    return {
        "benchmark": "close_to_socket", "what": what, "of": len(SYMBOLS), "signals": len(spent_ns),
        "p50_ms": round(p50), "p99_ms": round(p99), "last_ms": round(last), "goal_ms": goal_ms,
        "cores": len(os.sched_getaffinity(0)), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
