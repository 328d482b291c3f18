"""A walk-forward: each test a backtest on what the one before left; training knows nothing of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cryptai.analytics.metrics import measure
from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.research.folds import Folds
from cryptai.research.measured import without_open
from cryptai.research.plans import Plan, WalkPlan, read_walk
from cryptai.research.walkforward import walkforward
from cryptai.research.worlds import walk
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on

DAY = 86_400_000
SPACE = {"fast": "5:25:10", "slow": "30:60:30"}
REQUEST = BacktestRequest.parse({"strategy": "ema_trend"})
PLAN = WalkPlan(Plan(SPACE), train_ms=40 * DAY, test_ms=20 * DAY, embargo=6)


@pytest.fixture(scope="module")
def bars():
    return walk(9, 4, 3_000)


def walked(bars, where, plan=PLAN, **options):
    return walkforward(REQUEST, plan, bars, where, **options)


def test_each_test_is_the_backtest_of_its_set_on_what_the_one_before_left(bars, workspace):
    found = walked(bars, workspace)
    capital, rows = REQUEST.capital, 0
    assert len(found.folds.folds) == 4
    for fold in found.folds.folds:
        own = run_on(
            replace(
                REQUEST, params=fold.params, capital=capital,
                start_ms=fold.window.test_from, end_ms=fold.window.test_to,
            ),
            bars,
        )  # fmt: skip
        assert fold.out_of_sample == own.as_object()["metrics"]
        part = slice(rows, rows + len(own.ts))
        assert np.array_equal(found.ts[part], own.ts)
        assert np.array_equal(found.equity[part], own.equity)
        assert [one.pnl for one in fold.trades] == own.trades.pnl.tolist()
        capital, rows = float(own.equity[-1]), rows + len(own.ts)
    assert rows == len(found.ts)
    assert found.metrics.final_equity == capital
    assert found.metrics.trades == sum(len(fold.trades) for fold in found.folds.folds)


def test_the_set_that_was_best_in_training_is_the_one_that_is_traded(bars, workspace):
    for fold in walked(bars, workspace, replace(PLAN, purge=False)).folds.folds:
        found = {}
        for fast in (5, 15, 25):
            for slow in (30, 60):
                training = replace(
                    REQUEST, params={"fast": fast, "slow": slow},
                    start_ms=fold.window.train_from, end_ms=fold.window.train_to,
                )  # fmt: skip
                found[fast, slow] = run_on(training, bars).metrics.sharpe_ratio
        assert tuple(fold.params.values()) == max(found, key=found.get)


def test_no_bar_from_the_embargo_on_changes_the_choice(bars, workspace):
    before = walked(bars, workspace)
    for number, fold in enumerate(before.folds.folds):
        row = int(np.searchsorted(bars.ts, fold.window.train_to))
        columns = {name: np.array(getattr(bars, name)) for name in ("open", "high", "low", "close")}
        for values in columns.values():
            values[row:] *= np.linspace(1.0, 4.0, len(bars) - row)
        other = Candles(bars.ts, *columns.values(), bars.volume, bars.symbol, bars.timeframe)
        after = walked(other, workspace).folds.folds[number]
        assert after.params == fold.params
        assert after.in_sample == fold.in_sample


def test_a_trade_still_open_at_the_end_of_training_is_no_part_of_it(bars):
    checked = 0
    for end in range(900, 2_900, 40):
        run = run_on(replace(REQUEST, params={"fast": 5, "slow": 30}, end_ms=int(bars.ts[end])), bars)
        equity, records = without_open(run)
        if run.trades.exit_reason[-1] != "end":
            assert equity is run.equity
            continue
        checked += 1
        entered = int(run.records["entry_bar"][-1])
        assert len(records) == len(run.records) - 1
        assert np.array_equal(equity[:entered], run.equity[:entered])
        assert equity[entered:] == pytest.approx(np.full(end - entered, equity[entered - 1]))
    assert checked > 5


def test_purging_changes_what_is_chosen_by(bars, workspace):
    kept, cut = (walked(bars, workspace, replace(PLAN, purge=purge)).folds.folds for purge in (False, True))
    assert any(one.in_sample != two.in_sample for one, two in zip(kept, cut, strict=True))


def test_folds_are_stored_and_read_back_to_the_bit(bars, workspace):
    folds = walked(bars, workspace).folds
    assert any(fold.trades for fold in folds.folds)
    assert Folds.from_object(json.loads(json.dumps(folds.as_object()))) == folds
    trade = next(one for fold in folds.folds for one in fold.trades)
    assert trade.side == "long"
    assert trade.regime in {"BULL", "BEAR", "SIDEWAYS", "VOLATILE", "LOW_VOL", "unknown"}
    for broken in ({}, {"folds": [{}]}, {**folds.as_object(), "folds": [{"train": ["x", "y"], "test": []}]}):
        with pytest.raises(InputError, match="no stored folds"):
            Folds.from_object(broken)


def test_a_stopped_out_trade_lost_about_one_risk(bars, workspace):
    plan = replace(PLAN, search=Plan(SPACE))
    request = BacktestRequest.parse({"strategy": "ema_trend", "stop": 0.01, "target": 0.2, "fee": 0.0})
    folds = walkforward(request, plan, bars, workspace).folds
    stopped = [one for fold in folds.folds for one in fold.trades if one.exit_reason == "stop"]
    assert stopped
    assert all(-1.5 < one.r_multiple < -0.9 for one in stopped)


def test_the_efficiency_is_the_return_a_day_out_of_sample_over_that_in_sample(bars, workspace):
    found = walked(bars, workspace, replace(PLAN, embargo=0))
    inside = sum(fold.in_sample["total_return"] for fold in found.folds.folds)
    outside = sum(fold.out_of_sample["total_return"] for fold in found.folds.folds)
    days = sum(
        (fold.window.test_to - fold.window.test_from) / DAY for fold in found.folds.folds
    ), 4 * 40  # fmt: skip
    assert found.efficiency == pytest.approx((outside / days[0]) / (inside / days[1]))


def test_every_set_of_every_window_is_a_trial(bars, workspace):
    told = walked(bars, workspace).as_object()
    assert told["trials"] == 4 * 6
    assert walked(bars, workspace).as_object() == told


def test_the_figures_of_the_whole_are_those_of_one_account(bars, workspace):
    found = walked(bars, workspace)
    told = found.as_object()
    ends = [value for _, value in told["equity"]]
    again = measure(
        10_000.0, ends[-1], found.metrics.max_drawdown, len(found.ts), np.array(ends),
        np.zeros(0, run_on(replace(REQUEST, params={"fast": 5}), bars).records.dtype),
    )  # fmt: skip
    assert again.sharpe_ratio == found.metrics.sharpe_ratio
    peaks = np.maximum.accumulate(np.r_[10_000.0, found.equity])
    assert found.metrics.max_drawdown == pytest.approx(
        float((1 - np.r_[10_000.0, found.equity] / peaks).max())
    )


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"train": "x"}, "train"), ({"test": "0d"}, "test"), ({"embargo": "a"}, "embargo"),
        ({"held_out": 0.2}, "held_out"), ({"anchored": "yes"}, "anchored"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(options, field):
    with pytest.raises(InputError) as refused:
        read_walk({"strategy": "ema_trend", "param": SPACE, **options})
    assert refused.value.field == field
