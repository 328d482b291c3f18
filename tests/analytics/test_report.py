"""The report of a run: by hand on small cases, and by other roads to the same figures on random runs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.trading.worlds import random_candles, random_script

from cryptai.analytics import returns as stats
from cryptai.analytics.drawdowns import drawdowns, fallen
from cryptai.analytics.plausible import doubts
from cryptai.analytics.report import holding, report
from cryptai.analytics.round_trips import UNKNOWN, of_rows, regimes_at_entry
from cryptai.analytics.tables import by_label, by_time
from cryptai.features.regimes import REGIMES, regime
from cryptai.market.times import iso
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs

DAY = 86_400_000
JAN = 1_609_459_200_000  # 2021-01-01


def row(entry, exit_, pnl, **values):
    return {
        "side": "long", "entry_time": iso(entry), "exit_time": iso(exit_), "entry_price": 100.0,
        "exit_price": 110.0, "quantity": 1.0, "fees": 0.5, "pnl": pnl, "mae": 0.02, "mfe": 0.1,
        "bars_held": 3, "entry_reason": "cross", "exit_reason": "signal", **values,
    }  # fmt: skip


def ran(seed, n=900, **options):
    generator = np.random.default_rng([31, seed])
    candles = random_candles(generator, n)
    script = random_script(generator, len(candles))
    made = backtest(candles, script, costs=Costs(0.001, 0.0005), **options)
    return replace(made, params={})  # the script itself is no parameter that JSON takes


def reported(result):
    return report(result.as_object(), result.ts, result.equity, {result.symbol: result.candles})


def test_trades_are_grouped_by_hand():
    rows = [
        row(JAN, JAN + DAY, 10.0),
        row(JAN, JAN + DAY, -4.0, side="short", exit_reason="stop", bars_held=5),
        row(JAN, JAN + DAY, -2.0, exit_reason="stop", bars_held=1),
    ]
    trips = of_rows(rows, "BTC/USDT")
    stop, signal = by_label(trips, trips.exit_reason)
    assert (stop.name, stop.trades, stop.wins, stop.win_rate, stop.pnl) == ("stop", 2, 0, 0.0, -6.0)
    assert (stop.profit_factor, stop.average_win, stop.average_loss) == (0.0, None, -3.0)
    assert (stop.best, stop.worst, stop.bars_held, stop.fees) == (-2.0, -4.0, 3.0, 1.0)
    assert (signal.name, signal.profit_factor, signal.mean_return) == ("signal", None, 0.1)
    assert [line.name for line in by_label(trips, trips.symbol)] == ["BTC/USDT"]
    assert by_label(of_rows([], "BTC/USDT"), []) == []


def test_months_and_years_by_hand():
    ts = np.array([JAN + 10 * DAY, JAN + 20 * DAY, JAN + 35 * DAY, JAN + 400 * DAY])
    equity = np.array([110.0, 99.0, 132.0, 66.0])
    trips = of_rows([row(JAN, JAN + 20 * DAY, 5.0), row(JAN, JAN + 35 * DAY, -1.0)], "X/Y")
    jan, feb, later = by_time("month", 100.0, ts, equity, trips)
    assert [one.name for one in (jan, feb, later)] == ["2021-01", "2021-02", "2022-02"]
    assert jan.total_return == pytest.approx(-0.01)
    assert jan.max_drawdown == pytest.approx(0.1)
    assert feb.total_return == pytest.approx(1 / 3)
    assert (later.total_return, later.max_drawdown) == (pytest.approx(-0.5), pytest.approx(0.5))
    assert [(one.trades, one.wins, one.pnl) for one in (jan, feb, later)] == [
        (1, 1, 5.0),
        (1, 0, -1.0),
        (0, 0, 0.0),
    ]
    assert [one.name for one in by_time("year", 100.0, ts, equity, trips)] == ["2021", "2022"]
    lost = by_time("year", 100.0, ts, np.array([50.0, -1.0, -1.0, -2.0]), trips)
    assert [one.total_return for one in lost] == [pytest.approx(-1.01), None]


def test_drawdowns_by_hand():
    ts = JAN + DAY * np.arange(8)
    equity = np.array([99.0, 101.0, 120.0, 90.0, 108.0, 120.0, 130.0, 117.0])
    deep, last, first = drawdowns(100.0, ts, equity)
    assert (deep.depth, deep.peak_ms, deep.bottom_ms, deep.recovered_ms) == (0.25, ts[2], ts[3], ts[5])
    assert (deep.days, deep.days_down) == (3.0, 1.0)
    assert (last.depth, last.recovered_ms, last.days) == (pytest.approx(0.1), None, 1.0)
    assert (first.depth, first.peak_ms, first.recovered_ms) == (pytest.approx(0.01), ts[0], ts[1])
    assert len(drawdowns(100.0, ts, equity, most=1)) == 1
    assert drawdowns(100.0, ts, np.full(8, 100.0)) == []
    assert fallen(100.0, np.empty(0)).size == 0
    json.dumps([one.as_object() for one in (deep, last)])


@pytest.mark.parametrize("seed", range(20))
def test_what_is_told_twice_is_the_same(seed):
    result = ran(seed)
    told = reported(result).as_object()
    metrics = told["metrics"]
    json.dumps(told, allow_nan=False)
    growth = 1.0
    for one in told["months"]:
        growth *= 1.0 + (one["total_return"] or 0.0)
    if metrics["sharpe_ratio"] is not None:
        assert growth - 1.0 == pytest.approx(metrics["total_return"], abs=1e-9)
    for table in (*told["by"].values(), told["months"], told["years"]):
        assert sum(one["trades"] for one in table) == metrics["trades"]
        assert sum(one["pnl"] for one in table) == pytest.approx(result.records["pnl"].sum(), abs=1e-6)
    depths = [one["depth"] for one in told["drawdowns"]]
    assert depths == sorted(depths, reverse=True)
    assert max(depths, default=0.0) == pytest.approx(metrics["max_drawdown"], abs=1e-12)
    assert max(one["max_drawdown"] for one in told["months"]) == pytest.approx(
        metrics["max_drawdown"], abs=1e-12
    )
    assert [r[1] for r in told["daily"]][-1] == metrics["final_equity"]


@pytest.mark.parametrize("seed", range(12))
def test_exposure_is_what_a_walk_through_the_bars_finds(seed):
    result = ran(seed)
    found = reported(result).exposure
    for t in range(len(result.ts)):
        held = [r for r in result.records if r["entry_bar"] <= t < r["exit_bar"]]
        assert found.positions[t] == len(held)
        if result.equity[t] > 0.0:
            worth = sum(abs(r["quantity"]) for r in held) * result.bars.close[t]
            assert found.gross[t] == pytest.approx(worth / result.equity[t], rel=1e-9, abs=1e-15)
            assert (found.gross[t] == 0.0) == (not held)


def test_exposure_without_candles_is_unknown_where_something_was_held():
    result = ran(3)
    found = report(result.as_object(), result.ts, result.equity).exposure
    assert np.isnan(found.gross[found.positions > 0]).all()
    assert (found.gross[found.positions == 0] == 0.0).all()


def test_the_regime_is_the_one_known_when_the_entry_filled():
    result = ran(5, n=1_500)
    trips = of_rows(result.as_object()["trades"], result.symbol)
    told = regimes_at_entry(trips, {result.symbol: result.candles})
    codes = regime(result.candles.close)[0]
    known = 0
    for label, at in zip(told, result.records["entry_bar"], strict=True):
        before = codes[at - 1] if at else np.nan
        assert label == (UNKNOWN if np.isnan(before) else REGIMES[int(before)])
        known += label != UNKNOWN
    assert known
    # A bar that has not closed by the entry moves no label.
    changed = result.candles[: int(result.records["entry_bar"][-1])]
    assert regimes_at_entry(trips, {result.symbol: changed})[-1] == told[-1]
    assert set(regimes_at_entry(trips, {})) == {UNKNOWN}


def test_holding_is_the_plain_ratio_for_one_market_and_the_mean_of_two():
    result = ran(7)
    held = holding(1_000.0, result.ts, {result.symbol: result.candles})
    assert held == pytest.approx(1_000.0 * result.bars.close / result.bars.open[0])
    assert held[-1] / 1_000.0 - 1.0 == pytest.approx(result.metrics.buy_and_hold_return)
    late = result.bars[300:]
    both = holding(1_000.0, result.ts, {"A/B": result.bars, "C/D": late})
    assert both[:300] == pytest.approx(500.0 * result.bars.close[:300] / result.bars.open[0] + 500.0)
    assert holding(1_000.0, result.ts, {}) is None
    assert holding(1_000.0, result.ts, {"A/B": result.bars[:0]}) is None


def test_streaks_are_counted_over_the_trades():
    rows = [row(JAN, JAN + DAY, pnl) for pnl in (1.0, 2.0, -1.0, 0.0, 3.0, 3.0, 3.0, -1.0, -1.0)]
    metrics = ran(1).as_object()["metrics"]
    found = {"capital": 100.0, "symbol": "A/B", "timeframe": "1d", "trades": rows, "metrics": metrics}
    told = report(found, JAN + DAY * np.arange(3), np.array([100.0, 101.0, 102.0]))
    assert (told.longest_wins, told.longest_losses) == (3, 2)


def test_a_run_without_a_trade_has_a_report():
    result = ran(1)
    nothing = {**result.as_object(), "trades": []}
    told = report(nothing, result.ts, np.full(len(result.ts), result.capital)).as_object()
    assert (told["trades"], told["drawdowns"], told["exposure"]["highest"]) == (None, [], 0.0)
    assert set(told["by"]) == {"symbol", "side", "entry_reason", "exit_reason", "regime"}
    json.dumps(told, allow_nan=False)


PLAIN = {
    "total_return": 0.2, "sharpe_ratio": 1.0, "profit_factor": 1.5, "trades": 100, "win_rate": 0.5,
    "cagr": 0.2, "final_equity": 120.0,
}  # fmt: skip


def test_ordinary_figures_are_not_doubted():
    assert list(doubts(PLAIN, 365.0)) == []


@pytest.mark.parametrize(
    ("figures", "days", "words"),
    [
        ({"cagr": None}, 18.0, "It ran 18 days"),
        ({"cagr": None, "total_return": 50.0}, 60.0, "beyond any market"),
        ({"sharpe_ratio": 183.0}, 18.0, "too few for one"),
        ({"sharpe_ratio": 9.0}, 900.0, "cryptai check"),
        ({"total_return": 5_000.0}, 900.0, "no book would have filled"),
        ({"profit_factor": 40.0}, 900.0, "cryptai check"),
        ({"win_rate": 1.0}, 900.0, "All of 100 trades won"),
        ({"final_equity": -5.0}, 900.0, "below zero"),
    ],
)
def test_each_impossible_figure_is_said(figures, days, words):
    assert any(words in one for one in doubts({**PLAIN, **figures}, days))


def test_the_growth_that_freqtrade_printed_as_a_yearly_rate_is_none_here():
    # freqtrade issue 8248: 18 days, told as a CAGR of 5.1e28 %.
    growth = (5.1e26 + 1.0) ** (18 / 365)
    assert stats.cagr(growth, 18) is None
    assert stats.cagr(growth, 31) is None
    assert stats.cagr(growth, 370) == pytest.approx(growth ** (365 / 370) - 1)


def test_a_result_brings_its_report():
    result = ran(3)
    assert result.report.as_object() == reported(result).as_object()
