"""A cluster: the same numbers as at home, also where workers are killed; skipped without Ray."""

from __future__ import annotations

import json
import os
import signal
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from cryptai import seams
from cryptai.errors import InputError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.timeframe import DAY_MS
from cryptai.research.plans import Plan, WalkPlan
from cryptai.research.sweep import sweep
from cryptai.research.walkforward import walkforward
from cryptai.research.worlds import walk
from cryptai.trading.request import BacktestRequest
from cryptai.workspace import Workspace, open_workspace

pytestmark = [
    pytest.mark.skipif(
        find_spec("ray") is None, reason="Ray is not installed: nothing was run on a cluster (extra cluster)"
    ),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

OWN = '''"""One's own, and slow."""
import time
from dataclasses import dataclass
import cryptai as ca
from cryptai.features import sma


@ca.strategy
@dataclass(frozen=True)
class Slow:
    """Long above an average."""

    period: int = ca.param(10, low=2, high=500, meaning="period", unit="bars")

    def signals(self, candles):
        """Decide."""
        time.sleep(0.02)
        above = candles.close > sma(candles.close, self.period)
        return ca.Signals.entries(candles, long=above, exit_long=~above)
'''


@pytest.fixture(scope="module")
def cluster():
    import ray

    from cryptai.research.cluster import on_cluster

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield on_cluster("auto")
    ray.shutdown()


def told(name, plan, where, runner=None):
    found = sweep(
        BacktestRequest.parse({"strategy": name}), plan, walk(7, 2, 3_000), where, runner=runner
    ).as_object()
    return json.dumps(found)


def test_the_cluster_gives_the_numbers_of_this_machine(cluster, tmp_path):
    plan = Plan({"fast": "5:30:1", "slow": "31:60:1"})
    nowhere = Workspace(tmp_path / "none")
    assert told("ema_trend", plan, nowhere, cluster) == told("ema_trend", plan, nowhere)


def workers():
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if one.read_bytes().startswith(b"ray::measure"):
                yield int(one.parent.name)
        except OSError:
            continue


def test_ones_own_strategy_travels_and_killed_workers_change_nothing(cluster, tmp_path):
    spaces = [open_workspace(tmp_path / name) for name in ("here", "there")]
    for one in spaces:
        (one.strategies / "slow.py").write_text(OWN)
    plan = Plan({"period": "2:300:1"})
    killed = []

    def kill():
        for _ in range(400):
            for process in workers():
                os.kill(process, signal.SIGKILL)
                killed.append(process)
            if killed:
                return
            seams.sleep(0.05)

    reaper = threading.Thread(target=kill)
    reaper.start()
    found = told("slow", plan, spaces[0], cluster)
    reaper.join()
    assert killed
    assert found == told("slow", plan, spaces[1])


def test_what_a_set_raises_there_is_told_here(cluster, tmp_path):
    home = open_workspace(tmp_path / "home")
    (home.strategies / "broken.py").write_text(
        OWN.replace("Slow", "Broken").replace("time.sleep(0.02)", "1 / (self.period - 9)")
    )
    with pytest.raises(InputError, match="The strategy broken failed: ZeroDivisionError"):
        told("broken", Plan({"period": "5:12:1"}), home, cluster)


def test_a_cluster_that_is_not_there_is_told(tmp_path):
    code = "from cryptai.research.cluster import on_cluster; on_cluster('127.0.0.1:1')"
    import subprocess
    import sys

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "No Ray cluster answers at '127.0.0.1:1'" in told.stderr


def test_several_markets_and_a_walk_forward_are_the_same_there(cluster, tmp_path):
    # What a kernel reads is sent as it is, and lies elsewhere there.
    one, other = walk(7, 2, 3_000), walk(8, 2, 3_000)
    columns = (getattr(other, name) for name in COLUMNS)
    markets = [one, Candles(*columns, symbol="OTHER/USDT", timeframe="1h")]
    nowhere = Workspace(tmp_path / "none")
    request = BacktestRequest.parse({"strategy": "ema_trend", "size": 0.4})
    plan = Plan({"fast": "5:15:5", "slow": "31:51:10"})
    windows = WalkPlan(plan, train_ms=30 * DAY_MS, test_ms=10 * DAY_MS)
    for work, planned in ((sweep, plan), (walkforward, windows)):
        there, here = (
            json.dumps(work(request, planned, markets, nowhere, runner=runner).as_object())
            for runner in (cluster, None)
        )
        assert there == here
