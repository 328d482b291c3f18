"""`cryptai backtest`, `signals` and `strategies`: what they print, and how they refuse."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from tests.strategies.test_strategy import OWN
from tests.trading.worlds import random_candles

from cryptai import seams
from cryptai.cli.main import main
from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.strategies.strategy import strategies

METRICS = {
    "total_return", "sharpe_ratio", "max_drawdown", "win_rate", "profit_factor", "trades", "final_equity",
}  # fmt: skip
TRADE = {
    "side", "entry_time", "exit_time", "entry_price", "exit_price", "quantity", "fees", "pnl", "entry_reason",
    "exit_reason",
}  # fmt: skip
ASKED = ["backtest", "ema_trend", "--symbol", "BTC/USDT", "--timeframe", "1h"]


@pytest.fixture
def stored(workspace):
    store = CandleStore(workspace.candles)
    for seed, symbol in enumerate(("BTC/USDT", "ETH/USDT")):
        c = random_candles(np.random.default_rng([4, seed]), 900, volatility=0.008, holes=0.02)
        store.write("binance", Candles(c.ts, c.open, c.high, c.low, c.close, c.volume, symbol, "1h"))
    return workspace


def _json(capsys, arguments):
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out, parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))


def test_it_works(stored, capsys):
    told = _json(capsys, ASKED)
    assert {
        "run", "strategy", "params", "symbol", "timeframe", "bars", "from", "to", "costs", "data_digest",
    } <= set(told)  # fmt: skip
    assert set(told["metrics"]) >= METRICS
    assert told["metrics"]["trades"] == len(told["trades"]) > 0
    assert all(set(trade) >= TRADE for trade in told["trades"])
    assert told["params"] == {"fast": 12, "slow": 26, "allow_short": False}
    assert told["costs"] == {"fee": 0.001, "slippage": 0.0005}


def test_the_same_run_has_the_same_name_and_another_has_another(stored, capsys):
    first, again = _json(capsys, ASKED), _json(capsys, ASKED)
    assert first == again
    for change in (["--fee", "0.002"], ["--param", "fast=11"], ["--to", "2020-10-01"], ["--capital", "5000"]):
        assert _json(capsys, [*ASKED, *change])["run"] != first["run"]


def test_options_are_told_back(stored, capsys):
    options = [
        "--stop",
        "none",
        "--target",
        "none",
        "--size",
        "0.5",
        "--from",
        "2020-09-20",
        "--to",
        "20200930",
    ]
    told = _json(capsys, [*ASKED, *options, "--param", "fast=5", "--param", "slow=20"])
    assert told["rules"] == {"stop": None, "target": None, "size": 0.5, "risk": None}
    assert told["params"]["fast"] == 5
    assert told["from"] >= "2020-09-20T00:00:00Z"
    assert told["to"] < "2020-09-30T00:00:00Z"
    assert {t["exit_reason"] for t in told["trades"]} <= {"signal", "end"}


def test_evidence_counts_the_distinct_tries_and_is_no_part_of_the_runs_name(stored, capsys):
    first = _json(capsys, ASKED)
    assert first["evidence"]["trials"] == 1
    assert first["evidence"]["status"] == "not_enough_evidence"
    assert first["evidence"]["null_market"]["fair"] is True
    assert _json(capsys, ASKED)["evidence"] == first["evidence"]
    # Not judged, it counts all the same; another strategy has its own count.
    bare = _json(capsys, [*ASKED, "--param", "fast=11", "--no-evidence"])
    assert "evidence" not in bare
    assert _json(capsys, [ASKED[0], "breakout", *ASKED[2:]])["evidence"]["trials"] == 1
    third = _json(capsys, [*ASKED, "--symbol", "ETH/USDT"])
    assert third["evidence"]["trials"] == 3
    again = _json(capsys, ASKED)
    assert again["evidence"]["trials"] == 3
    assert again["evidence"]["deflated_sharpe"] < first["evidence"]["deflated_sharpe"]
    assert {**again, "evidence": None} == {**first, "evidence": None}


def test_what_is_refused_is_no_trial(stored, capsys):
    assert main([*ASKED, "--stop", "1"]) == 2
    capsys.readouterr()
    assert not (stored.root / "trials.sqlite3").exists()


def test_the_human_view_tells_the_verdict_before_the_trades(stored, capsys):
    told = _json(capsys, ASKED)["evidence"]
    assert main(ASKED) == 0
    out, _ = capsys.readouterr()
    assert "Not enough evidence:" in out
    assert all(reason in out for reason in told["reasons"])
    assert out.index("Not enough evidence") < out.index("The last")
    assert main([*ASKED, "--no-evidence"]) == 0
    assert "evidence" not in capsys.readouterr().out


def test_a_file_needs_no_workspace(tmp_path, monkeypatch, capsys, stored):
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "nowhere"))
    candles = CandleStore(stored.candles).read("binance", "BTC/USDT", "1h")
    lines = ["ts,open,high,low,close,volume"]
    columns = [getattr(candles, name).tolist() for name in ("ts", "open", "high", "low", "close", "volume")]
    lines += [",".join(map(repr, row)) for row in zip(*columns, strict=True)]
    file = tmp_path / "BTCUSDT_1h.csv"
    file.write_text("\n".join(lines))
    from_file = _json(capsys, ["backtest", "ema_trend", "--candles", str(file)])
    monkeypatch.setenv("CRYPTAI_HOME", str(stored.root))
    from_store = _json(capsys, ASKED)
    assert from_file["trades"] == from_store["trades"]
    assert from_file["data_digest"] == from_store["data_digest"]
    assert from_file["evidence"]["trials"] == 1
    assert not (tmp_path / "nowhere").exists()


def test_a_users_own_strategy_is_found_by_its_name(stored, capsys):
    (stored.strategies / "my_own.py").write_text(OWN)
    told = _json(capsys, ["backtest", "my_own", "--symbol", "BTCUSDT", "--timeframe", "1h"])
    assert told["strategy"] == "my_own"
    listed = _json(capsys, ["strategies"])["strategies"]
    assert {row["name"] for row in listed} == {*strategies.names(), "my_own"}


def test_one_broken_file_does_not_hide_the_other_strategies(stored, capsys):
    (stored.strategies / "broken.py").write_text("def (")
    listed = _json(capsys, ["strategies"])["strategies"]
    assert [row["name"] for row in listed if row.get("broken")] == ["broken"]
    assert len(listed) == len(strategies.names()) + 1


def test_a_file_that_ends_the_process_does_not_hide_the_other_strategies(stored, capsys):
    (stored.strategies / "leaver.py").write_text("import sys\nsys.exit(0)")
    assert len(_json(capsys, ["strategies"])["strategies"]) == len(strategies.names()) + 1
    assert main(["backtest", "leaver", "--symbol", "BTCUSDT", "--timeframe", "1h"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "SystemExit" in err


def test_what_a_users_strategy_prints_is_not_the_answer(stored, capfd):
    (stored.strategies / "talker.py").write_text(OWN.replace("average =", "print('hello'); average ="))
    assert main(["backtest", "talker", "--symbol", "BTCUSDT", "--timeframe", "1h", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["strategy"] == "talker"
    assert "hello" in err
    assert main(["signals", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["exchange"] == "binance"


def test_the_human_view_says_the_same_numbers(stored, capsys):
    told = _json(capsys, ASKED)
    assert main(ASKED) == 0
    out, _ = capsys.readouterr()
    assert f"run {told['run']}" in out
    assert f"{told['metrics']['total_return']:+.2%}" in out


REFUSED = [
    (["backtest", "ema_trand", "--symbol", "BTC/USDT", "--timeframe", "1h"], "ema_trend"),
    (["backtest", "ema_trend"], "symbol"),
    (["backtest", "ema_trend", "--symbol", "BTC/USDT"], "timeframe"),
    (["backtest", "ema_trend", "--symbol", "DOGE/USDT", "--timeframe", "1h"], "DOGE/USDT"),
    ([*ASKED, "--param", "fsat=3"], "fast"),
    ([*ASKED, "--param", "fast=1"], "from 2 to 1000"),
    ([*ASKED, "--param", "fast"], "name=value"),
    ([*ASKED, "--stop", "1"], "stop"),
    ([*ASKED, "--stop", "1.5"], "stop"),
    ([*ASKED, "--stop", "nan"], "finite"),
    ([*ASKED, "--capital", "0"], "capital"),
    ([*ASKED, "--capital", "inf"], "finite"),
    ([*ASKED, "--fee", "much"], "number"),
    ([*ASKED, "--target", "0.05"], "reward:risk"),
    ([*ASKED, "--from", "2031-01-01"], "no bar"),
    ([*ASKED, "--from", "2020-10-01", "--to", "2020-09-01"], "empty"),
    ([*ASKED, "--from", "31/12/2020"], "not a time"),
    ([*ASKED, "--exchange", "nowhere"], "nowhere"),
    (["backtest", "ema_trend", "--candles", "missing.parquet"], "missing.parquet"),
    (["signals", "--date", "2999-01-01"], "outside|future"),
    (["signals", "--date", "2150-01-01"], "future"),
    (["signals", "--date", "today"], "not a time"),
    (["signals", "--top", "-1"], "top"),
    (["signals", "--date", ""], "date is empty"),
    ([*ASKED, "--from", ""], "from is empty"),
    ([*ASKED, "--min-reward-risk", ""], "min_reward_risk is empty"),
    ([*ASKED, "--capital", "1e308"], "range of numbers"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), REFUSED, ids=lambda a: " ".join(a) if isinstance(a, list) else None
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_cannot_be_is_one_sentence_and_exit_2(stored, capsys, arguments, words, as_json):
    assert main([*arguments, *(["--json"] if as_json else [])]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("cryptai: ")
    assert err.count("\n") == 1
    assert any(word in err for word in words.split("|"))


def test_signals_are_the_best_first_and_end_with_the_day_asked_for(stored, capsys):
    now = int(CandleStore(stored.candles).read("binance", "BTC/USDT", "1h", last=1).close_ts[-1])
    with seams.replaced(now_ns=lambda: now * 1_000_000):
        told = _json(capsys, ["signals", "--top", "3"])
        assert [s["score"] for s in told["signals"]] == sorted(
            (s["score"] for s in told["signals"]), reverse=True
        )
        assert len(told["signals"]) <= 3
        then = _json(capsys, ["signals", "--date", "2020-10-05"])
    assert all(s["decided_at"] <= "2020-10-06T00:00:00Z" for s in then["signals"])
    assert told["practice"] is False


def test_without_candles_signals_say_where_to_look(workspace, capsys):
    assert main(["signals"]) == 0
    out, _ = capsys.readouterr()
    assert "cryptai data list" in out


def test_a_whole_process_gives_the_same_digest_whatever_the_hash_seed(stored):
    runs = set()
    for seed in ("0", "1", "random"):
        done = subprocess.run(
            [sys.executable, "-m", "cryptai.cli.main", *ASKED, "--json"],
            capture_output=True, text=True, check=True,
            env={"CRYPTAI_HOME": str(stored.root), "PYTHONHASHSEED": seed, "PATH": ""},
        )  # fmt: skip
        runs.add(done.stdout)
    assert len(runs) == 1
