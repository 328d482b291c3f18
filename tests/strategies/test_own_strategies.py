"""The guide's strategies of one's own: each is found as a file and trades; the compiled one is its loop."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from cryptai.market.store import CandleStore
from cryptai.research.company import company
from cryptai.strategies.strategy import build
from cryptai.strategies.user import USER_MODULES, find_strategy
from cryptai.trading.backtest import backtest
from cryptai.trading.isolated import run_isolated
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_request
from tests.trading.worlds import random_candles

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "own_strategies.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(params=range(len(BLOCKS)), ids=lambda number: f"example {number}")
def made(request, tmp_path):
    (tmp_path / "shown.py").write_text(BLOCKS[request.param])
    return build(find_strategy("shown", tmp_path), {})


def test_a_strategy_of_the_guide_trades_and_says_nothing_else_of_a_shorter_history(made):
    (candles,) = company(made, random_candles(np.random.default_rng(7), 900, holes=0.02))
    assert backtest(candles, made).metrics.trades > 3
    whole = made.signals(candles)
    for cut in range(len(candles)):
        part = made.signals(candles[:cut])
        assert part.entry.tobytes() == whole.entry[:cut].tobytes()
        assert part.exits.tobytes() == whole.exits[:cut].tobytes()


def test_the_compiled_one_gives_what_its_loop_gives_in_plain_python(tmp_path):
    (tmp_path / "shown.py").write_text(BLOCKS[-1])
    made = build(find_strategy("shown", tmp_path), {"fast": 5, "slow": 12})
    loop = vars(sys.modules[f"{USER_MODULES}.shown"])["cross"].function
    candles = random_candles(np.random.default_rng(8), 700)
    entry, exits = np.zeros(len(candles), np.int8), np.zeros(len(candles), np.int8)
    loop(candles.close, 5, 12, entry, exits)
    signals = made.signals(candles)
    assert entry.sum() > 10
    assert signals.entry.tobytes() == entry.tobytes()
    assert signals.exits.tobytes() == exits.tobytes()


def test_a_server_runs_the_compiled_one_in_a_process_of_its_own(workspace):
    CandleStore(workspace.candles).write("binance", random_candles(np.random.default_rng(9), 600))
    # A file that was never seen: the process has to compile it within its limits.
    (workspace.strategies / "shown.py").write_text(f"# {workspace.root}\n{BLOCKS[-1]}")
    asked = {"strategy": "shown", "symbol": "BTC/USDT", "timeframe": "1h"}
    found = run_isolated(asked, workspace.root, workspace.runs / "a")
    here = run_request(BacktestRequest.parse(asked), CandleStore(workspace.candles), workspace.strategies)
    assert found["metrics"]["trades"] > 3
    assert found["run"] == here.run
    assert found["metrics"] == here.as_object()["metrics"]
