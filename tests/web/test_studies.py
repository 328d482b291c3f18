"""Searches: in a process of their own, cancelled, killed, refused, and never stored by halves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cryptai.errors import InputError, LimitExceeded
from cryptai.research.sweep import sweep
from cryptai.research.trials import tried
from cryptai.seams import now_ms
from cryptai.trading.isolated import environment_of
from cryptai.web import live
from cryptai.web.research import searching, studies
from cryptai.web.research.models import QueueFull, Study
from cryptai.web.research.plans import read_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cryptai.web.accounts.models import User
    from cryptai.workspace import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("inline_jobs", "searched")]
ASKED = {
    "strategy": "ema_trend", "exchange": "coinbase", "symbol": "SWEPT/USDT", "timeframe": "1h",
    "param": {"fast": "5:15:5", "slow": "20:40:10"},
}  # fmt: skip
OWN = """
import time
from dataclasses import dataclass

import numpy as np

from cryptai.signals import Signals
from cryptai.strategies.strategy import param, strategy


@strategy
@dataclass(frozen=True)
class Own:
    period: int = param(5, low=1, high=10_000)

    def signals(self, candles):
        {body}
        at = np.arange(len(candles)) % (10 + self.period)
        return Signals.entries(candles, long=at == 0, exit_long=at == 5)
"""


@pytest.fixture
def own(home: Workspace) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Options of a search of a strategy of the user's, whose body is given."""
    file = home.strategies / "own.py"

    def written(body: str) -> dict[str, Any]:
        file.write_text(OWN.format(body=body))
        # Another range each time: what another test has finished is not found again.
        return {
            **ASKED,
            "strategy": "own",
            "param": {"period": "1:400"},
            "capital": str(now_ms() % 10**9 + 1),
        }

    yield written
    file.unlink(missing_ok=True)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that searches have started."""
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def spied(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(searching.subprocess, "Popen", spied)
    return started


def test_a_sweep_gives_in_its_process_what_the_engine_gives_here(
    alice: User, searched: dict[str, Any], home: Workspace
) -> None:
    told: list[dict[str, Any]] = []
    live.speak_by(told.append)
    try:
        study = Study.objects.start(alice, "sweep", dict(ASKED))
    finally:
        live.speak_by(None)
    study.refresh_from_db()
    assert (study.status, study.reason) == ("COMPLETED", "")
    found, here = study.result(), searched["sweep"]["object"]
    for name in ("sweep", "results", "best", "surface", "stability", "held_out"):
        assert found[name] == here[name], name
    assert (study.done, study.total) == (9, 9)
    assert study.summary is not None
    assert study.summary["sets"] == 9
    assert study.summary["id"] == here["sweep"]
    # Each set is a try of hers, and of nobody else.
    assert tried(home, "ema_trend", user=f"user:{alice.pk}").trials >= 9
    assert [one["status"] for one in told] == ["RUNNING", "COMPLETED"]
    assert {one["to"] for one in told} == {alice.pk}


def test_several_markets_are_searched_as_one_portfolio(alice: User, home: Workspace) -> None:
    options = {
        "strategy": "ema_trend", "symbols": "BTC/USDT, ETH/USDT", "timeframe": "1h", "size": "0.4",
        "param": {"fast": "5,10", "slow": "20"}, "held_out": "0",
    }  # fmt: skip
    study = Study.objects.start(alice, "sweep", options)
    study.refresh_from_db()
    assert (study.status, study.reason) == ("COMPLETED", "")
    request, plan = read_study("sweep", options)
    markets = [live.store().read("binance", one, "1h") for one in request.markets]
    here = sweep(request, plan, markets, home, exchange="binance", user=f"user:{alice.pk}")  # type: ignore[arg-type]
    found = study.result()
    assert found["symbols"] == ["BTC/USDT", "ETH/USDT"]
    for name in ("sweep", "results", "best", "trials"):
        assert found[name] == here.as_object()[name], name


def test_a_walk_forward_is_kept_with_its_folds(alice: User, searched: dict[str, Any]) -> None:
    study = Study.objects.start(alice, "walkforward", dict(searched["walkforward"]["request"]))
    study.refresh_from_db()
    assert (study.status, study.reason) == ("COMPLETED", "")
    assert study.result()["folds"] == searched["walkforward"]["object"]["folds"]
    assert study.summary is not None
    assert study.summary["folds"] == len(study.result()["folds"]) > 0


def test_a_cancelled_search_ends_its_process_and_leaves_nothing(
    alice: User, own: Callable[[str], dict[str, Any]], children: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = searching.searched

    def cancelled(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for line in real(*args, **kwargs):
            if line is not None:
                row = Study.objects.for_user(alice).get()
                assert Study.objects.cancel(alice, row.pk)
                assert not Study.objects.cancel(alice, row.pk)
            yield line

    monkeypatch.setattr(searching, "searched", cancelled)
    study = Study.objects.start(alice, "sweep", own("time.sleep(0.02)"))
    study.refresh_from_db()
    assert study.status == "CANCELLED"
    assert study.finished
    assert not study.folder.exists()
    assert [child.poll() is not None for child in children] == [True]


def test_a_search_cancelled_before_its_turn_never_begins(
    alice: User, children: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptai.web import jobs

    waiting: list[Any] = []
    monkeypatch.setattr(jobs, "submit_long", waiting.append)
    study = Study.objects.start(alice, "sweep", dict(ASKED))
    assert Study.objects.cancel(alice, study.pk)
    waiting[0]()
    study.refresh_from_db()
    assert (study.status, children) == ("CANCELLED", [])


def test_a_killed_process_is_told_and_the_next_search_goes_on(
    alice: User, own: Callable[[str], dict[str, Any]], children: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, options = searching.searched, own("time.sleep(0.02)")

    def killed(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for line in real(*args, **kwargs):
            if line is not None and line.get("done", 0) >= 16:
                os.killpg(children[-1].pid, signal.SIGKILL)
            yield line

    monkeypatch.setattr(searching, "searched", killed)
    study = Study.objects.start(alice, "sweep", options)
    study.refresh_from_db()
    assert study.status == "FAILED"
    assert "was killed by SIGKILL" in study.reason
    assert "goes on from there" in study.reason
    assert not study.folder.exists()


@pytest.mark.parametrize(
    ("body", "said", "field"),
    [
        ("raise ValueError('no such thing')", "no such thing", "strategy"),
        ("import os; os._exit(3)", "ended with status 3", ""),
        ("import sys; sys.exit(0)", "own failed", "strategy"),
        ("print('{\"end\": {}}'); raise KeyError('printed')", "printed", "strategy"),
    ],
)
def test_what_a_users_strategy_does_wrong_is_the_reason_and_nothing_is_stored(
    alice: User, own: Callable[[str], dict[str, Any]], body: str, said: str, field: str
) -> None:
    study = Study.objects.start(alice, "sweep", own(body))
    study.refresh_from_db()
    assert study.status == "FAILED"
    assert said in study.reason
    assert study.field == field
    assert "Traceback" not in study.reason
    assert not study.folder.exists()


def test_a_strategy_that_never_ends_is_stopped_after_a_silence(
    home: Workspace, own: Callable[[str], dict[str, Any]], children: list[Any], tmp_path: Path
) -> None:
    task = {"kind": "sweep", "options": own("while True: pass"), "out": str(tmp_path), "user": "user:x"}
    with (
        pytest.raises(LimitExceeded, match="may loop for ever"),
        closing(searching.searched(task, home.root, silence_s=6.0)) as lines,
    ):
        list(lines)
    assert children[0].poll() is not None


def test_a_strategy_that_eats_memory_is_stopped(
    home: Workspace, own: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    options = own("self.__dict__.setdefault('x', np.ones(1 << 29))")
    task = {"kind": "sweep", "options": options, "out": str(tmp_path), "user": "user:x"}
    with (
        pytest.raises((LimitExceeded, InputError), match=r"memory|MemoryError|allocate"),
        closing(searching.searched(task, home.root, megabytes=2048)) as lines,
    ):
        list(lines)


def test_the_process_stops_when_whoever_asked_has_gone(
    home: Workspace, own: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    task = {
        "kind": "sweep", "options": own("time.sleep(0.02)"), "out": str(tmp_path / "out"), "user": "user:x",
        "catalog": None, "megabytes": 4096,
    }  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-m", "cryptai.web.research.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment_of(home.root), start_new_session=True,
    )  # fmt: skip
    assert child.stdin
    assert child.stdout
    try:
        child.stdin.write(json.dumps(task).encode() + b"\n")
        child.stdin.flush()
        assert "done" in json.loads(child.stdout.readline())
        child.stdin.close()
        rest = child.stdout.read()
        assert child.wait(60) == 0
        assert b'"end"' not in rest
        assert not (tmp_path / "out").exists()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"param": {}}, "param"),
        ({"param": {"fast": "5:15:0"}}, "param.fast"),
        ({"param": {"nothing": "1:5"}}, "param.nothing"),
        ({"param": {"fast": "1:10"}}, "param.fast"),
        ({"param": {"fast": "2:1000", "slow": "3:5000"}}, "param"),
        ({"param": "fast"}, "param"),
        ({"method": "luck"}, "method"),
        ({"method": "random", "trials": "0"}, "trials"),
        ({"trials": "7"}, "trials"),
        ({"objective": "beauty"}, "objective"),
        ({"held_out": "1"}, "held_out"),
        ({"held_out": "x"}, "held_out"),
        ({"seed": "-1"}, "seed"),
        ({"strategy": "ema_trent"}, "strategy"),
        ({"symbol": "NONE/USDT"}, None),
        ({"symbol": None}, "symbol"),
        ({"timeframe": "7h"}, "timeframe"),
        ({"symbols": ["BTC/USDT", "ETH/USDT"]}, "symbols"),
        ({"stop": "1.2.3"}, "stop"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_its_field_and_leaves_no_row(
    alice: User, change: dict[str, Any], field: str | None
) -> None:
    with pytest.raises(InputError) as refused:
        Study.objects.start(alice, "sweep", {**ASKED, **change})
    if field is not None:
        assert refused.value.field == field
    assert not Study.objects.for_user(alice).exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [({"train": "soon"}, "train"), ({"test": "0d"}, "test"), ({"embargo": "1.5"}, "embargo")],
)
def test_what_cannot_be_walked_is_refused_too(alice: User, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refused:
        Study.objects.start(alice, "walkforward", {**ASKED, **change})
    assert refused.value.field == field
    assert not Study.objects.for_user(alice).exists()


def test_millions_of_combinations_are_refused_with_their_number(alice: User) -> None:
    with pytest.raises(InputError, match="4,990,005 combinations are more than the 100,000"):
        Study.objects.start(alice, "sweep", {**ASKED, "param": {"fast": "2:1000", "slow": "6:5000"}})


def test_no_more_wait_than_one_may_have(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptai.web import jobs

    monkeypatch.setattr(jobs, "submit_long", lambda work: None)
    for _ in range(studies.MOST_WAITING):
        Study.objects.start(alice, "sweep", dict(ASKED))
    with pytest.raises(QueueFull, match="5 of your searches are waiting already"):
        Study.objects.start(alice, "sweep", dict(ASKED))
    assert Study.objects.start(bob, "sweep", dict(ASKED)).status == "QUEUED"


def test_what_a_stopped_server_left_is_closed_with_a_reason(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptai.web import jobs

    monkeypatch.setattr(jobs, "submit_long", lambda work: None)
    study = Study.objects.start(alice, "sweep", dict(ASKED))
    assert Study.objects.fail_abandoned(before_ms=study.created_ms) == 0
    assert Study.objects.fail_abandoned() == 1
    study.refresh_from_db()
    assert study.status == "FAILED"
    assert "The server stopped" in study.reason
