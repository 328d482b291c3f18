"""How the command answers, and how every failure ends."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
import typer

from cryptai.cli import main as front
from cryptai.cli.main import application, main
from cryptai.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.core import TyperGroup

    from cryptai.workspace import Workspace


def raising(error: BaseException) -> Callable[[], TyperGroup]:
    def build() -> TyperGroup:
        app = typer.Typer()

        @app.callback(invoke_without_command=True)
        def fail(some: str = "") -> None:
            raise error

        return typer.main.get_group(app)

    return build


@pytest.mark.parametrize("group", ["data", "owner", "strategy"])
def test_a_group_alone_shows_its_help(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([group]) == 0
    out, err = capsys.readouterr()
    assert f"Usage: cryptai {group}" in out
    assert not err


def names_of_commands() -> list[str]:
    return list(application().commands)


def test_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"cryptai {version('cryptai')}\n"


def test_the_command_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "Usage: cryptai" in out
    assert not err


def test_the_verbs_are_those_of_the_readme() -> None:
    verbs = {"up", "data", "symbols", "strategies", "backtest", "signals", "job", "jobs", "owner", "doctor"}
    verbs |= {"backup", "restore", "features", "check", "strategy", "runs", "report", "verify", "sweep"}
    verbs |= {"walkforward", "compare"}
    assert set(names_of_commands()) == verbs


def every_command() -> list[tuple[str, ...]]:
    def walk(command: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        below = getattr(command, "commands", {})
        return [path, *(leaf for name, sub in below.items() for leaf in walk(sub, (*path, name)))]

    return walk(application(), ())


def test_every_verb_speaks_json() -> None:
    def verbs(command: object) -> list[object]:
        below = getattr(command, "commands", None)
        return [command] if below is None else [leaf for sub in below.values() for leaf in verbs(sub)]

    dumb = [
        verb.name  # type: ignore[attr-defined]
        for verb in verbs(application())
        if not any("--json" in one.opts for one in verb.params)  # type: ignore[attr-defined]
    ]
    assert dumb == []


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_has_a_help_with_a_sentence(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == 0
    out, err = capsys.readouterr()
    assert not err
    sentence = out.split("\n\n")[1].strip()
    assert sentence.endswith((".", "…", "?")), sentence
    # `signals` answers by itself, and has verbs of its record below it.
    leaf = "Commands:" not in out or path == ("signals",)
    assert ("Example: " in out) is leaf


@pytest.mark.parametrize(
    "arguments",
    [["nosuch"], ["--nosuch"], ["backup"], ["backup", "a", "b"], ["data", "nosuch", "--json"]],
)
def test_wrong_usage_is_one_sentence_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("cryptai: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [InputError("stop must be below 1,\nwas 1.5."), SourceError("binance did not answer.")]
)
def test_our_errors_are_one_sentence_and_exit_2(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "application", raising(error))
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err == f"cryptai: {' '.join(str(error).split())}\n"


def test_what_the_machine_refuses_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "a.arrow")
    monkeypatch.setattr(front, "application", raising(full))
    assert main([]) == 2
    assert capsys.readouterr().err == "cryptai: a.arrow: No space left on device.\n"


def test_our_mistake_is_told_in_a_sentence_and_its_traceback_goes_to_the_logs(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "application", raising(ZeroDivisionError("by nought")))
    assert main(["--some", "argument"]) == 1
    out, err = capsys.readouterr()
    (log,) = (workspace.root / "logs").iterdir()
    assert not out
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert str(log) in err
    assert "ZeroDivisionError: by nought" in log.read_text()
    assert "['--some', 'argument']" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_crash_makes_no_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "none"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(front, "application", raising(ZeroDivisionError()))
    assert main([]) == 1
    (log,) = tmp_path.iterdir()
    assert str(log) in capsys.readouterr().err


def test_ctrl_c_is_quiet_and_exits_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "application", raising(KeyboardInterrupt()))
    assert main([]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_goes_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "cryptai", "--help"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert done.returncode == 141
    assert not done.stderr


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numba", "polars", "django", "httpx", "rich", "talib", "llvmlite", "websockets")
    script = (
        "import sys, cryptai.cli.main as m; m.main(['--help']); "
        f"print([n for n in {heavy} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
