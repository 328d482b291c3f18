"""B5: several processes share one address's allowance for days, die, come back, and are never banned."""

from __future__ import annotations

import heapq
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from cryptai.market.budget import Budget
from cryptai.market.timeframe import HOUR_MS, MINUTE_MS
from testbeds.asking import ADDRESS, VENUE
from testbeds.home import a_folder
from testbeds.ledger import WEIGHT_A_MINUTE, Ledger

if TYPE_CHECKING:
    from testbeds.ledger import Request

_ROOT: Final = Path(__file__).resolve().parents[1]
_START_MS: Final = 1_700_006_400_000  # 2023-11-15, midnight UTC
_PROCESSES: Final = 5
_CLIENTS: Final = 4
# What Binance asks for candles, its list of symbols, all prices, a deep book.
_WEIGHTS: Final = (2, 2, 20, 80, 250)
# On the way to the venue and back, each.
_WAY_MS: Final = (20, 400)
# So long everybody asks without end, once an hour; else now and then.
_RUSH_MS: Final = 4 * MINUTE_MS
_IDLE_MS: Final = 8 * MINUTE_MS
_PAUSES_A_DAY: Final = 3
_RESTARTED: Final = 2
_USABLE: Final = 0.8


def share(seed: int, hours: int, bug: str = "none") -> dict[str, Any]:
    """Let five processes of four clients each ask one venue for so many simulated hours."""
    with a_folder() as folder:
        world = _World(seed, folder / "budget.sqlite3", bug)
        try:
            world.run(hours)
        finally:
            world.close()
    ledger, days = world.ledger, hours / 24
    usable = world.rushed / (WEIGHT_A_MINUTE * world.rush_ms(hours) / MINUTE_MS)
    own_pauses = ledger.count(429, injected=False)
    return {
        "seed": seed, "hours": hours, "processes": _PROCESSES, "clients": _PROCESSES * _CLIENTS,
        "requests": len(ledger.requests), "restarts": world.restarts, "pauses_injected": world.pauses,
        "inherited_ban_s": world.inherited_s, "first_request_after_s": world.first_s,
        "early": ledger.early, "own_bans": ledger.count(418, injected=False), "own_pauses": own_pauses,
        "usable": round(usable, 3),
        "fell_short": [
            words for words, broken in {
                "requests came before they were allowed": ledger.early > 0,
                "the venue banned us": ledger.count(418, injected=False) > 0,
                "the venue asked for more than one pause a day": own_pauses > max(1.0, days),
                "too little of the allowance could be used": usable < _USABLE,
                "nobody was restarted": not world.restarts,
            }.items() if broken
        ],
    }  # fmt: skip


class _World:
    """The venue, the processes, and the one clock: whoever's moment is next goes on, alone."""

    def __init__(self, seed: int, file: Path, bug: str) -> None:
        self._random = seams.rng([seed, 61])
        self._file, self._bug = file, bug
        self.ledger = Ledger()
        self.now_ms = _START_MS
        self.restarts = self.pauses = self.rushed = 0
        # Spans in which the venue allows nothing.
        self._paused: list[tuple[int, int]] = []
        self.first_s: float | None = None
        # When somebody here first heard of the pause that the venue told last.
        self._heard_ms = math.inf
        # Moments to come: when, a number that keeps their order, whose, and what is told then.
        self._moments: list[tuple[int, int, int, Any]] = []
        self._count = 0
        self._lives = [0] * _PROCESSES
        self.inherited_s = self._banned_before()
        self._children = [self._child() for _ in range(_PROCESSES)]

    def run(self, hours: int) -> None:
        """Go through the hours."""
        for client in range(_PROCESSES * _CLIENTS):
            self._later(int(self._random.integers(0, 5_000)), client, ("ask", self._weight()))
        end = _START_MS + hours * HOUR_MS
        deaths = [_START_MS + h * HOUR_MS + 90_000 for h in range(1, hours, 12 if hours > 12 else 2)]
        pauses = sorted(
            _START_MS + HOUR_MS + int(at)
            for at in self._random.integers(0, max(1, (hours - 1) * HOUR_MS), _PAUSES_A_DAY * hours // 24 + 1)
        )
        while self._moments and self._moments[0][0] < end:
            self.now_ms, _, client, (life, what, told) = heapq.heappop(self._moments)
            if deaths and self.now_ms >= deaths[0]:
                deaths.pop(0)
                self._restart()
            if life != self._lives[client // _CLIENTS]:
                continue  # of one who is dead
            if what == "arrive":
                # A pause is asked for while requests come.
                injected = bool(pauses) and self.now_ms >= pauses[0]
                if injected:
                    pauses.pop(0)
                self._arrives(client, *told, injected=injected)
            else:
                self._goes_on(client, told)

    def rush_ms(self, hours: int) -> int:
        """Return how long everybody asked without end while the venue allowed it."""
        rushes = [(at, at + _RUSH_MS) for at in range(_START_MS, _START_MS + hours * HOUR_MS, HOUR_MS)]
        lost = sum(
            max(0, min(end, until) - max(at, since)) for at, end in rushes for since, until in self._paused
        )
        return hours * _RUSH_MS - lost

    def close(self) -> None:
        """End all processes."""
        for child in self._children:
            child.kill()
            child.communicate()

    def _goes_on(self, client: int, told: Any) -> None:
        """Give a client its moment, and see what it does next."""
        child = self._children[client // _CLIENTS]
        assert child.stdin is not None and child.stdout is not None  # noqa: PT018, S101 (both are pipes)
        child.stdin.write(f"{json.dumps([client % _CLIENTS, self.now_ms, told])}\n")
        child.stdin.flush()
        if isinstance(told, list) and told[0] != 200:
            self._heard_ms = min(self._heard_ms, self.now_ms)
        what, value = json.loads(child.stdout.readline())
        if what == "send":
            self._later(self._way(), client, ("arrive", [self.now_ms, int(value)]))
        elif what == "rest":
            self._later(max(1, round(value * 1000)), client, ("go", None))
        elif what == "gave_up":
            self._later(int(self._random.integers(5_000, 60_000)), client, ("ask", self._weight()))
        else:
            rushing = self.now_ms % HOUR_MS < _RUSH_MS
            pause = (
                self._random.integers(1, 20) if rushing else self._random.integers(_IDLE_MS // 4, _IDLE_MS)
            )
            self._later(int(pause), client, ("ask", self._weight()))

    def _arrives(self, client: int, sent_ms: int, weight: int, *, injected: bool) -> None:
        """Let the venue answer."""
        if self.first_s is None:
            self.first_s = (self.now_ms - _START_MS) / 1000
        request: Request = self.ledger.take(self.now_ms, "/api/v3", weight)
        # Sent before anybody here had heard of the pause: nobody's fault.
        request.early = request.early and sent_ms > self._heard_ms
        before = self.ledger.allowed_ms
        refused = self.ledger.refusal(request)
        if refused is None and injected:
            refused = self.ledger.pause(self.now_ms, int(self._random.integers(1, 90)))
            request.injected = True
            self.pauses += 1
            self._paused.append((self.now_ms, self.ledger.allowed_ms))
        if self.ledger.allowed_ms != before:
            self._heard_ms = math.inf
        request.status, seconds = refused or (200, 0)
        headers = {"X-MBX-USED-WEIGHT-1M": str(self.ledger.used)}
        if refused:
            headers["Retry-After"] = str(seconds)
        elif self.now_ms % HOUR_MS < _RUSH_MS:
            self.rushed += weight
        self._later(self._way(), client, ("go", [request.status, headers]))

    def _restart(self) -> None:
        """Kill two processes in the middle of a minute; others take their places at once."""
        for k in self._random.permutation(_PROCESSES)[:_RESTARTED].tolist():
            self._children[k].kill()
            self._children[k].communicate()
            self._lives[k] += 1
            self._children[k] = self._child()
            self.restarts += 1
            for client in range(k * _CLIENTS, (k + 1) * _CLIENTS):
                self._later(int(self._random.integers(0, 2_000)), client, ("ask", self._weight()))

    def _banned_before(self) -> int:
        """Let a process that has ended since have heard of a ban; return its seconds."""
        status, seconds = self.ledger.ban(_START_MS)
        with seams.replaced(monotonic=lambda: _START_MS / 1000, now_ns=lambda: _START_MS * 1_000_000):
            budget = Budget(VENUE, ADDRESS, file=self._file)
            budget.learn(WEIGHT_A_MINUTE)
            budget.refused(status, {"Retry-After": str(seconds)})
            budget.close()
        self._heard_ms = _START_MS
        self._paused.append((_START_MS, self.ledger.allowed_ms))
        return seconds

    def _child(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "testbeds.asking", str(self._file), self._bug],
            env=os.environ, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _later(self, after_ms: int, client: int, what: tuple[str, Any]) -> None:
        self._count += 1
        life = self._lives[client // _CLIENTS]
        heapq.heappush(self._moments, (self.now_ms + after_ms, self._count, client, (life, *what)))

    def _weight(self) -> int:
        return int(self._random.choice(_WEIGHTS))

    def _way(self) -> int:
        return int(self._random.integers(*_WAY_MS))
