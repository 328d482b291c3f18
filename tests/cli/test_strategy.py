"""`cryptai strategy new`: what it writes runs, is believed and tested; what is taken is refused."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.trading.worlds import random_candles

from cryptai.cli.main import main
from cryptai.market.store import CandleStore
from cryptai.strategies.strategy import build, parameters
from cryptai.strategies.user import find_strategy

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

Capture = pytest.CaptureFixture[str]


def told(*arguments: str, capsys: Capture) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def tree(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def own_tests(file: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(file.parent),
        str(file),
    ]
    return subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)


def test_it_works(workspace: Workspace, capsys: Capture) -> None:
    made = told("strategy", "new", "my_idea", capsys=capsys)
    assert made["file"] == str(workspace.strategies / "my_idea.py")
    assert made["test"] == str(workspace.strategies / "tests" / "test_my_idea.py")
    (one,) = told("check", "my_idea", capsys=capsys)["checks"]
    assert (one["fair"], one["causal"], one["streaming"], one["warmup"]["enough"]) == (True, True, True, True)
    assert one["warmup"]["declared"] == 51
    assert one["null_market"]["trades"] > 100
    CandleStore(workspace.candles).write("binance", random_candles(np.random.default_rng(3), 1_500))
    result = told("backtest", "my_idea", "--symbol", "BTC/USDT", "--timeframe", "1h", capsys=capsys)
    assert result["metrics"]["trades"] > 5


def test_its_own_test_passes_and_can_fail(workspace: Workspace, capsys: Capture) -> None:
    made = told("strategy", "new", "my_idea", capsys=capsys)
    passed = own_tests(workspace.strategies / "tests" / "test_my_idea.py")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "4 passed" in passed.stdout
    file = workspace.strategies / "my_idea.py"
    file.write_text(
        file.read_text().replace("long=crosses_above(fast, slow)", "long=crosses_above(fast[::-1], slow)")
    )
    failed = own_tests(workspace.strategies / "tests" / "test_my_idea.py")
    assert failed.returncode == 1, made
    assert re.search(r"\b[23] failed", failed.stdout)


def test_it_is_documented_typed_and_listed(workspace: Workspace, capsys: Capture) -> None:
    assert main(["strategy", "new", "my_idea"]) == 0
    assert "cryptai check my_idea" in capsys.readouterr().out
    text = (workspace.strategies / "my_idea.py").read_text()
    parts = list(ast.walk(ast.parse(text)))
    functions = [one for one in parts if isinstance(one, ast.FunctionDef)]
    assert {one.name for one in functions} >= {"check", "memory", "signals", "score"}
    for one in functions:
        assert one.returns is not None
        assert all(argument.annotation for argument in one.args.args[1:])
        assert ast.get_docstring(one) or one.name.startswith("_")
    declared = parameters(find_strategy("my_idea", workspace.strategies))
    assert [(p.name, p.type, bool(p.meaning), p.low < p.default < p.high) for p in declared] == [
        ("fast", int, True, True),
        ("slow", int, True, True),
    ]
    rows = told("strategy", "list", capsys=capsys)["strategies"]
    assert rows == told("strategies", capsys=capsys)["strategies"]
    assert [row["summary"] for row in rows if row["own"]] == [
        "Enter long when the fast average crosses above the slow one, leave when it crosses below."
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my-idea", "'my-idea' cannot name a strategy"),
        ("2fast", "cannot name a strategy"),
        ("class", "cannot name a strategy"),
        ("../up", "cannot name a strategy"),
        ("", "'' cannot name a strategy"),
        ("a" * 61, "at most 60 letters"),
        ("ema_trend", "ema_trend is a built-in strategy's name"),
    ],
)
def test_a_name_that_cannot_be_is_a_sentence_and_makes_nothing(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "none"))
    assert main(["strategy", "new", name]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert (out, err.count("\n")) == ("", 1)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("taken", ["mine.py", "tests/test_mine.py"])
def test_nothing_is_written_over(workspace: Workspace, taken: str, capsys: Capture) -> None:
    (workspace.strategies / "tests").mkdir()
    (workspace.strategies / taken).write_text("mine = 1\n")
    before = tree(workspace.strategies)
    assert main(["strategy", "new", "mine"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert tree(workspace.strategies) == before


@pytest.mark.parametrize("name", ["none", "_", "_1", "Idea", "a__b", "nd_array", "ñandú", "signals"])
def test_whatever_name_it_bears_the_class_is_one(workspace: Workspace, name: str, capsys: Capture) -> None:
    assert main(["strategy", "new", name]) == 0
    made = build(find_strategy(name, workspace.strategies), {})
    assert made.signals(random_candles(np.random.default_rng(1), 300)).entry.any()
    capsys.readouterr()


def test_check_is_the_verb_of_that_name(workspace: Workspace, capsys: Capture) -> None:
    (workspace.strategies / "broken.py").write_text("1 / 0")
    assert [main(["strategy", "check", "broken"]), main(["check", "broken"])] == [2, 2]
    one, other = capsys.readouterr().err.splitlines()
    assert one == other
    assert "ZeroDivisionError" in one
