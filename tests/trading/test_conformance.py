"""Another engine's trade lists: the same fills, and each difference explained by a stated rule.

From `../shared/data/conformance/backtest`: SMA crosses run by backtesting.py 0.6.6. Rules that differ:

- it trades whole units (shares; thousandths of a coin), we trade any fraction: quantities and final equity
  differ by the rounding, returns per trade do not;
- a position left at the end it closes at the last open, we at the last close;
- its Sharpe, returns and drawdown follow its own conventions and are not compared.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np
import pytest

from cryptai.features.averages import sma
from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.market.candles import Candles
from cryptai.market.files import read_candles
from cryptai.portfolio.rules import Rules
from cryptai.signals import Signals
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs

pytestmark = pytest.mark.shared
NONE = Rules(stop=float("nan"), target=float("nan"))


@dataclass(frozen=True)
class SmaCross:
    name: ClassVar[str] = "sma_cross"
    fast: int
    slow: int
    allow_short: bool

    def signals(self, candles):
        fast, slow = sma(candles.close, self.fast), sma(candles.close, self.slow)
        up, down = crosses_above(fast, slow), crosses_below(fast, slow)
        if self.allow_short:
            return Signals.entries(candles, long=up, short=down, exit_long=down, exit_short=up)
        return Signals.entries(candles, long=up, exit_long=down)

    def score(self, candles):
        return np.zeros(len(candles))


def _trades(file):
    with file.open() as lines:
        return list(csv.DictReader(lines))


def _compare(candles, result, expected, *, price_unit):
    assert len(result.trades) == len(expected)
    for got, want in zip(result.trades, expected, strict=True):
        assert (1 if got.side == "long" else -1) == np.sign(float(want["Size"]))
        assert got.entry_bar == int(want["EntryBar"])
        assert got.exit_bar == int(want["ExitBar"])
        assert got.entry_price == pytest.approx(float(want["EntryPrice"]) * price_unit, rel=1e-9)
        their_exit = float(want["ExitPrice"]) * price_unit
        if got.exit_reason == "end":
            assert their_exit == pytest.approx(candles.open[-1], rel=1e-9)
            assert got.exit_price == candles.close[-1]
            continue
        assert got.exit_price == pytest.approx(their_exit, rel=1e-9)
        gained = got.pnl / (got.quantity * got.entry_price)
        assert gained == pytest.approx(float(want["ReturnPct"]), abs=1e-6)


def test_goog_daily_sma_10_30_reversal(shared):
    folder = shared / "data/conformance/backtest"
    with (folder / "GOOG_daily.csv").open() as lines:
        rows = list(csv.reader(lines))[1:]
    ts = [int(datetime.fromisoformat(row[0]).replace(tzinfo=UTC).timestamp() * 1000) for row in rows]
    columns = np.array([[float(v) for v in row[1:6]] for row in rows]).T
    candles = Candles(ts, *columns, "GOOG/USD", "1d")
    result = backtest(candles, SmaCross(10, 30, allow_short=True), rules=NONE, costs=Costs(0, 0))
    expected = _trades(folder / "goog_sma10_30_trades.csv")
    _compare(candles, result, expected, price_unit=1)
    # Whole shares leave cash idle: the final equities differ by that, and by no more than a few shares.
    published = json.loads((folder / "goog_sma10_30_stats.json").read_text())["stats"]["Equity Final [$]"]
    assert result.metrics.final_equity == pytest.approx(published, rel=0.06)


def test_eth_4h_sma_20_50_long_only_with_commission(shared):
    folder = shared / "data/conformance/backtest"
    candles = read_candles(shared / "data/candles/spot/ETHUSDT_4h.parquet")
    result = backtest(
        candles, SmaCross(20, 50, allow_short=False), capital=1_000_000, rules=NONE, costs=Costs(0.001, 0)
    )
    expected = _trades(folder / "generated_ETHUSDT_4h_sma20_50_trades.csv")
    _compare(candles, result, expected, price_unit=1000)
    stats = json.loads((folder / "generated_ETHUSDT_4h_sma20_50_stats.json").read_text())["stats"]
    # All of the equity is in the last trade, which they close one price earlier.
    at_their_price = result.metrics.final_equity * candles.open[-1] / candles.close[-1]
    assert at_their_price == pytest.approx(stats["Equity Final [$]"], rel=1e-4)
    assert result.metrics.win_rate == pytest.approx(stats["Win Rate [%]"] / 100)
    # Their profit factor sums returns per trade, ours sums money; by their definition:
    returns = result.trades.pnl / (result.trades.quantity * result.trades.entry_price)
    by_returns = returns[returns > 0].sum() / -returns[returns < 0].sum()
    assert by_returns == pytest.approx(stats["Profit Factor"], rel=0.01)
