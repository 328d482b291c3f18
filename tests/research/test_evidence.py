"""Evidence: its figures by hand, its words, and what 200 tries on noise do to both."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from tests.trading.worlds import random_candles

import cryptai as ca
from cryptai.analytics import significance as sig
from cryptai.research.evidence import ENOUGH, NOT_ENOUGH, judge, renewed, trial_of
from cryptai.research.noted import evidence_of
from cryptai.research.trials import Tried, tried
from cryptai.workspace import Workspace

DAY = 86_400_000
ONCE = Tried(1, None)


def run(returns, trades, **changes):
    """Return a run as `backtest --json` tells it: one bar a day, long trades of these returns, no costs."""
    equity = 100.0 * np.cumprod(1.0 + np.asarray(returns))
    rows = [
        {
            "side": "long", "entry_time": "2020-01-01T00:00:00Z", "exit_time": "2020-01-02T00:00:00Z",
            "entry_price": 100.0, "exit_price": 100.0 * (1.0 + r), "quantity": 1.0, "fees": 0.0,
            "pnl": 100.0 * r, "exit_reason": "signal",
        }
        for r in trades
    ]  # fmt: skip
    found = {
        "run": "f00", "strategy": "ema_trend", "symbol": "BTC/USDT", "timeframe": "1d",
        "capital": 100.0, "trades": rows, "costs": {"fee": 0.0, "slippage": 0.0}, **changes,
    }  # fmt: skip
    return found, DAY * np.arange(len(equity)), equity


def steady(days=600, edge=0.002, seed=1):
    generator = np.random.default_rng(seed)
    return generator.normal(edge, 0.01, days), generator.normal(0.01, 0.02, 60)


def test_the_figures_by_hand():
    returns, trades = steady()
    given = run(returns, trades)
    told = judge(*given, Tried(20, 0.03))
    ratio, skewness, kurtosis = sig.moments(returns)
    assert told["sharpe"] == pytest.approx(ratio, abs=1e-9)
    assert told["trials"] == 20
    assert told["trials_deviation"] == 0.03
    assert told["returns"] == 600
    assert told["probabilistic_sharpe"] == pytest.approx(
        sig.probabilistic_sharpe(ratio, 600, skewness, kurtosis), abs=1e-9
    )
    assert told["deflated_sharpe"] == pytest.approx(
        sig.deflated_sharpe(ratio, 600, 20, 0.03, skewness, kurtosis), abs=1e-9
    )
    assert told["minimum_track_record"] == {
        "days": pytest.approx(sig.minimum_track_record(ratio, skewness, kurtosis), rel=1e-6), "have": 600,
    }  # fmt: skip
    won = trades > 0
    assert told["mean_trade"]["value"] == pytest.approx(trades.mean())
    low, high = sig.bootstrap_mean(trades)
    assert (told["mean_trade"]["low"], told["mean_trade"]["high"]) == (
        pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12),
    )  # fmt: skip
    assert told["win_rate"]["value"] == won.mean()
    assert (told["win_rate"]["low"], told["win_rate"]["high"]) == sig.wilson(int(won.sum()), 60)
    loss = -trades[~won].mean()
    assert told["win_rate"]["break_even"] == pytest.approx(loss / (loss + trades[won].mean()))
    assert told["break_even"]["cost_bp"] == pytest.approx(trades.mean() * 1e4)
    assert told["break_even"]["paid_bp"] == pytest.approx(0.0, abs=1e-9)
    json.dumps(told, allow_nan=False)


def test_what_was_paid_for_holding_is_in_the_mean_trade_and_in_the_costs():
    found, ts, equity = run(*steady())
    free = judge(found, ts, equity, ONCE)
    rows = [row | {"fees": 0.2, "funding": 1.5, "pnl": row["pnl"] - 1.7} for row in found["trades"]]
    paid = judge(found | {"trades": rows}, ts, equity, ONCE)
    assert paid["mean_trade"]["value"] == pytest.approx(free["mean_trade"]["value"] - 0.017)
    costs = paid["break_even"]
    assert costs["cost_bp"] == pytest.approx(free["break_even"]["cost_bp"])
    assert (costs["paid_bp"], costs["carried_bp"]) == (pytest.approx(170.0), pytest.approx(150.0))
    assert costs["fee"] is None, "what holding costs leaves nothing for a fee"
    assert any("lost" in reason for reason in paid["reasons"])


def test_one_try_is_measured_by_chance_alone():
    told = judge(*run(*steady()), ONCE)
    assert told["trials_deviation"] == sig.chance_deviation(600)
    assert told["deflated_sharpe"] == told["probabilistic_sharpe"]


def test_enough_is_said_of_a_long_steady_edge_and_with_what_it_does_not_prove():
    told = judge(*run(*steady()), ONCE)
    assert told["status"] == ENOUGH
    assert "more than luck" in told["reasons"][0]
    assert "held out" in told["reasons"][-1]


REASONS = [
    ({}, run(*steady()), Tried(2_000, 0.1), "was tried in 2,000 ways"),
    ({}, run(steady()[0], []), ONCE, "No trade was made."),
    ({}, run(steady()[0], [0.01]), ONCE, "One trade is too few"),
    ({}, run(steady()[0], [0.01] * 29), ONCE, "29 trades are too few"),
    ({}, run(steady()[0], [-0.01, 0.001] * 30), ONCE, "The mean trade lost 0.45 % after costs."),
    ({}, run(steady()[0], [-0.05, 0.06] * 30), ONCE, "may as well be nothing"),
    ({}, run(steady(40)[0], steady()[1]), ONCE, "going on like this it would need"),
    ({}, run(np.zeros(600), steady()[1]), ONCE, "too few days that moved"),
    ({}, run([-1.5, 0.1, 0.1], steady()[1]), ONCE, "the account was lost"),
    ({}, run(*steady()), None, "cannot be read"),
    ({}, run(*steady(), practice=True), ONCE, "synthetic"),
    ({"null_market": {"fair": False}}, run(*steady()), ONCE, "may see the future"),
]


@pytest.mark.parametrize(("options", "given", "found", "words"), REASONS, ids=[row[3] for row in REASONS])
def test_each_reason_against_is_told_and_is_enough_against_it(options, given, found, words):
    told = judge(*given, found, **options)
    assert told["status"] == NOT_ENOUGH
    assert any(words in reason for reason in told["reasons"]), told["reasons"]
    json.dumps(told, allow_nan=False)


def test_ninety_five_per_cent_is_not_told_of_less():
    returns, trades = steady()
    wanted = 0.9498
    # Move the mean until the confidence lies just under what is asked for.
    low, high = -0.01, 0.01
    for _ in range(60):
        middle = (low + high) / 2
        told = judge(*run(returns + middle, trades), ONCE)
        low, high = (middle, high) if told["deflated_sharpe"] < wanted else (low, middle)
    assert told["deflated_sharpe"] == pytest.approx(wanted)
    assert told["status"] == NOT_ENOUGH
    assert any("above zero is 94.9 %; 95 % is asked for" in reason for reason in told["reasons"])


def test_weeks_are_told_in_days_and_noted_per_day():
    given = run(*steady(), timeframe="1w")
    days, weeks = judge(*run(*steady()), ONCE), judge(*given, ONCE)
    assert weeks["minimum_track_record"]["have"] == 4_200
    assert weeks["minimum_track_record"]["days"] == pytest.approx(7 * days["minimum_track_record"]["days"])
    assert trial_of(*given).sharpe == pytest.approx(days["sharpe"] / math.sqrt(7))
    assert judge(*given, Tried(5, 0.01))["trials_deviation"] == pytest.approx(0.01 * math.sqrt(7))


def test_what_was_tried_since_is_counted_when_it_is_looked_at_again():
    given = run(*steady(edge=0.0016))
    told = judge(*given, ONCE)
    assert told["status"] == ENOUGH
    later = renewed({**given[0], "evidence": told}, Tried(500, 0.05))
    assert later == judge(*given, Tried(500, 0.05))
    assert later["status"] == NOT_ENOUGH


def test_a_ledger_that_cannot_be_used_costs_no_result(workspace, caplog):
    (workspace.root / "trials.sqlite3").write_bytes(b"no database" * 100)
    result = ca.backtest(random_candles(np.random.default_rng(1), 300), "ema_trend")
    told = evidence_of(result.as_object(), result.ts, result.equity, workspace)
    assert told["trials"] is None
    assert told["deflated_sharpe"] is None
    assert told["status"] == NOT_ENOUGH
    assert "trials.sqlite3" in caplog.text


def test_the_same_idea_tried_200_times_on_noise_is_no_evidence(workspace, monkeypatch):
    monkeypatch.setattr("cryptai.research.noted.null_market", lambda *_given, **_options: None)
    candles = random_candles(np.random.default_rng(20_261_121), 4_000, volatility=0.006, holes=0.0)
    tries = [(fast, slow) for fast in range(5, 25) for slow in range(30, 80, 5)]
    told, best = [], None
    for fast, slow in tries:
        result = ca.backtest(candles, "ema_trend", fast=fast, slow=slow)
        given = result.as_object(), result.ts, result.equity
        told.append(evidence_of(*given, workspace))
        if best is None or (told[-1]["sharpe"] or -1.0) > best[1]:
            best = given, told[-1]["sharpe"]
    assert [one["trials"] for one in told] == list(range(1, 201))
    # The best of them, looked at alone and among all that were tried: it is the same run, no new trial.
    alone = evidence_of(*best[0], Workspace(workspace.root / "nowhere"))
    now = evidence_of(*best[0], workspace)
    assert (alone["trials"], now["trials"]) == (1, 200)
    assert alone["deflated_sharpe"] == alone["probabilistic_sharpe"]
    assert now["deflated_sharpe"] < alone["deflated_sharpe"] - 0.3
    assert now["status"] == NOT_ENOUGH
    assert any("was tried in 200 ways" in reason for reason in now["reasons"])
    # So it is with the first, although nothing of it has changed.
    first = ca.backtest(candles, "ema_trend", fast=5, slow=30)
    again = evidence_of(first.as_object(), first.ts, first.equity, workspace)
    assert again["deflated_sharpe"] < told[0]["deflated_sharpe"]
    assert renewed({**first.as_object(), "evidence": told[0]}, tried(workspace, "ema_trend")) == again


def test_of_many_searches_on_noise_hardly_any_is_called_evidence():
    generator = np.random.default_rng(20_261_121)
    searches, tries, days, passed = 300, 20, 200, 0
    for _ in range(searches):
        columns = generator.normal(0.0, 0.01, (tries, days))
        ratios = [sig.moments(column)[0] for column in columns]
        best = columns[int(np.argmax(ratios))]
        # Trades that carry the same luck: two days each.
        trades = best.reshape(-1, 2).sum(axis=1)
        known = Tried(tries, float(np.std(ratios, ddof=1)))
        passed += judge(*run(best, trades), known)["status"] == ENOUGH
    assert passed / searches <= 0.05


def test_of_searches_by_backtests_on_noise_hardly_any_is_called_evidence():
    passed = unaware = 0
    for search in range(30):
        generator = np.random.default_rng([20_261_121, search])
        candles = random_candles(generator, 4_000, volatility=0.006, holes=0.0)
        runs = []
        for fast in (5, 8, 12, 16, 20):
            for slow in (30, 40, 50, 60):
                made = ca.backtest(candles, "ema_trend", fast=fast, slow=slow, fee=0, slippage=0)
                runs.append((made.as_object(), made.ts, made.equity))
        ratios = [trial_of(*one).sharpe for one in runs]
        best = runs[int(np.argmax(ratios))]
        passed += judge(*best, Tried(20, float(np.std(ratios, ddof=1))))["status"] == ENOUGH
        unaware += judge(*best, ONCE)["probabilistic_sharpe"] > 0.95
    assert passed <= 1
    assert unaware >= 5, "were the tries not counted, luck would pass for skill"


def test_the_size_at_which_the_edge_is_gone_is_told_where_candles_are_given():
    given = run(*steady())
    assert judge(*given, ONCE)["break_even"]["size"] is None
    result = ca.backtest(random_candles(np.random.default_rng(3), 2_000), "ema_trend", fee=0, slippage=0)
    told = ca.evidence(result)
    if told["mean_trade"]["value"] > 0.0:
        assert told["break_even"]["size"] == result.report.capacity
    else:
        assert told["break_even"]["size"] is None
