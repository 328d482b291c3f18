"""The ledger of trials: what counts, that it stays, and that two processes and a kill do it no harm."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from cryptai.errors import WorkspaceError
from cryptai.research.trials import OWNER, Trial, Tried, note, tried
from cryptai.workspace import Workspace

WRITER = """
import sys
from pathlib import Path
from cryptai.research.trials import Trial, note
from cryptai.workspace import Workspace
home, name, count = Workspace(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for i in range(count):
    note(home, "ema_trend", [Trial(f"{name}{i}", i / 100), Trial(f"both{i}", i / 50)])
    print(f"{name}{i}", flush=True)
"""


def _writer(workspace, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(workspace.root), name, str(count)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_each_distinct_run_of_a_user_and_family_counts_once(workspace):
    assert note(workspace, "ema_trend", [Trial("a", 0.1)]) == Tried(1, None)
    assert note(workspace, "ema_trend", [Trial("a", 0.1)]) == Tried(1, None)
    found = note(workspace, "ema_trend", [Trial("b", 0.3), Trial("b", 0.3), Trial("c", None)])
    assert found.trials == 3
    assert found.deviation == pytest.approx(np.std([0.1, 0.3], ddof=1))
    assert note(workspace, "breakout", [Trial("a", 0.2)]).trials == 1
    assert note(workspace, "ema_trend", [Trial("a", 0.2)], user="user:2").trials == 1
    assert tried(workspace, "ema_trend") == found
    assert tried(workspace, "ema_trend", user=OWNER) == found
    assert tried(workspace, "rsi_reversal") == Tried(0, None)


def test_the_first_ratio_noted_of_a_run_stays(workspace):
    note(workspace, "f", [Trial("a", 0.1), Trial("b", 0.2)])
    before = tried(workspace, "f")
    assert note(workspace, "f", [Trial("a", 9.0)]) == before


def test_without_a_workspace_it_is_this_calls_and_nothing_is_made(tmp_path):
    nowhere = Workspace(tmp_path / "nowhere")
    found = note(nowhere, "f", [Trial("a", 0.1), Trial("b", 0.2)])
    assert found.trials == 2
    assert note(nowhere, "f", [Trial("c", 0.1)]).trials == 1
    assert tried(nowhere, "f") == Tried(0, None)
    assert not nowhere.root.exists()


def test_looking_makes_no_file(workspace):
    before = set(workspace.root.iterdir())
    tried(workspace, "f")
    assert set(workspace.root.iterdir()) == before


@pytest.mark.parametrize("statement", ["DELETE FROM trial", "UPDATE trial SET sharpe = 0"])
def test_no_trial_can_be_taken_back(workspace, statement):
    note(workspace, "f", [Trial("a", 0.1)])
    with (
        closing(sqlite3.connect(workspace.root / "trials.sqlite3")) as db,
        pytest.raises(sqlite3.IntegrityError, match="only ever added"),
    ):
        db.execute(statement)
    assert tried(workspace, "f").trials == 1


def test_two_processes_at_once_count_what_both_have_tried(workspace):
    writers = [_writer(workspace, name, 40) for name in ("x", "y")]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    assert tried(workspace, "ema_trend").trials == 120  # 40 of each, and the 40 that both noted


def test_of_two_that_make_the_ledger_at_once_neither_loses_a_trial(workspace, monkeypatch):
    link = Path.hardlink_to

    def later(path, draft):
        monkeypatch.setattr(Path, "hardlink_to", link)
        note(workspace, "f", [Trial("quicker", 0.2)])
        link(path, draft)

    monkeypatch.setattr(Path, "hardlink_to", later)
    assert note(workspace, "f", [Trial("slower", 0.1)]).trials == 2
    assert not list(workspace.root.glob("*.tmp*"))


def test_what_was_noted_outlives_a_kill(workspace):
    noted = []
    for round_ in range(4):
        writer = _writer(workspace, f"r{round_}-", 100_000)
        noted += [writer.stdout.readline().strip() for _ in range(5 + 7 * round_)]
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        noted += rest.split("\n")[:-1]
    with closing(sqlite3.connect(workspace.root / "trials.sqlite3")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = {run for (run,) in db.execute("SELECT run FROM trial")}
    assert set(noted) <= kept
    mine = {run for run in kept if run.startswith("r")}
    # Of each pair both are there or neither, and at most the one in flight was not told of.
    assert {f"both{run.partition('-')[2]}" for run in mine} == kept - mine
    assert len(mine - set(noted)) <= 4


def test_a_damaged_ledger_is_one_sentence_with_the_way_out(workspace):
    (workspace.root / "trials.sqlite3").write_bytes(b"no database at all" * 100)
    for act in (lambda: tried(workspace, "f"), lambda: note(workspace, "f", [Trial("a", 0.1)])):
        with pytest.raises(WorkspaceError, match=r"trials\.sqlite3 cannot be used.*restore"):
            act()
