"""Prices to many browsers: a thousand sockets, each following 20 of 500 symbols, at one price a second each.

The server is `cryptai up` in a process of its own: feed, hub and sockets as they are, only the venue is a
script. A delivery is timed from the moment the price is handed to the feed until the crowd's process has read
it from its socket. Before any figure is told, every member must have the last price of all it follows, and
no sequence number may have gone back.
"""

from __future__ import annotations

import json
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.crowd import Crowd
from benchmarks.scripted import NAME, SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 1_000
FOLLOWED = 20
SECONDS = 10
FROZEN = CLIENTS // 20


def measure() -> Iterator[dict[str, Any]]:
    """Yield latencies of spread prices, of bursts, and beside sockets that never read."""
    with served() as server:
        time.sleep(8)  # the first scan, and what it loads
        with joined(server, CLIENTS // 10):
            pass  # threads, caches: what the first ones bring is not theirs
        bare = server.resident_kib()
        with joined(server, CLIENTS) as crowd:
            server.play(crowd, 2, burst=False)
            spread = server.play(crowd, SECONDS, burst=False)
            yield {
                **_line("spread", spread),
                "kib_a_client": round((server.resident_kib() - bare) / CLIENTS, 1),
            }
            burst = server.play(crowd, SECONDS, burst=True)
            yield _line("all at one instant", burst)
        time.sleep(1)
        with joined(server, CLIENTS - FROZEN, frozen=FROZEN) as crowd:
            # Until the frozen ones' buffers are full there is nothing to see.
            server.play(crowd, 2 * SECONDS, burst=False)
            beside = server.play(crowd, SECONDS, burst=False)
            yield {
                **_line(f"{FROZEN} of them frozen", beside),
                "ratio_p99": round(beside["p99"] / spread["p99"], 3),
                "ratio_cpu": round(beside["cpu"] / spread["cpu"], 3), "goal_ratio": 1.1,
            }  # fmt: skip
    if not {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
        print("DATABASE_URL (of an empty database) and REDIS_URL are not set: not measured through Redis.")
        return
    with served_by_another() as server, joined(server, CLIENTS) as crowd:
        server.play(crowd, 2, burst=False)
        yield _line("spread, through Redis", server.play(crowd, SECONDS, burst=False))
        yield _line("all at one instant, through Redis", server.play(crowd, SECONDS, burst=True))


class Server:
    """The process that follows the script, and the one (mostly the same) that the crowd joins."""

    def __init__(self, process: subprocess.Popen[str], port: int, joined: int) -> None:
        self.process = process
        self.port = port
        self.joined = joined

    def play(self, crowd: Crowd, seconds: int, *, burst: bool) -> dict[str, float]:
        """Let prices change for so long; check what everybody got, and return the latencies in ms."""
        crowd.forget()
        before = self._cpu_s()
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"seconds": seconds, "burst": burst}) + "\n")
        self.process.stdin.flush()
        ended: list[float] = []

        def over() -> bool:
            if not ended and select.select([self.process.stdout], [], [], 0)[0]:
                ended.append(time.monotonic())
            return bool(ended) and time.monotonic() - ended[0] > 0.7

        crowd.read(over)
        cpu = self._cpu_s() - before
        last = self.said()["last"]
        return {**checked(crowd, float(last)), "cpu": cpu / seconds}

    def said(self) -> dict[str, Any]:
        """Return the next line of the server."""
        assert self.process.stdout
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def resident_kib(self) -> int:
        """Return the server's memory."""
        status = Path(f"/proc/{self.joined}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self.joined}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def checked(crowd: Crowd, last: float) -> dict[str, float]:
    """Return the latencies in ms; fail on a lost final price or a sequence number that went back."""
    spent = []
    for member in crowd.members:
        assert not member.ended, "the server let a member go"
        newest: dict[str, tuple[int, float]] = {}
        for moment, event in member.events():
            if event["type"] == "price":
                before = newest.get(event["symbol"], (0, 0.0))
                assert event["seq"] > before[0], f"{event} after {before}"
                newest[event["symbol"]] = (event["seq"], event["price"])
                spent.append((moment - event["ts"]) / 1e6)
        for symbol in member.symbols:
            assert newest.get(symbol, (0, 0.0))[1] == last, f"{symbol}: {newest.get(symbol)}, not {last}"
    p50, p99, worst = np.percentile(spent, [50, 99, 100])
    return {"p50": p50, "p99": p99, "worst": worst, "mean": statistics.fmean(spent), "deliveries": len(spent)}


@contextmanager
def served() -> Iterator[Server]:
    """The platform on loopback with a workspace of its own, its venue ready to play."""
    with tempfile.TemporaryDirectory() as home, _up(home) as (port, process):
        yield _ready(Server(process, port, process.pid))


@contextmanager
def served_by_another() -> Iterator[Server]:
    """The same with a second server, which hears of prices by Redis only: the crowd is to join that one."""
    with (
        tempfile.TemporaryDirectory() as home,
        _up(home, DATABASE_URL=os.environ["DATABASE_URL"], REDIS_URL=os.environ["REDIS_URL"]) as (
            port,
            first,
        ),
    ):
        _ready(Server(first, port, first.pid))
        with _up(home, DATABASE_URL=os.environ["DATABASE_URL"], REDIS_URL=os.environ["REDIS_URL"]) as (
            other,
            second,
        ):
            assert second.stdout
            second.stdout.readline()  # its address is open
            time.sleep(3)
            yield Server(first, other, second.pid)


@contextmanager
def _up(home: str, **env: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scripted", str(port)],
        env={**kept, "CRYPTAI_HOME": home, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield port, process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _ready(server: Server) -> Server:
    while "ready" not in server.said():
        pass
    return server


@contextmanager
def joined(server: Server, clients: int, *, frozen: int = 0) -> Iterator[Crowd]:
    """A crowd whose members follow 20 neighbouring symbols each, every symbol alike."""
    crowd = Crowd(server.port)
    try:
        for i in range(clients + frozen):
            symbols = [SYMBOLS[(i * 7 + j) % len(SYMBOLS)] for j in range(FOLLOWED)]
            crowd.join(symbols, NAME, frozen=i >= clients)
        began = time.monotonic()
        crowd.read(lambda: time.monotonic() - began > 1)
        yield crowd
    finally:
        crowd.leave()


def _line(what: str, found: dict[str, float]) -> dict[str, Any]:
    return {
        "benchmark": "fan_out", "what": what, "clients": CLIENTS, "symbols_each": FOLLOWED,
        "of": len(SYMBOLS), "deliveries": int(found["deliveries"]),
        "p50_ms": round(found["p50"], 1), "p99_ms": round(found["p99"], 1),
        "worst_ms": round(found["worst"], 1), "goal_p99_ms": 50, "server_cpu": round(found["cpu"], 2),
    }  # fmt: skip
