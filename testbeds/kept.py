"""B3 for the whole platform: what `cryptai up`, a backtest, an export and a backup said was kept, is kept.

The real commands run on the practice market, their calls noted. Somebody outside reads what they say, and
what they made when they say it: the owner's password and token, the site's key, a run's row and files, a file
of candles, an archive. A fact counts from the calls on that were noted when it was heard.
"""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.request import Request, urlopen

from cryptai import seams
from cryptai.market.store import CandleStore
from testbeds.calls import build, noting, read_calls
from testbeds.disk import Disk
from testbeds.home import a_folder
from testbeds.power import moments
from testbeds.watched import cryptai

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE: Final = Path(__file__).resolve().parent
_PATIENCE_S: Final = 120.0
_SYMBOL, _FRAME = "BTC/USDT", "1h"
_SHOWN: Final = 5
_OWNER: Final = "SELECT password FROM accounts_user WHERE username = 'owner'"
_BEARER: Final = "SELECT digest FROM accounts_apitoken ORDER BY id LIMIT 1"
_NEWEST: Final = "SELECT id FROM research_run WHERE status = 'COMPLETED' ORDER BY finished_ms DESC LIMIT 1"
_RUN: Final = "SELECT status, run_digest FROM research_run WHERE id = ?"


class Fact(NamedTuple):
    """What was heard when so many bytes of notes were written: a file's digest, or a query's answer."""

    noted: int
    what: str
    path: str
    answer: Any
    query: str
    values: tuple[str, ...]


def keeps(seed: int, count: int, bug: str = "none") -> dict[str, Any]:
    """Let the platform work for a while; cut the power so often, and look for everything it had said."""
    random = seams.rng([seed, 67])
    with a_folder() as folder:
        root, notes = folder / "disk", folder / "notes"
        root.mkdir()
        facts = _work(root, notes, noting(build(folder, _HERE), root, notes), bug)
        calls, ends, at = list(read_calls(notes)), [], 0
        for call in calls:
            at += call.size
            ends.append(at)
        disk, judged, wrong = Disk(root), 0, []
        chosen = moments(calls, count, random)
        for i, call in enumerate(calls, 1):
            disk.take(call)
            for _ in range(chosen.count(i)):
                heard = [fact for fact in facts if fact.noted <= ends[i - 1]]
                with tempfile.TemporaryDirectory(dir=folder) as left:
                    disk.after_cut(random, Path(left))
                    wrong += [f"after call {i}: {words}" for words in _judge(Path(left), heard)]
                judged += 1
    return {
        "seed": seed, "cuts": judged, "calls": len(calls), "facts": [fact.what for fact in facts],
        "wrong": len(wrong), "examples": wrong[:_SHOWN],
        "fell_short": ["after a cut something acknowledged was lost, torn or unreadable"] if wrong else [],
    }  # fmt: skip


def _work(root: Path, notes: Path, environment: dict[str, str], bug: str) -> list[Fact]:
    """Let the commands work, and return what was heard of them, in its order."""
    home = root / "workspace"
    kept = {name: value for name, value in environment.items() if not name.startswith("DJANGO_")}
    settings = {"CRYPTAI_HOME": str(home), "CRYPTAI_SYMBOLS": _SYMBOL, "CRYPTAI_TIMEFRAMES": _FRAME}
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])

    def run(*more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*cryptai(bug), *more], env=kept | settings, cwd=_HERE.parent, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    facts: list[Fact] = []

    def hear(what: str, path: Path, query: str = "", *values: str) -> None:
        answer = _asked(path, query, values) if query else _digest(path)
        facts.append(Fact(notes.stat().st_size, what, str(path.relative_to(root)), answer, query, values))

    with run("up", "--exchange", "practice", "--port", port, "--json") as site:
        assert site.stdout is not None  # noqa: S101 (it is a pipe)
        try:
            token = json.loads(site.stdout.readline())["owner"]["token"]
            hear("password", home / "cryptai.sqlite3", _OWNER)
            hear("token", home / "cryptai.sqlite3", _BEARER)
            hear("key", home / "secrets" / "django.key")
            for _ in range(2):
                _backtest(port, token)
                run_id = _asked(home / "cryptai.sqlite3", _NEWEST, ())[0][0]
                hear("run", home / "cryptai.sqlite3", _RUN, run_id)
                for name in ("result.json", "equity.npy"):
                    hear(name, home / "runs" / run_id / name)
        finally:
            site.send_signal(signal.SIGINT)
            site.communicate()
    exported = ["data", "export", "--exchange", "practice", "--symbol", _SYMBOL, "--timeframe", _FRAME]
    for what, file, verb in (
        ("export", root / "candles.parquet", [*exported, "--out", str(root / "candles.parquet")]),
        ("backup", root / "backup.tar.gz", ["backup", str(root / "backup.tar.gz")]),
    ):
        with run(*verb) as command:
            command.communicate()
        hear(what, file)
    return facts


def _backtest(port: str, token: str) -> None:
    """Run one by the API, once there are candles."""
    body = {"strategy": "ema_trend", "exchange": "practice", "symbol": _SYMBOL, "timeframe": _FRAME}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    address = f"http://127.0.0.1:{port}"
    began = seams.monotonic()
    while True:
        asked = Request(f"{address}/signals/api/backtests/", json.dumps(body).encode(), headers)  # noqa: S310
        try:
            with urlopen(asked, timeout=_PATIENCE_S) as answer:  # noqa: S310 (loopback)
                answer.read()
                return
        except OSError:
            if seams.monotonic() - began > _PATIENCE_S:
                raise
            seams.sleep(0.2)


def _judge(root: Path, heard: list[Fact]) -> Iterator[str]:
    """Say what is missing or otherwise, and what cannot be read."""
    for fact in heard:
        path = root / fact.path
        try:
            found = _asked(path, fact.query, fact.values) if fact.query else _digest(path)
        except (OSError, sqlite3.DatabaseError) as error:
            found = error
        if found != fact.answer:
            yield f"{fact.what} is {found!r}, not {fact.answer!r}"
    store = CandleStore(root / "workspace" / "candles")
    try:
        for market in store.markets():
            store.read(market.exchange, market.symbol, market.timeframe)
    except Exception as error:  # noqa: BLE001 (whatever cannot be read is lost)
        yield f"the candles are unreadable: {error!r}"


def _asked(path: Path, query: str, values: tuple[str, ...]) -> Any:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as db:
        return db.execute(query, values).fetchall()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
