"""Lists of signals over HTTP with a million of them stored: each address, asked for the first time and again.

The server is `cryptai up` in a process of its own on a record of a million signals (`benchmarks.million`);
only the venue is a script. What it answers is first compared with the tables. Then one client, signed in,
asks one address after another: `first` are questions nobody asked before, `again` the same once more, `not
modified` the same with the tag that came with it. Then eight clients ask at once, one of them without signing
in and one a program, at a modest rate: while nothing happens, and while 500 markets close bars whose signals
are sealed. `LISTS_HOME` names a folder in which the million is kept for the next time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import asked_lists
from benchmarks.close_to_socket import fill, served
from benchmarks.closing import BETWEEN, HOUR_MS, SYMBOLS
from benchmarks.million import SIGNALS, freshen
from cryptai.market.opening import open_store
from cryptai.screening.record import Record
from cryptai.seams import now_ms
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.asked_lists import Lists
    from benchmarks.close_to_socket import Server

GOAL_MS = 50
EACH = 150
CLIENTS, RATE, SECONDS = 8, 5.0, 20.0
_LONGEST_S = 5.0  # of one address in one way: where each answer takes long, fewer are enough
_IDLE_S = 2.0
_PEOPLE = 40  # one may ask 600 times a minute


def measure() -> Iterator[dict[str, Any]]:
    """Yield the latencies of each address, one by one, and of all of them asked by eight clients."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("LISTS_HOME")) as folder:
        home = Path(folder, "home")
        _lay(home)
        with served(home) as (server, port):
            server.close(SYMBOLS, [1])
            server.settle(port)
            people = _people(home)
            asker = Asker(port, people[:_PEOPLE])
            lists = asked_lists.check(home, asker.body)
            spent = Spent()
            _one_by_one(asker, lists, spent, server)
            yield from spent.lines(who="a person", clients=1)
            spent = Spent()
            _at_once(port, people, lists, spent)
            yield from spent.lines(who="all", clients=CLIENTS)
            spent = Spent()
            before = _head(home)
            _at_once(port, people, lists, spent, lambda: _close(server))
            sealed = _head(home) - before
            assert sealed, "nothing was sealed meanwhile"
            yield from spent.lines(who="all", clients=CLIENTS, sealed=sealed)


@dataclass
class Spent:
    """Seconds each answer took, by address and by how it was asked for."""

    ms: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cpu_ms: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, what: str, how: str, seconds: float) -> None:
        """Take one down."""
        self.ms.setdefault((what, how), []).append(seconds * 1e3)

    def lines(self, **more: Any) -> Iterator[dict[str, Any]]:
        """Yield a line for each address, and one for all together."""
        together = {("everything", how): [] for _, how in self.ms}  # type: dict[tuple[str, str], list[float]]
        for (_, how), some in self.ms.items():
            together["everything", how] += some
        for (what, how), some in (*sorted(self.ms.items()), *together.items()):
            p50, p99, worst = np.percentile(some, [50, 99, 100])
            cpu = self.cpu_ms.get((what, how))
            yield {
                "benchmark": "lists", "what": what, "asked": how, **more, "stored": SIGNALS,
                "answers": len(some), "p50_ms": round(p50, 1), "p99_ms": round(p99, 1),
                "worst_ms": round(worst, 1), "goal_p99_ms": GOAL_MS,
                **({} if cpu is None else {"cpu_ms_each": round(cpu / len(some), 1)}),
                "cores": len(os.sched_getaffinity(0)), "load": round(os.getloadavg()[0], 1),
            }  # fmt: skip


class Asker:
    """One connection that is kept, and people who take turns on it."""

    def __init__(self, port: int, people: Sequence[dict[str, str]]) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._people, self._turn = people, 0
        self._tags: dict[str, str] = {}
        self._asked = 0.0

    def body(self, path: str) -> bytes:
        """Return a whole answer."""
        return self.ask(path)[1]

    def ask(self, path: str, *, again: bool = False) -> tuple[float, bytes]:
        """Return the seconds until an answer was read, and its body.

        With `again` the tag is sent along that came the last time: the answer must be that it still holds.
        """
        self._turn += 1
        sent = dict(self._people[self._turn % len(self._people)])
        if again:
            sent["If-None-Match"] = self._tags[path]
        if time.perf_counter() - self._asked > _IDLE_S:
            self._connection.close()  # a server ends one on which nothing comes
            self._connection.connect()
        began = self._asked = time.perf_counter()
        self._connection.request("GET", path, headers=sent)
        answer = self._connection.getresponse()
        body = answer.read()
        spent = time.perf_counter() - began
        assert answer.status == (304 if again else 200), (path, answer.status, body[:300])
        self._tags[path] = answer.headers.get("ETag", "")
        return spent, body

    def tagged(self, path: str) -> bool:
        """Whether the answer of the last time had a tag: a page has none."""
        return bool(self._tags[path])


def _one_by_one(asker: Asker, lists: Lists, spent: Spent, server: Server) -> None:
    for what, paths in lists.items():
        asked = paths[:EACH]
        for how in ("first", "again", "not modified"):
            if how == "not modified" and not asker.tagged(asked[0]):
                continue
            before, began = server.cpu_ms(), time.perf_counter()
            for i in range(len(asked) if how == "first" else EACH):
                if time.perf_counter() - began > _LONGEST_S:
                    asked = asked[:i] if how == "first" else asked
                    break
                path = asked[i % len(asked)]
                spent.note(what, how, asker.ask(path, again=how == "not modified")[0])
            spent.cpu_ms[what, how] = server.cpu_ms() - before


def _at_once(
    port: int,
    people: Sequence[dict[str, str]],
    lists: Lists,
    spent: Spent,
    beside: Callable[[], None] = lambda: time.sleep(1),
) -> None:
    ends = time.perf_counter() + SECONDS

    def ask(number: int) -> list[tuple[str, float]]:
        draw = np.random.default_rng([3, number])
        # The first two are nobody and a program.
        own = people[_PEOPLE + number :][:1] or people[number - 2 : _PEOPLE : CLIENTS - 2]
        asker, taken = Asker(port, own), []
        due = time.perf_counter() + draw.random() / RATE
        while (now := time.perf_counter()) < ends:
            time.sleep(max(due - now, 0.0))
            # Who was kept waiting does not ask the faster for it.
            due = max(due, now) + 1.0 / RATE
            what = list(lists)[draw.integers(len(lists))]
            taken.append((what, asker.ask(lists[what][draw.integers(len(lists[what]))])[0]))
        return taken

    with ThreadPoolExecutor(CLIENTS) as threads:
        asking = [threads.submit(ask, number) for number in range(CLIENTS)]
        while time.perf_counter() < ends - 5:
            beside()
        for one in asking:
            for what, seconds in one.result():
                spent.note(what, "at once", seconds)


_bar = [1]


def _close(server: Server) -> None:
    """Have all markets close an hour's bars up to one that breaks out, whose signals are sealed."""
    first = _bar[0] + 1
    _bar[0] += BETWEEN
    server.close(SYMBOLS, range(first, _bar[0]))
    server.close(SYMBOLS, [_bar[0]])


def _head(home: Path) -> int:
    return Record(open_store(open_workspace(home)).catalog).head()[0]


def _lay(home: Path) -> None:
    kept = os.environ.get("LISTS_HOME")
    source = Path(kept, "million") if kept else home
    if not (source / "candles" / "catalog.sqlite3").exists():
        # In a process of its own: when it ends, all of the log is in the file.
        draft = source.with_name("draft")
        subprocess.run([sys.executable, "-m", "benchmarks.million", str(draft)], check=True)
        draft.rename(source)
    if kept:
        shutil.copytree(source, home)
    record = Record(open_store(open_workspace(home)).catalog)
    assert record.head()[0] == SIGNALS
    begins = now_ms() // HOUR_MS * HOUR_MS
    os.environ["CLOSING_BEGINS_MS"] = str(begins)
    freshen(record, record.get(SIGNALS).body, begins)
    fill(home)


def _people(home: Path) -> list[dict[str, str]]:
    """Return what is sent along by people who are signed in, then by nobody, and by a program."""
    code = (
        "import django, json; django.setup()\n"
        "from django.conf import settings\n"
        "from django.test import Client\n"
        "from cryptai.web.accounts.models import ApiToken, User\n"
        "made = []\n"
        f"for i in range({_PEOPLE}):\n"
        "    user, client = User.objects.create_user(f'person{i}'), Client()\n"
        "    client.force_login(user)\n"
        "    name = settings.SESSION_COOKIE_NAME\n"
        "    made.append({'Cookie': f'{name}={client.cookies[name].value}'})\n"
        "text, _ = ApiToken.objects.issue(user, 'lists')\n"
        "print(json.dumps([*made, {}, {'Authorization': f'Bearer {text}'}]))\n"
    )
    env = {**os.environ, "CRYPTAI_HOME": str(home), "DJANGO_SETTINGS_MODULE": "cryptai.web.settings"}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found
