"""A sweep: the sets' own backtests, held out bars unseen, each set a trial, the same after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.research.explore import Stopped
from cryptai.research.overfit import probability_of_overfitting
from cryptai.research.plans import Plan, read_sweep
from cryptai.research.sweep import sweep
from cryptai.research.trials import tried
from cryptai.research.worlds import walk
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on
from cryptai.workspace import Workspace

SPACE = {"fast": "5:30:5", "slow": "20:100:20"}
REQUEST = BacktestRequest.parse({"strategy": "ema_trend"})


@pytest.fixture(scope="module")
def bars():
    return walk(7, 2, 3_000)


def swept(bars, where, plan=None, **options):
    return sweep(REQUEST, plan or Plan(SPACE), bars, where, **options)


def test_every_set_has_the_figures_of_its_own_backtest(bars, workspace):
    found = swept(bars, workspace)
    end = int(bars.ts[2250])
    for one in found.results[::5]:
        own = run_on(replace(REQUEST, params=one.params, end_ms=end), bars)
        assert one.run == own.run
        assert one.metrics == own.as_object()["metrics"]
    best = max(one.metrics["sharpe_ratio"] for one in found.results)
    assert found.best.metrics["sharpe_ratio"] == best


def test_every_rule_and_cost_of_a_backtest_is_a_searchs_too(bars, workspace):
    options = {
        "fill": "close", "trailing": 0.03, "max_bars": 90, "risk": 0.02, "maker": 0.0002, "spread": 0.0004,
        "target_steps": "0:0.1,24:0.03",
    }  # fmt: skip
    request = BacktestRequest.parse({"strategy": "ema_trend", **options})
    found = sweep(request, Plan({"fast": "5,20", "slow": "40,80"}, held_out=0.0), bars, workspace)
    for one in found.results:
        own = run_on(replace(request, params=one.params), bars)
        assert one.run == own.run
        assert one.metrics == own.as_object()["metrics"]


def test_the_best_is_run_on_what_was_held_out(bars, workspace):
    found = swept(bars, workspace)
    told = found.as_object()
    own = run_on(replace(REQUEST, params=found.best.params, start_ms=int(bars.ts[2250])), bars)
    assert told["best"]["held_out"] == own.as_object()["metrics"]
    assert found.held_out == (int(bars.ts[2250]), int(bars.ts[-1]))


def test_the_size_at_which_the_edge_of_the_best_is_gone_is_told(bars, workspace):
    free = replace(REQUEST, fee=0.0, slippage=0.0)
    found = sweep(free, Plan({"fast": "5,20", "slow": "40,80"}, held_out=0.0), bars, workspace)
    chosen = run_on(replace(free, params=found.best.params), bars)
    assert found.evidence["break_even"]["size"] == chosen.report.capacity
    assert chosen.report.capacity is not None


def test_bars_that_are_held_out_change_nothing_of_the_choice(bars, workspace):
    columns = {name: np.array(getattr(bars, name)) for name in ("open", "high", "low", "close")}
    for values in columns.values():
        values[2250:] *= 3.0
    other = Candles(bars.ts, *columns.values(), bars.volume, bars.symbol, bars.timeframe)
    one, two = swept(bars, workspace).as_object(), swept(other, workspace).as_object()
    assert one["results"] == two["results"]
    assert one["sweep"] == two["sweep"]
    assert one["best"]["run"] == two["best"]["run"]


def test_nothing_is_held_out_where_that_is_asked_for(bars, workspace):
    told = swept(bars, workspace, Plan(SPACE, held_out=0.0)).as_object()
    assert told["held_out"] is None
    assert told["best"]["held_out"] is None
    assert told["to"] == "2021-05-08T23:00:00Z"


def test_each_set_is_one_trial_whatever_is_run_again(bars, workspace):
    told = swept(bars, workspace).as_object()
    assert (told["done"], told["skipped"], told["combinations"]) == (27, 3, 30)
    assert told["trials"] == told["evidence"]["trials"] == 27
    assert swept(bars, workspace).as_object()["trials"] == 27
    assert swept(bars, workspace, Plan(SPACE, method="random", trials=9)).as_object()["trials"] == 27
    assert swept(bars, workspace, Plan({**SPACE, "slow": "120,140"})).as_object()["trials"] == 39
    assert tried(workspace, "ema_trend").trials == 39


def test_without_a_workspace_the_trials_are_this_calls(bars, tmp_path):
    nowhere = Workspace(tmp_path / "none")
    assert swept(bars, nowhere).as_object()["trials"] == 27
    assert not nowhere.root.exists()


def test_the_probability_of_overfitting_is_that_of_the_sets_daily_returns(bars, workspace):
    found = swept(bars, workspace)
    columns = []
    for one in found.results:
        run = run_on(replace(REQUEST, params=one.params, end_ms=int(bars.ts[2250])), bars)
        day = run.ts // 86_400_000
        last = run.equity[np.append(np.flatnonzero(np.diff(day)), len(day) - 1)]
        columns.append(np.diff(np.r_[10_000.0, last]) / np.r_[10_000.0, last[:-1]])
    own = probability_of_overfitting(np.stack(columns, axis=1), blocks=16)
    told = found.evidence["overfitting"]
    assert told["pbo"] == found.evidence["pbo"] == pytest.approx(own.pbo, abs=1e-12)
    assert (told["sets"], told["blocks"], told["splits"]) == (27, 16, 12_870)


def test_the_result_depends_on_no_count_of_threads(bars, tmp_path):
    told = [
        json.dumps(swept(bars, Workspace(tmp_path / "none"), threads=count).as_object())
        for count in (1, 2, 5)
    ]
    assert told[0] == told[1] == told[2]


def test_the_surface_and_the_neighbours_are_the_sets_own(bars, workspace):
    told = swept(bars, workspace).as_object()
    surface = told["surface"]
    assert (surface["x"], surface["y"]) == ("fast", "slow")
    by_set = {tuple(row["params"].values()): row["metrics"]["sharpe_ratio"] for row in told["results"]}
    for row, slow in zip(surface["values"], surface["ys"], strict=True):
        assert row == [by_set.get((fast, slow)) for fast in surface["xs"]]
    best = tuple(told["best"]["params"].values())
    near = [
        value for (fast, slow), value in by_set.items()
        if (fast, slow) != best and abs(fast - best[0]) <= 5 and abs(slow - best[1]) <= 20
    ]  # fmt: skip
    assert told["stability"]["neighbours"] == len(near)
    assert told["stability"]["median"] == pytest.approx(np.median(near))


def test_less_is_better_of_a_drawdown(bars, workspace):
    found = swept(bars, workspace, Plan(SPACE, objective="max_drawdown"))
    assert found.best.metrics["max_drawdown"] == min(one.metrics["max_drawdown"] for one in found.results)


def test_a_stopped_search_keeps_what_is_finished_and_goes_on_to_the_same(bars, workspace, tmp_path):
    stop = Event()
    with pytest.raises(Stopped):
        swept(bars, workspace, stop=stop, threads=1, progress=lambda news: news.done >= 5 and stop.set())
    kept = tried(workspace, "ema_trend").trials
    assert 5 <= kept < 27
    seen = []
    again = swept(bars, workspace, progress=seen.append)
    assert seen[0].done > kept
    assert again.as_object() == swept(bars, Workspace(tmp_path / "none")).as_object()


KILLED = """
import sys, time
from pathlib import Path
from cryptai.research import explore, measured
from cryptai.research.plans import Plan
from cryptai.research.sweep import sweep
from cryptai.research.worlds import walk
from cryptai.trading.request import BacktestRequest
from cryptai.workspace import open_workspace

def slowly(bench, sets, stop):
    for one in sets:
        yield measured.measure(bench, [one])
        print("done", flush=True)
        time.sleep(0.02)

sweep(BacktestRequest.parse({"strategy": "ema_trend"}), Plan(%r), walk(7, 2, 3_000),
      open_workspace(Path(sys.argv[1])), runner=slowly)
"""


def test_what_a_killed_search_had_finished_is_not_run_again_and_the_result_is_the_same(
    bars, workspace, tmp_path
):
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED % SPACE, str(workspace.root)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(7):
        assert child.stdout.readline() == "done\n"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    (file,) = (workspace.root / "sweeps").iterdir()
    with file.open("ab") as torn:  # what a power cut may leave of the next line
        torn.write(b'{"run": "0123456789abcdef", "params": {"fa')
    ran = []

    def counted(bench, sets, stop):
        from cryptai.research.measured import measure

        ran.extend(sets)
        yield measure(bench, sets)

    again = swept(bars, workspace, runner=counted)
    assert len(ran) in (19, 20)  # it was killed before it had told of the last, or after
    assert again.as_object() == swept(bars, Workspace(tmp_path / "none")).as_object()
    assert len(swept(bars, workspace, runner=counted).results) == 27
    assert len(ran) in (19, 20), "all were kept"


def test_a_strategy_that_never_trades_has_no_best(workspace):
    flat = walk(7, 2, 400)
    still = Candles(flat.ts, *[np.full(400, 100.0)] * 4, flat.volume, flat.symbol, flat.timeframe)
    told = swept(still, workspace).as_object()
    assert told["best"] is None
    assert told["evidence"]["status"] == "not_enough_evidence"
    assert "No trade was made." in told["evidence"]["reasons"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"objective": "luck"}, "objective"), ({"held_out": 0.95}, "held_out"),
        ({"held_out": -1}, "held_out"), ({"held_out": "much"}, "held_out"),
        ({"seed": -1}, "seed"), ({"seed": 1.5}, "seed"),
        ({"param": {}}, "param"), ({"symbols": ["BTC/USDT", "ETH/USDT"], "symbol": "BTC/USDT"}, "symbols"),
        ({"fill": "never"}, "fill"), ({"trails": 3}, "trails"), ({"trials": "x"}, "trials"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(options, field):
    with pytest.raises(InputError) as refused:
        read_sweep({"strategy": "ema_trend", "param": SPACE, **options})
    assert refused.value.field == field


def test_too_few_bars_and_sets_that_all_contradict_themselves_are_refused(bars, workspace):
    with pytest.raises(InputError, match="too few to hold out"):
        swept(bars[:30], workspace)
    with pytest.raises(InputError, match="None of the 1 combinations fits ema_trend; of the first: fast"):
        swept(bars, workspace, Plan({"fast": "50", "slow": "20"}))
    assert not (workspace.root / "sweeps").exists()
