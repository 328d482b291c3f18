"""`cryptai sweep`, `walkforward` and `compare`: what they print and refuse, and what they say of noise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import cryptai as ca
from cryptai.cli.main import main
from cryptai.market.store import CandleStore
from cryptai.research.trials import tried
from cryptai.research.worlds import walk

MARKET = ["--symbol", "NULL/USDT", "--timeframe", "1h"]
GRID = ["--param", "fast=5:30:5", "--param", "slow=40:100:20"]
OWN = '''"""One's own."""
from dataclasses import dataclass
import cryptai as ca
from cryptai.features import sma


@ca.strategy
@dataclass(frozen=True)
class Own:
    """Long above an average."""

    period: int = ca.param(10, low=2, high=500, meaning="period", unit="bars")

    def signals(self, candles):
        """Decide."""
        %s
        above = candles.close > sma(candles.close, self.period)
        return ca.Signals.entries(candles, long=above, exit_long=~above)
'''


@pytest.fixture
def stored(workspace):
    CandleStore(workspace.candles).write("binance", walk(3, 8, 3_000))
    return workspace


def _json(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out, parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))


def test_it_works(stored, capsys):
    told = _json(capsys, "sweep", "ema_trend", *MARKET, *GRID)
    assert {
        "sweep", "strategy", "exchange", "symbol", "timeframe", "method", "seed", "objective", "space",
        "combinations", "skipped", "done", "held_out", "trials", "evidence", "best", "results", "surface",
        "stability",
    } <= set(told)  # fmt: skip
    assert told["space"] == {"fast": [5, 10, 15, 20, 25, 30], "slow": [40, 60, 80, 100]}
    assert told["trials"] == told["done"] == len(told["results"]) == 24
    assert 0.0 <= told["evidence"]["pbo"] <= 1.0
    assert 0.0 <= told["evidence"]["deflated_sharpe"] <= 1.0
    assert told["best"]["held_out"]["trades"] > 0


def test_the_best_one_of_a_sweep_is_the_backtest_of_its_run(stored, capsys):
    told = _json(capsys, "sweep", "ema_trend", *MARKET, *GRID, "--held-out", "0")
    params = [f"--param={name}={value}" for name, value in told["best"]["params"].items()]
    run = _json(capsys, "backtest", "ema_trend", *MARKET, *params)
    assert run["run"] == told["best"]["run"]
    assert run["metrics"] == told["best"]["metrics"]
    assert run["evidence"]["trials"] == 24, "it was counted before"


def test_people_read_the_choice_the_neighbours_and_the_evidence(stored, capsys):
    assert main(["sweep", "ema_trend", *MARKET, *GRID]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "24 of 24 combinations run" in said
    assert "in the period held out" in said
    assert "Not enough evidence:" in said
    assert "overfitting probability 0." in said


def test_a_walk_forward_tells_its_folds(stored, capsys):
    ask = ["walkforward", "ema_trend", *MARKET, *GRID, "--train", "40d", "--test", "20d", "--embargo", "5"]
    told = _json(capsys, *ask)
    assert len(told["folds"]) == 4
    assert set(told["folds"][0]) == {"train", "test", "params", "in_sample", "out_of_sample", "trades"}
    assert told["folds"][0]["train"][1] == "2021-02-12T19:00:00Z"
    assert told["trials"] == 4 * 24
    assert told["equity"][-1][1] == told["metrics"]["final_equity"]
    assert main(ask) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Out of sample, put together: total_return" in said
    assert "Walk-forward efficiency" in said


def test_a_comparison_tells_who_is_better_than_luck(stored, capsys):
    ask = ["compare", "ema_trend", "rsi_reversal", "ema_trend:fast=20,slow=60", *MARKET]
    told = _json(capsys, *ask)
    assert [row["strategy"] for row in told["strategies"]] == ["ema_trend", "rsi_reversal", "ema_trend"]
    assert told["strategies"][2]["params"]["slow"] == 60
    assert main(ask) == 0
    said = capsys.readouterr().out
    assert "Better than nothing, allowing for 3 that were compared: rsi_reversal (15 trades: too few" in said
    assert "None is better than holding: the best of 3 looks as good as this by luck" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sweep", "ema_trend", *MARKET], "nothing to search"),
        (["sweep", "ema_trend", *MARKET, "--param", "fast=2:1000:1", "--param", "slow=3:5000:1"],
         "4,993,002 combinations are more than the 100,000 of a grid; widen the steps, or draw some of them"),
        (["sweep", "ema_trend", *MARKET, "--param", "fast=5:30:0"], "above 0"),
        (["sweep", "ema_trend", *MARKET, *GRID, "--objective", "luck"], "sharpe_ratio"),
        (["sweep", "ema_trend", *MARKET, *GRID, "--method", "guess"], "grid, random, tpe"),
        (["sweep", "ema_trend", *MARKET, *GRID, "--held-out", "1"], "0.9"),
        (["sweep", "ema_trend", *MARKET, *GRID, "--stop", "0"], "stop must be above 0"),
        (["sweep", "ema_trend", *GRID], "symbol is missing"),
        (["sweep", "ema_trent", *MARKET, *GRID], "ema_trend"),
        (["sweep", "ema_trend", *MARKET, "--param", "fats=5:30:5"], "fast"),
        (["walkforward", "ema_trend", *MARKET, *GRID, "--train", "9y"], "such as 365d"),
        (["walkforward", "ema_trend", *MARKET, *GRID, "--train", "900d"], "hold no fold"),
        (["compare", "ema_trend", *MARKET], "two strategies"),
        (["compare", "ema_trend", "ema_trend:fast", *MARKET], "name=value"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence_and_nothing_is_kept(stored, capsys, arguments, says):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert not (stored.root / "sweeps").exists()
    assert tried(stored, "ema_trend").trials == 0


def test_without_ray_the_way_out_is_told(stored, capsys, monkeypatch):
    monkeypatch.setattr("cryptai.research.cluster.importlib.util.find_spec", lambda _: None)
    assert main(["sweep", "ema_trend", *MARKET, *GRID, "--cluster", "auto"]) == 2
    assert "cryptai[cluster]" in capsys.readouterr().err


def test_ones_own_strategy_is_searched_in_a_process_of_its_own(stored, capsys):
    (stored.strategies / "own.py").write_text(OWN % "print('hello')")
    told = _json(capsys, "sweep", "own", *MARKET, "--param", "period=5:20:5")
    assert told["done"] == told["trials"] == 4
    assert tried(stored, "own").trials == 4


@pytest.mark.parametrize(
    ("line", "options", "says"),
    [
        ("while True: pass", ["--time-limit", "2"], "A set took more than 2 seconds"),
        ("import os; os._exit(3)", [], "ended its process (status 3)"),
        ("raise ValueError('no')", [], "ValueError: no"),
        ("x = bytearray(1 << 31)", ["--memory-limit", "900"], "more than 900 MB"),
    ],
)
def test_what_ones_own_strategy_does_to_itself_is_told_in_a_sentence(stored, capsys, line, options, says):
    (stored.strategies / "own.py").write_text(OWN % line)
    assert main(["sweep", "own", *MARKET, "--param", "period=5:20:5", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


def test_ctrl_c_ends_it_cleanly_and_the_same_command_goes_on(stored):
    (stored.strategies / "own.py").write_text(OWN % "import time; time.sleep(0.05)")
    ask = [sys.executable, "-m", "cryptai", "sweep", "own", *MARKET, "--param", "period=2:80:1", "--json"]
    child = subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    folder = stored.root / "sweeps"
    while child.poll() is None and sum(file.read_text().count("\n") for file in folder.glob("*.jsonl")) < 4:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate()
    assert child.returncode == 130, err
    assert out == ""
    assert "of 79 sets are kept; the same command goes on from there." in err
    kept = tried(stored, "own").trials
    assert 0 < kept < 79
    again = subprocess.run(ask, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["trials"] == 79


def test_the_library_asks_in_the_same_words(stored, capsys):
    bars = CandleStore(stored.candles).read("binance", "NULL/USDT", "1h")
    told = _json(capsys, "sweep", "ema_trend", *MARKET, *GRID, "--method", "random", "--trials", "5")
    found = ca.sweep(bars, "ema_trend", method="random", trials=5, fast="5:30:5", slow=range(40, 101, 20))
    assert [one.params for one in found.results] == [row["params"] for row in told["results"]]
    walked = ca.walkforward(bars, "ema_trend", train="40d", test="20d", fast=[5, 10], slow=40, stop=0.05)
    assert len(walked.folds.folds) == 4
    beside = ca.compare(bars, ["ema_trend", "buy_and_hold"], fee=0.0)
    assert beside.results[0].costs.fee == 0.0
    with pytest.raises(ca.InputError, match="one market, was list"):
        ca.compare([bars, bars], ["ema_trend"])


def test_several_stored_markets_share_the_cash(stored, capsys):
    other = walk(3, 9, 3_000)
    columns = (other.ts, other.open, other.high, other.low, other.close, other.volume)
    CandleStore(stored.candles).write("binance", ca.Candles(*columns, "NIL/USDT", "1h"))
    ask = [
        "--symbols",
        "NULL/USDT,NIL/USDT",
        "--timeframe",
        "1h",
        "--size",
        "0.4",
        "--fee-tier",
        "binance:vip1",
    ]
    told = _json(capsys, "sweep", "ema_trend", *ask, *GRID, "--held-out", "0")
    assert told["symbols"] == ["NULL/USDT", "NIL/USDT"]
    params = [f"--param={name}={value}" for name, value in told["best"]["params"].items()]
    run = _json(capsys, "backtest", "ema_trend", *ask, *params)
    assert run["run"] == told["best"]["run"]
    assert run["metrics"] == told["best"]["metrics"]
    assert run["evidence"]["trials"] == 24, "it was counted before"
    assert main(["walkforward", "ema_trend", *ask, "--param", "fast=5,10", "--train=40d", "--test=20d"]) == 0
    assert "NULL/USDT, NIL/USDT 1h, walk-forward" in capsys.readouterr().out


def test_the_same_idea_tried_two_hundred_times_on_noise_is_told_as_luck(workspace, tmp_path, capsys):
    bars = walk(5, 77, 2_000)
    file = tmp_path / "NULLUSDT_1h.csv"
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = [",".join(map(repr, row)) for row in zip(*(one.tolist() for one in columns), strict=True)]
    file.write_text("\n".join(["ts,open,high,low,close,volume", *rows]))
    ask = ["--candles", str(file), "--fee", "0", "--slippage", "0", "--stop", "none", "--target", "none"]

    def tried_once(fast, slow):
        return _json(
            capsys, "backtest", "ema_trend", *ask, "--param", f"fast={fast}", "--param", f"slow={slow}"
        )

    runs = [tried_once(fast, slow) for fast in range(3, 23, 2) for slow in range(30, 80, 15)]
    assert [run["evidence"]["trials"] for run in runs] == list(range(1, 41))
    # One set has no choice to judge; two hundred have, and nothing speaks for it.
    one = _json(capsys, "sweep", "ema_trend", *ask, "--param", "fast=3", "--param", "slow=30")
    assert one["evidence"]["pbo"] is None
    grid = ["--param", "fast=3:22:1", "--param", "slow=30:75:5", "--held-out", "0"]
    swept = _json(capsys, "sweep", "ema_trend", *ask, *grid)
    assert swept["trials"] == 201, "forty of them were tried before, and the one with bars held out"
    assert swept["evidence"]["pbo"] > 0.05
    assert swept["evidence"]["status"] == "not_enough_evidence"
    assert any("of 200 sets" in reason for reason in swept["evidence"]["reasons"])
    best = max(runs, key=lambda run: run["metrics"]["sharpe_ratio"])
    again = tried_once(best["params"]["fast"], best["params"]["slow"])
    assert again["run"] == best["run"]
    now = again["evidence"]
    assert now["trials"] == 201
    assert now["deflated_sharpe"] < now["probabilistic_sharpe"] - 0.02
    assert now["status"] == "not_enough_evidence"
    assert any("was tried in 201 ways" in reason for reason in now["reasons"])
