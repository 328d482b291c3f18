"""A user's strategy in a process of its own: the same result, and limits that hold."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from cryptai.errors import InputError, LimitExceeded
from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.trading.isolated import run_isolated
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_request
from tests.strategies.test_strategy import OWN

from .worlds import random_candles

ASKED = {"strategy": "my_own", "symbol": "BTC/USDT", "timeframe": "1h", "param": {"period": 10}}


@pytest.fixture
def home(workspace):
    candles = random_candles(np.random.default_rng(3), 600, volatility=0.01)
    CandleStore(workspace.candles).write("binance", candles)
    (workspace.strategies / "my_own.py").write_text(OWN)
    return workspace


def _own(home, body):
    text = OWN.replace(
        "average = sma(candles.close, self.period)", body + "\n        average = sma(candles.close, 5)"
    )
    (home.strategies / "my_own.py").write_text(text)


def test_it_gives_what_the_command_gives(home):
    out = home.runs / "a"
    found = run_isolated(ASKED, home.root, out)
    here = run_request(BacktestRequest.parse(ASKED), CandleStore(home.candles), home.strategies)
    assert found == json.loads(json.dumps(here.as_object()))
    assert found["metrics"]["trades"] > 5
    ts, equity = np.load(out / "equity.npy", allow_pickle=False)
    assert ts.tolist() == here.ts.tolist()
    assert equity.tolist() == here.equity.tolist()


def test_what_a_strategy_prints_does_not_spoil_the_answer(home):
    _own(home, 'print("{}"); import sys; print("x" * 10000, file=sys.stderr)')
    assert run_isolated(ASKED, home.root, home.runs / "a")["strategy"] == "my_own"


def test_an_endless_strategy_is_stopped(home):
    _own(home, "while True: pass")
    with pytest.raises(LimitExceeded, match="more than 2 seconds"):
        run_isolated(ASKED, home.root, home.runs / "a", seconds=2)


def test_a_sleeping_strategy_is_stopped_too(home):
    _own(home, "import time; time.sleep(60)")
    with pytest.raises(LimitExceeded, match="more than 1 seconds"):
        run_isolated(ASKED, home.root, home.runs / "a", seconds=1)


def test_a_greedy_strategy_is_stopped(home):
    _own(home, "hoard = [bytearray(1 << 20) for _ in range(4000)]")
    with pytest.raises(LimitExceeded, match="512 MB"):
        run_isolated(ASKED, home.root, home.runs / "a", megabytes=512)


def test_a_strategy_that_raises_or_leaves_is_a_sentence(home):
    _own(home, "raise KeyError('gone')")
    with pytest.raises(InputError, match="KeyError"):
        run_isolated(ASKED, home.root, home.runs / "a")
    _own(home, "import os; os._exit(3)")
    with pytest.raises(InputError, match="status 3"):
        run_isolated(ASKED, home.root, home.runs / "a")


def test_it_sees_no_secret_of_the_servers_environment(home, monkeypatch):
    # For DATABASE_URL, tests/contracts does the same with a database.
    monkeypatch.setenv("REDIS_URL", "redis://:secret@host")
    _own(home, "import os; assert 'REDIS_URL' not in os.environ")
    assert run_isolated(ASKED, home.root, home.runs / "a")["strategy"] == "my_own"
    assert os.environ["REDIS_URL"]


def test_nothing_is_left_behind_by_a_failure(home):
    _own(home, "raise ValueError")
    with pytest.raises(InputError):
        run_isolated(ASKED, home.root, home.runs / "a")
    assert list((home.runs / "a").iterdir()) == []


def test_a_portfolio_of_the_users_strategy_runs_in_a_child(home, tmp_path):
    bars = random_candles(np.random.default_rng(4), 400, volatility=0.01)
    columns = [getattr(bars, name) for name in ("ts", "open", "high", "low", "close", "volume")]
    CandleStore(home.candles).write("binance", Candles(*columns, "ETH/USDT", "1h"))
    asked = {"strategy": "my_own", "symbols": ["BTC/USDT", "ETH/USDT"], "timeframe": "1h", "size": 0.4}
    found = run_isolated(asked, home.root, tmp_path / "out")
    assert found["symbols"] == ["BTC/USDT", "ETH/USDT"]
    expected = run_request(BacktestRequest.parse(asked), CandleStore(home.candles), home.strategies)
    assert found["run"] == expected.run
    assert np.load(tmp_path / "out" / "equity.npy")[0].tolist() == expected.ts.tolist()


def test_a_strategy_that_sees_the_future_is_refused_in_the_child(home, tmp_path):
    _own(
        home,
        "import numpy as np; rises = np.append(np.diff(candles.close) > 0, False)\n"
        "        return Signals.entries(candles, long=rises)",
    )
    with pytest.raises(InputError, match="sees the future") as refused:
        run_isolated(ASKED, home.root, tmp_path / "out")
    assert refused.value.field == "strategy"
