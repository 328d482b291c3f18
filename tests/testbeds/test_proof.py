"""The command that runs the beds: what was proved of a commit is not proved once more."""

from __future__ import annotations

import json
import sys

import pytest
from testbeds.beds import BEDS

from testbeds import __main__ as command


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    ran = []

    def figures(runs, size, _jobs):
        for name, seed in runs:
            ran.append(seed)
            yield {"bed": name, "size": size, "seed": seed, "fell_short": ["it fell"] if seed == 2 else []}

    monkeypatch.setattr(command, "_EVIDENCE", tmp_path)
    monkeypatch.setattr(command, "_figures", figures)

    def told(*words, commit="abc1234"):
        monkeypatch.setattr(command, "_commit", lambda: commit)
        monkeypatch.setattr(sys, "argv", ["testbeds", *words])
        ran.clear()
        with pytest.raises(SystemExit) as ended:
            command.main()
        lines = capsys.readouterr().out.splitlines()
        return ended.value.code, list(ran), json.loads(lines[-1]) if lines else None

    return told


def test_a_run_goes_on_where_it_was_cut_off(run):
    assert run("truth", "--day", "--seeds", "3", "--resume")[:2] == (1, [1, 2, 3])
    code, ran, last = run("truth", "--day", "--seeds", "5", "--resume")
    assert (code, ran) == (1, [4, 5])
    assert last == {"beds": ["truth"], "runs": 5, "fell_short": {"truth seed 2": ["it fell"]}}


def test_another_commit_and_another_volume_are_proved_anew(run):
    run("truth", "--day", "--seeds", "1", "--resume")
    assert run("truth", "--seeds", "1", "--resume")[:2] == (0, [1])
    assert run("truth", "--day", "--seeds", "1", "--resume", commit="def5678")[:2] == (0, [1])
    assert run("truth", "--day", "--seeds", "1", "--resume")[:2] == (0, [])


def test_changed_code_cannot_be_resumed(run):
    assert run("truth", "--resume", commit="abc1234-dirty")[:2] == (2, [])


def test_the_long_volume_of_a_bed_is_all_its_seeds(run):
    assert run("truth")[1] == list(range(1, BEDS["truth"].seeds + 1))
    assert run("truth", "--quick")[1] == [1]
