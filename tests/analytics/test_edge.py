"""What trades say, by hand, and held to the engine: at the fee found the mean trade earns nothing."""

from __future__ import annotations

import numpy as np
import pytest
from tests.trading.worlds import random_candles, random_script

from cryptai.analytics import returns as stats
from cryptai.analytics.edge import Fills, edge
from cryptai.portfolio.rules import Rules
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs

NAN = float("nan")


def fills(*rows):
    side, entry, left, limit = zip(*rows, strict=True)
    return Fills(*(np.array(one, float) for one in (side, entry, left)), np.array(limit))


def of(result):
    r = result.records
    return Fills(
        r["side"].astype(float), r["entry_price"], r["exit_price"], result.trades["exit_reason"] == "target"
    )


def test_by_hand_without_costs():
    found = edge(fills((1, 100.0, 110.0, False), (1, 100.0, 96.0, False), (-1, 50.0, 51.0, False)), 0.0, 0.0)
    assert found.trades == 3
    assert found.mean == pytest.approx((0.10 - 0.04 - 0.02) / 3)
    assert found.before_costs == pytest.approx(found.mean)
    assert found.paid == pytest.approx(0.0)
    assert found.win_rate == pytest.approx(1 / 3)
    # A win earns 10 %, a loss costs 3 %: three in thirteen are enough.
    assert found.win_needed == pytest.approx(3 / 13)
    assert found.fee == pytest.approx(0.04 / (2.10 + 1.96 + 2.02))
    assert found.win_low < 1 / 3 < found.win_high
    assert found.low < found.mean < found.high


def test_by_hand_with_costs():
    # Bought at 100 plus 1 %, sold at 110 less 1 %, 0.5 % of both values paid.
    found = edge(fills((1, 101.0, 108.9, False)), 0.005, 0.01)
    assert found.before_costs == pytest.approx(0.10)
    assert found.mean == pytest.approx((108.9 - 101.0 - 0.005 * (108.9 + 101.0)) / 101.0)
    assert found.paid == pytest.approx(0.10 - found.mean)
    s = found.slippage
    assert 110.0 * (1 - s) * 0.995 == pytest.approx(100.0 * (1 + s) * 1.005)
    assert (found.low, found.high) == (None, None)
    assert found.win_needed is None


def test_a_target_pays_no_slippage():
    # Bought at 100 plus 1 %; the target at 110 was a limit order.
    found = edge(fills((1, 101.0, 110.0, True)), 0.0, 0.01)
    assert found.before_costs == pytest.approx(0.10)
    assert found.slippage == pytest.approx(0.10)
    short = edge(fills((-1, 99.0, 90.0, True)), 0.0, 0.01)
    assert short.before_costs == pytest.approx(0.10)
    assert short.slippage == pytest.approx(0.10)


def test_what_loses_at_no_cost_has_no_break_even():
    found = edge(fills((1, 100.0, 99.0, False), (1, 100.0, 101.0, False)), 0.001, 0.0005)
    assert found.fee is None
    assert found.slippage is None
    empty = np.empty(0)
    assert edge(Fills(empty, empty, empty, np.empty(0, bool)), 0.001, 0.0005) is None


@pytest.mark.parametrize("seed", range(12))
def test_at_the_fee_found_the_engines_mean_trade_earns_nothing(seed):
    generator = np.random.default_rng([5, seed])
    candles, script = random_candles(generator, 400), random_script(generator, 400)
    script = type(script)(
        *(
            c[: len(candles)]
            for c in (script.entry_long, script.entry_short, script.leave_long, script.leave_short)
        )
    )
    # A tenth of the equity, so that no account is lost on the way.
    rules = Rules(stop=0.08, target=0.15, size=0.1, risk=NAN)
    result = backtest(candles, script, rules=rules, costs=Costs(0.001, 0.0005))
    found = edge(of(result), 0.001, 0.0005)
    net = result.records["pnl"] / (result.records["quantity"] * result.records["entry_price"])
    assert found.mean == pytest.approx(net.mean(), abs=1e-12)
    if found.fee is None:
        free = backtest(candles, script, rules=rules, costs=Costs(0.0, 0.0005))
        assert edge(of(free), 0.0, 0.0005).mean <= 1e-12
        return
    again = backtest(candles, script, rules=rules, costs=Costs(found.fee, 0.0005))
    assert edge(of(again), found.fee, 0.0005).mean == pytest.approx(0.0, abs=1e-12)


def test_without_a_bracket_the_slippage_found_is_the_engines_too():
    generator = np.random.default_rng(9)
    n = 300
    candles = random_candles(generator, n, volatility=0.01)
    n = len(candles)
    script = random_script(generator, n)
    rules = Rules(stop=NAN, target=NAN, size=0.1, risk=NAN)
    # Ends at a close above every price before it: the edge is there to be eaten up.
    rising = type(candles)(
        candles.ts,
        *(
            column * np.linspace(1, 40, n)
            for column in (candles.open, candles.high, candles.low, candles.close)
        ),
        candles.volume,
        "BTC/USDT",
        "1h",
    )
    long = type(script)(script.entry_long, (False,) * n, script.leave_long, (False,) * n)
    found = edge(of(backtest(rising, long, rules=rules)), 0.001, 0.0005)
    assert found.slippage is not None
    again = backtest(rising, long, rules=rules, costs=Costs(0.001, found.slippage))
    assert edge(of(again), 0.001, found.slippage).mean == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_daily_returns_from_equity_are_those_of_the_metrics(seed):
    generator = np.random.default_rng([6, seed])
    candles = random_candles(generator, 700)
    result = backtest(candles, random_script(generator, len(candles)), costs=Costs(0.001, 0.0005))
    found = stats.daily_returns(result.capital, result.ts, result.equity)
    if result.metrics.sharpe_ratio is None:
        assert found is None or stats.sharpe(found) is None
    else:
        assert stats.sharpe(found) == result.metrics.sharpe_ratio


def test_a_lost_account_has_no_daily_returns():
    ts = np.array([0, 86_400_000])
    assert stats.daily_returns(100.0, ts, np.array([50.0, -1.0])) is None
    assert stats.daily_returns(100.0, ts, np.array([110.0, 121.0])) == pytest.approx([0.1, 0.1])
    assert len(stats.daily_returns(100.0, ts[:0], np.empty(0))) == 0
