"""A user's strategy that misbehaves ends in one sentence, leaves nothing behind, and harms nobody else."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from cryptai.cli.limited import within_limits
from cryptai.cli.main import main
from cryptai.errors import InputError, LimitExceeded
from cryptai.market.candles import Candles
from cryptai.market.files import read_candles
from cryptai.market.store import CandleStore
from cryptai.market.writing import write_candles

HOUR = 3_600_000
T0 = 1_609_459_200_000

HEAD = """
from dataclasses import dataclass
import numpy as np
from cryptai.signals import Signals

@dataclass(frozen=True)
class Own:
    def signals(self, candles):
        n = len(candles)
        entry, exits = np.zeros(n, np.int8), np.zeros(n, np.int8)
        entry[::50] = 1
"""
MISBEHAVES = {
    "loops": (
        "        while True: pass",
        "took more than 2 seconds and was stopped; --time-limit allows more",
    ),
    "eats": (
        "        kept = [np.ones(1 << 24) for _ in range(1000)]",
        "used more than 700 MB of memory and was stopped; --memory-limit allows more",
    ),
    "raises": ("        return 1 / 0", "failed: ZeroDivisionError: division by zero"),
    "leaves": ("        import os; os._exit(3)", "ended its process (status 3) without a result"),
    "killed": (
        "        import os; os.kill(os.getpid(), 9)",
        "ended its process (status -9) without a result",
    ),
    "exits": ("        raise SystemExit(0)", "SystemExit"),
    "short": ("        return Signals(entry[1:], exits)", "a column 'entry' of shape"),
    "floats": ("        return Signals(entry * 1.0, exits)", "a column 'entry' of float64, where int8"),
    "two": (
        "        return Signals(entry * np.int8(2), exits)",
        "a column 'entry' with values outside -1 to 1",
    ),
    "nothing": ("        return None", "must give Signals, gave NoneType"),
    "inf": ("        return Signals(entry, exits, stop=np.full(n, np.inf))", "'stop' that says inf in row 0"),
    "negative": (
        "        return Signals(entry, exits, size=np.full(n, -1.0))",
        "'size' that says -1 in row 0",
    ),
    "peeks": (
        "        return Signals.entries(candles, long=np.append(np.diff(candles.close) > 0, False))",
        "sees the future",
    ),
}


@pytest.fixture
def stored(workspace):
    rng = np.random.default_rng(2)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 400)))
    opens = np.append(100.0, close[:-1])
    high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
    for symbol in ("BTC/USDT", "ETH/USDT"):
        bars = Candles(T0 + np.arange(400) * HOUR, opens, high, low, close, np.ones(400), symbol, "1h")
        CandleStore(workspace.candles).write("binance", bars)
    return workspace


def left(workspace):
    return {
        str(path.relative_to(workspace.root))
        for path in workspace.root.rglob("*")
        if path.is_file() and "candles" not in path.parts and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("name", MISBEHAVES)
def test_it_ends_in_one_sentence_and_leaves_nothing(stored, capfd, name):
    body, words = MISBEHAVES[name]
    (stored.strategies / f"{name}.py").write_text(HEAD + body + "\n")
    before = left(stored)
    asked = ["backtest", name, "--symbol", "BTCUSDT", "--timeframe", "1h"]
    asked += ["--time-limit", "2" if name == "loops" else "50"]
    assert main([*asked, "--memory-limit", "700", "--json"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.startswith("cryptai: ")
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert left(stored) == before


def test_one_that_behaves_runs_and_is_limited_by_nothing_else(stored, capfd):
    (stored.strategies / "good.py").write_text(HEAD + "        return Signals(entry, exits)\n")
    asked = ["backtest", "good", "--symbols", "BTCUSDT,ETHUSDT", "--timeframe", "1h", "--json"]
    assert main(asked) == 0
    first = json.loads(capfd.readouterr().out)
    assert main([*asked, "--time-limit", "0", "--memory-limit", "0"]) == 0
    assert json.loads(capfd.readouterr().out)["run"] == first["run"]
    assert first["symbols"] == ["BTC/USDT", "ETH/USDT"]
    assert len(first["source_digest"]) == 64


def alive(pid):
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture(params=["forked", "begun anew"])
def child(request, monkeypatch):
    """Either of the ways in which a child can begin."""
    monkeypatch.setattr("cryptai.cli.child._alone", lambda: request.param == "forked")


def does(*lines):
    """Return work that can be pickled: it does these lines."""
    return partial(exec, "\n".join(lines), {})


def test_a_child_and_its_children_are_gone_when_it_is_stopped(child, tmp_path):
    file = tmp_path / "pid"
    forks = does(
        "import os, pathlib",
        "if pid := os.fork():",
        f"    pathlib.Path({str(file)!r}).write_text(str(pid))",
        "while True: pass",
    )
    with pytest.raises(LimitExceeded, match="more than 1 seconds"):
        within_limits(forks, 1, 0)
    for _ in range(200):  # a kill is the kernel's to carry out
        if not alive(file.read_text()):
            break
        sleep(0.05)
    else:
        pytest.fail("its child lives on")


def test_what_the_work_raises_comes_back_with_its_field(child):
    refuses = does("from cryptai.errors import InputError", "raise InputError('No.', field='stop')")
    with pytest.raises(InputError, match=r"^No\.$") as refused:
        within_limits(refuses, 5, 0)
    assert refused.value.field == "stop"
    assert within_limits(partial(eval, "{'x': [1, 2]}"), 5, 0) == {"x": [1, 2]}
    with pytest.raises(RuntimeError, match="KeyError: 'ours'"):
        within_limits(partial(eval, "{}['ours']"), 5, 0)


def test_a_strategy_of_a_file_runs_in_a_process_that_has_read_files_before(stored, capfd):
    # What a library's threads held at a fork stays held in the child: it would wait for ever.
    file = stored.root / "BTCUSDT_1h.parquet"
    write_candles(file, CandleStore(stored.candles).read("binance", "BTC/USDT", "1h"))
    read_candles(file)
    (stored.strategies / "good.py").write_text(HEAD + "        return Signals(entry, exits)\n")
    asked = ["backtest", "good", "--candles", str(file), "--time-limit", "20", "--json"]
    assert main(asked) == 0, capfd.readouterr().err
