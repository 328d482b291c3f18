"""Freqtrade's trade list: read by hand, there and back, and refused with the row and the field."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from tests.analytics.test_report import ran

from cryptai.analytics.export import read_trades, trades_csv
from cryptai.analytics.freqtrade_trades import read_freqtrade, write_freqtrade
from cryptai.analytics.page import page
from cryptai.analytics.report import report
from cryptai.errors import DataError, InputError
from cryptai.research.evidence import judge
from cryptai.research.trials import Tried


def trade(**values):
    # The fields of a result of 2026, with figures made by hand: bought at 100, sold at 110, 0.1 % each side.
    return {
        "pair": "BTC/USDT", "stake_amount": 200.0, "max_stake_amount": 200.0, "amount": 2.0,
        "open_date": "2021-01-01 00:00:00+00:00", "close_date": "2021-01-03 06:00:00+00:00",
        "open_rate": 100.0, "close_rate": 110.0, "fee_open": 0.001, "fee_close": 0.001,
        "trade_duration": 3240, "profit_ratio": 0.0979, "profit_abs": 19.58, "exit_reason": "roi",
        "min_rate": 95.0, "max_rate": 112.0, "is_open": False, "enter_tag": "dip", "leverage": 1.0,
        "is_short": False, "open_timestamp": 1_609_459_200_000, "close_timestamp": 1_609_653_600_000,
        "orders": [], "funding_fees": 0.0, **values,
    }  # fmt: skip


def written(path, *trades, **more):
    part = {"trades": list(trades), "starting_balance": 1_000.0, "timeframe": "5m", **more}
    path.write_text(json.dumps({"strategy": {"Dip": part}, "strategy_comparison": []}))
    return path


def test_one_trade_by_hand(tmp_path):
    read = read_freqtrade(written(tmp_path / "r.json", trade()))
    (row,) = read.found["trades"]
    assert (row["symbol"], row["side"], row["exit_reason"], row["entry_reason"]) == (
        "BTC/USDT",
        "long",
        "target",
        "dip",
    )
    assert (row["entry_time"], row["exit_time"]) == ("2021-01-01T00:00:00Z", "2021-01-03T06:00:00Z")
    assert row["fees"] == pytest.approx(0.42)
    assert (row["mae"], row["mfe"], row["pnl"]) == (pytest.approx(0.05), pytest.approx(0.12), 19.58)
    assert read.equity.tolist() == [1_000.0, 1_000.0, 1_019.58]
    assert read.found["metrics"]["total_return"] == pytest.approx(0.01958)
    assert read.found["metrics"]["time_in_market"] == 1.0
    assert read.found["costs"] == {"fee": pytest.approx(0.001), "slippage": 0.0}
    assert read.found["metrics"]["cagr"] is None


def test_a_short_is_mirrored_and_pays_its_funding(tmp_path):
    given = trade(is_short=True, close_rate=90.0, profit_abs=19.0, funding_fees=-0.5, leverage=3.0)
    (row,) = read_freqtrade(written(tmp_path / "r.json", given)).found["trades"]
    assert (row["side"], row["quantity"], row["funding"]) == ("short", -2.0, -0.5)
    assert (row["mae"], row["mfe"]) == (pytest.approx(0.12), pytest.approx(0.10))


def test_days_without_a_close_count_and_overlaps_are_held_once(tmp_path):
    later = {
        "open_timestamp": 1_609_545_600_000, "close_timestamp": 1_610_236_800_000, "profit_abs": -50.0,
    }  # fmt: skip
    read = read_freqtrade(written(tmp_path / "r.json", trade(**later), trade()))
    assert len(read.ts) == 10
    assert read.equity[-1] == pytest.approx(969.58)
    assert read.found["metrics"]["max_drawdown"] == pytest.approx(50.0 / 1_019.58)
    assert read.found["metrics"]["time_in_market"] == 1.0
    apart = {
        "open_timestamp": 1_609_653_600_000 + 194_400_000,
        "close_timestamp": 1_609_653_600_000 + 388_800_000,
    }
    read = read_freqtrade(written(tmp_path / "r.json", trade(), trade(**apart)))
    assert read.found["metrics"]["time_in_market"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(6))
def test_ours_written_and_read_are_the_same_trades(seed, tmp_path):
    told = ran(seed).as_object()
    rows = read_trades(trades_csv(told["trades"], told["symbol"]))
    write_freqtrade(tmp_path / "r.json", told, rows)
    back = read_freqtrade(tmp_path / "r.json").found
    ours = sorted(rows, key=lambda one: (one["exit_time"], one["entry_time"]))
    assert len(ours) == len(back["trades"])
    for one, other in zip(ours, back["trades"], strict=True):
        for name in ("symbol", "side", "entry_time", "exit_time", "entry_price", "exit_price", "pnl",
                     "exit_reason", "entry_reason"):  # fmt: skip
            assert one[name] == other[name], name
        assert abs(one["quantity"]) == abs(other["quantity"])
        for name in ("fees", "mae", "mfe"):
            assert one[name] == pytest.approx(other[name], rel=1e-9, abs=1e-12), name
    for name in ("win_rate", "profit_factor", "expectancy", "trades", "sqn", "kelly", "average_win"):
        assert back["metrics"][name] == pytest.approx(told["metrics"][name]), name
    assert back["capital"] == told["capital"]
    again = json.loads((tmp_path / "r.json").read_text())["strategy"][told["strategy"]]
    assert again["total_trades"] == len(rows)


def test_it_has_a_report_and_evidence_like_ours(tmp_path):
    read = read_freqtrade(written(tmp_path / "r.json", *[trade(profit_abs=float(p)) for p in range(-20, 20)]))
    evidence = judge(read.found, read.ts, read.equity, Tried(1, None))
    made = report(read.found, read.ts, read.equity)
    assert made.trades.trades == 40
    assert evidence["status"] == "not_enough_evidence"
    assert "Dip on BTC/USDT 5m" in page(made, evidence)
    json.dumps(made.as_object(), allow_nan=False)


def test_a_zip_of_freqtrade_is_read(tmp_path):
    inner = written(tmp_path / "backtest-result-2026.json", trade()).read_text()
    with zipfile.ZipFile(tmp_path / "backtest-result-2026.zip", "w") as archive:
        archive.writestr("backtest-result-2026.json", inner)
        archive.writestr("backtest-result-2026_config.json", "{}")
    assert read_freqtrade(tmp_path / "backtest-result-2026.zip").found["strategy"] == "Dip"


def test_a_bare_list_needs_a_capital(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps([trade()]))
    with pytest.raises(InputError, match="--capital") as refused:
        read_freqtrade(tmp_path / "r.json")
    assert refused.value.field == "capital"
    assert read_freqtrade(tmp_path / "r.json", capital=500.0).equity[-1] == 519.58


def test_of_several_strategies_one_is_named(tmp_path):
    part = {"trades": [trade()], "starting_balance": 1_000.0}
    (tmp_path / "r.json").write_text(json.dumps({"strategy": {"A": part, "B": part}}))
    with pytest.raises(InputError, match="--strategy: A, B"):
        read_freqtrade(tmp_path / "r.json")
    with pytest.raises(InputError, match="holds no strategy 'C'"):
        read_freqtrade(tmp_path / "r.json", strategy="C")
    assert read_freqtrade(tmp_path / "r.json", strategy="B").found["strategy"] == "B"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"open_rate": None}, "open_rate is missing"),
        ({"open_rate": "cheap"}, "open_rate must be a number, was 'cheap'"),
        ({"open_rate": True}, "open_rate must be a number"),
        ({"close_rate": 0.0}, "close_rate must be above 0"),
        ({"amount": -1.0}, "amount must be above 0"),
        ({"profit_abs": float("nan")}, "profit_abs must be a finite number"),
        ({"profit_abs": None}, "profit_abs is missing"),
        ({"close_timestamp": 1}, "close_date lies before open_date"),
        ({"close_timestamp": None, "close_date": "soon"}, "close_date: 'soon' is not a time"),
        ({"open_timestamp": None, "open_date": None}, "open_date is missing"),
        ({"pair": ""}, "pair is missing"),
        ({"is_open": True}, "is_open is true"),
    ],
)
def test_what_cannot_be_is_refused_with_row_and_field(values, words, tmp_path):
    file = written(tmp_path / "r.json", trade(), trade(**values))
    with pytest.raises(DataError, match="Trade 2") as refused:
        read_freqtrade(file)
    assert words in str(refused.value)


NO_RESULTS = (
    "", "{", "[]", "{}", "null", "1", '{"strategy": {"A": {}}}', '{"trades": 3}', "[1]",
    '{"strategy": {"A": {"trades": []}}}', "[" * 100_000,
)  # fmt: skip


@pytest.mark.parametrize("content", NO_RESULTS, ids=range(len(NO_RESULTS)))
def test_what_is_no_such_file_is_refused(content, tmp_path):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError):
        read_freqtrade(tmp_path / "r.json", capital=100.0)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_freqtrade(tmp_path / "none.json")


def test_figures_of_its_days_are_the_plain_ones(tmp_path):
    generator = np.random.default_rng(8)
    start = 1_609_459_200_000
    trades = [
        trade(open_timestamp=start + 86_400_000 * d, close_timestamp=start + 86_400_000 * d + 3_600_000,
              profit_abs=float(p))
        for d, p in enumerate(generator.normal(1.0, 10.0, 200))
    ]  # fmt: skip
    read = read_freqtrade(written(tmp_path / "r.json", *trades))
    equity = 1_000.0 + np.cumsum([one["profit_abs"] for one in trades])
    returns = np.diff(np.append(1_000.0, equity)) / np.append(1_000.0, equity[:-1])
    assert read.equity == pytest.approx(equity)
    assert read.found["metrics"]["sharpe_ratio"] == pytest.approx(
        returns.mean() / returns.std(ddof=1) * np.sqrt(365)
    )
