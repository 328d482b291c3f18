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


def fills(*rows, fee=0.0, carry=0.0, rested=False):
    side, entry, left, limit = (np.array(one) for one in zip(*rows, strict=True))
    same = np.ones(len(rows))
    return Fills(side * same, entry, left, (rested * same).astype(bool), limit, fee * same, carry * same)


def of(result):
    r = result.records
    worth = r["quantity"] * r["entry_price"]
    return Fills(
        r["side"].astype(float), r["entry_price"], r["exit_price"],
        result.trades["entry_kind"] == "limit", result.trades["exit_reason"] == "target",
        r["fees"] / (worth + r["quantity"] * r["exit_price"]), r["funding"] / worth,
    )  # fmt: skip


def test_by_hand_without_costs():
    found = edge(fills((1, 100.0, 110.0, False), (1, 100.0, 96.0, False), (-1, 50.0, 51.0, False)), 0.0)
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
    found = edge(fills((1, 101.0, 108.9, False), fee=0.005), 0.01)
    assert found.before_costs == pytest.approx(0.10)
    assert found.mean == pytest.approx((108.9 - 101.0 - 0.005 * (108.9 + 101.0)) / 101.0)
    assert found.paid == pytest.approx(0.10 - found.mean)
    s = found.slippage
    assert 110.0 * (1 - s) * 0.995 == pytest.approx(100.0 * (1 + s) * 1.005)
    assert (found.low, found.high) == (None, None)
    assert found.win_needed is None


def test_a_target_pays_no_slippage():
    # Bought at 100 plus 1 %; the target at 110 was a limit order.
    found = edge(fills((1, 101.0, 110.0, True)), 0.01)
    assert found.before_costs == pytest.approx(0.10)
    assert found.slippage == pytest.approx(0.10)
    short = edge(fills((-1, 99.0, 90.0, True)), 0.01)
    assert short.before_costs == pytest.approx(0.10)
    assert short.slippage == pytest.approx(0.10)


def test_what_loses_at_no_cost_has_no_break_even():
    found = edge(fills((1, 100.0, 99.0, False), (1, 100.0, 101.0, False), fee=0.001), 0.0005)
    assert found.fee is None
    assert found.slippage is None
    empty, none = np.empty(0), np.empty(0, bool)
    assert edge(Fills(empty, empty, empty, none, none, empty, empty), 0.0005) is None


def test_funding_and_interest_are_costs_that_no_fee_changes():
    # Bought at 100, sold at 110, and 4 % of the entry's worth paid while it was held.
    found = edge(fills((1, 100.0, 110.0, False), fee=0.01, carry=0.04), 0.0)
    assert found.before_costs == pytest.approx(0.10)
    assert found.mean == pytest.approx(0.10 - 0.021 - 0.04)
    assert (found.paid, found.carried) == (pytest.approx(0.061), 0.04)
    assert found.fee == pytest.approx(0.06 / 2.1)
    s = found.slippage
    assert 1.1 * (1 - s) / (1 + s) * 0.99 == pytest.approx(1.01 + 0.04)
    assert edge(fills((1, 100.0, 110.0, False), carry=0.11), 0.0).fee is None, "nothing is left to pay of"
    received = edge(fills((-1, 100.0, 110.0, False), carry=-0.13), 0.0)
    assert received.mean == pytest.approx(0.03)
    assert received.fee == pytest.approx(0.03 / 2.1)


def test_an_entry_that_rested_paid_no_slippage():
    found = edge(fills((1, 100.0, 108.9, False), rested=True), 0.01)
    assert found.before_costs == pytest.approx(0.10)
    assert found.slippage == pytest.approx(1.0 - 1.0 / 1.1)


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
    borrow = 2.0 * (seed % 2)
    result = backtest(candles, script, rules=rules, costs=Costs(0.001, 0.0005, borrow=borrow))
    found = edge(of(result), 0.0005)
    net = result.records["pnl"] / (result.records["quantity"] * result.records["entry_price"])
    assert found.mean == pytest.approx(net.mean(), abs=1e-12)
    if found.fee is None:
        free = backtest(candles, script, rules=rules, costs=Costs(0.0, 0.0005, borrow=borrow))
        assert edge(of(free), 0.0005).mean <= 1e-12
        return
    again = backtest(candles, script, rules=rules, costs=Costs(found.fee, 0.0005, borrow=borrow))
    assert edge(of(again), 0.0005).mean == pytest.approx(0.0, abs=1e-12)


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
    found = edge(of(backtest(rising, long, rules=rules)), 0.0005)
    assert found.slippage is not None
    again = backtest(rising, long, rules=rules, costs=Costs(0.001, found.slippage))
    assert edge(of(again), found.slippage).mean == pytest.approx(0.0, abs=1e-9)


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
