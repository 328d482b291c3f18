"""`cryptai backtest` over several markets, with every kind of order, and with what the workspace knows."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest

import cryptai as ca
from cryptai.cli.main import main
from cryptai.market.candles import Candles
from cryptai.market.funding import Funding, FundingBook
from cryptai.market.store import CandleStore
from cryptai.market.symbols import SymbolBook, SymbolInfo

HOUR = 3_600_000
T0 = 1_609_459_200_000  # 2021-01-01

ORDERS = '''
from dataclasses import dataclass
import numpy as np
from cryptai.signals import Signals
from cryptai.strategies.strategy import param

@dataclass(frozen=True)
class Orders:
    """One order every forty bars, of the kind asked for, five or so bars after which it leaves."""

    kind: int = param(0, low=0, high=5)
    stop = float("nan")
    target = float("nan")

    def signals(self, candles):
        n = len(candles)
        entry, exits = np.zeros(n, np.int8), np.zeros(n, np.int8)
        entry[5::40], exits[25::40] = 1, 1
        at, price = entry == 1, candles.close

        def where(values):
            return np.where(at, values, np.nan)

        columns = (
            {},
            {"limit": where(price * 0.99)},
            {"trigger": where(price * 1.01)},
            {"trigger": where(price * 1.01), "limit": where(price * 1.02)},
            {"stop": where(price * 0.98), "target": where(price * 1.04)},
            {"trail": price * 0.02},
        )[self.kind]
        return Signals.entries(candles, long=entry == 1, exit_long=exits == 1, **columns)
'''


@pytest.fixture
def stored(workspace):
    rng = np.random.default_rng(4)
    for symbol, skip in (("BTC/USDT", 0), ("ETH/USDT", 500)):
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, 2000)))
        opens = np.append(100.0, close[:-1])
        high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0, 0.003, 2000)))
        low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0, 0.003, 2000)))
        bars = Candles(T0 + np.arange(2000) * HOUR, opens, high, low, close, np.full(2000, 9.0), symbol, "1h")
        CandleStore(workspace.candles).write("binance", bars[skip:])
    (workspace.strategies / "orders.py").write_text(ORDERS)
    return workspace


def ask(capfd, *args):
    assert main(["backtest", *args, "--json"]) == 0, capfd.readouterr().err
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize(
    ("kind", "entered", "left"),
    [
        (0, "market", {"signal"}),
        (1, "limit", {"signal"}),
        (2, "trigger", {"signal"}),
        (3, "stop_limit", {"signal"}),
        (4, "market", {"signal", "stop", "target"}),
        (5, "market", {"signal", "trailing"}),
    ],
)
def test_each_kind_of_order_is_the_same_by_command_and_library(stored, capfd, kind, entered, left):
    asked = ["orders", "--symbols", "BTCUSDT,ETHUSDT", "--timeframe", "1h", "--param", f"kind={kind}"]
    told = ask(capfd, *asked, "--size", "0.4", "--time-in-force", "10")
    assert {row.get("entry_kind", "market") for row in told["trades"]} == {entered}
    assert left <= {row["exit_reason"] for row in told["trades"]} <= left | {"end", "stop", "target"}
    assert {row["symbol"] for row in told["trades"]} == {"BTC/USDT", "ETH/USDT"}
    store = CandleStore(stored.candles)
    candles = [store.read("binance", symbol, "1h") for symbol in ("BTC/USDT", "ETH/USDT")]
    found = ca.backtest(candles, "orders", kind=kind, size=0.4, time_in_force=10).as_object()
    assert found["trades"] == told["trades"]
    assert found["metrics"] == told["metrics"]
    assert found["data_digest"] == told["data_digest"]


def test_every_rule_and_cost_can_be_asked_for(stored, capfd):
    options = {
        "kelly": 0.5, "volatility_target": 0.4, "max_entries": 2, "max_position_size": 0.5,
        "max_risk_per_trade": 0.02, "trailing": 0.05, "trailing_from": 0.01, "max_bars": 15,
        "time_in_force": 3, "maker": 0.0002, "spread": 0.0001, "slippage_volatility": 0.05, "impact": 0.01,
        "max_volume_share": 0.5, "borrow": 0.05, "max_open": 1, "max_exposure": 0.8, "max_per_group": 1,
        "daily_loss": 0.1, "drawdown_halt": 0.5, "cooldown": 2, "stop_guard": 3, "stop_guard_bars": 48,
        "stop_guard_pause": 24, "leverage": 2, "maintenance": 0.01,
    }  # fmt: skip
    flags = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    more = ["--fill", "close", "--target-steps", "0:0.1,10:0.02", "--group", "both=BTC/USDT,ETH/USDT"]
    told = ask(capfd, "ema_trend", "--symbols", "BTCUSDT,ETHUSDT", "--timeframe", "1h", *flags, *more)
    assert options.items() <= {**told["rules"], **told["costs"]}.items()
    assert told["fill"] == "close"
    assert told["target_steps"] == [[0, 0.1], [10, 0.02]]
    assert told["groups"] == {"BTC/USDT": "both", "ETH/USDT": "both"}
    assert told["trades"]
    assert told["refused"]


def test_what_the_workspace_knows_is_taken_when_it_is_asked_for(stored, capfd):
    asked = ["ema_trend", "--symbol", "BTCUSDT", "--timeframe", "4h", "--from", "2021-01-20"]
    plain = ask(capfd, *asked)
    assert "markets" not in plain
    ts = T0 + 8 * HOUR * np.arange(300)
    FundingBook().add("binance", Funding("BTC/USDT", ts, np.full(300, 0.001)), source="test")
    SymbolBook().sync("binance", [SymbolInfo("BTC/USDT", "trading", Decimal("0.01"), Decimal(1))], T0)
    told = ask(capfd, *asked, "--funding", "--filters", "--finer")
    (one,) = told["markets"]
    assert one["knows"]["funding"]["symbol"] == "BTC/USDT:USDT"
    assert one["knows"]["filters"] == {"changes": 1, "since": "2021-01-01T00:00:00Z"}
    assert one["knows"]["finer"] == {"timeframe": "1h", "bars_with_path": 1.0}
    assert sum(row.get("funding", 0.0) for row in told["trades"]) > 0
    assert all(row["quantity"] == int(row["quantity"]) for row in told["trades"])
    assert told["data_digest"] != plain["data_digest"]
    assert main(["backtest", *asked, "--funding", "--filters", "--finer"]) == 0
    out = capfd.readouterr().out
    assert "fundings of BTC/USDT:USDT" in out
    assert "100% of bars by 1h bars" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--funding"], "No funding of binance BTC/USDT:USDT is stored"),
        (["--filters"], "No symbols of binance are known; take its list with: cryptai symbols sync"),
        (["--finer"], "No candles finer than 1h are stored of BTC/USDT"),
        (["--symbols", "ETH/USDT,XRP/USDT"], "symbol is one market, symbols are several"),
        (["--fill", "soon"], "fill must be open or close"),
        (["--leverage", "126"], "leverage must be from 1 to 125"),
        (["--max-bars", "0"], "max_bars must be a whole number from 1"),
        (["--stop-guard", "3"], "stop_guard_bars is missing"),
        (["--group", "x"], "NAME=SYMBOL,SYMBOL"),
        (["--target-steps", ""], "target_steps is empty"),
        (["--fee-tier", "binance:gold"], "no tier of binance spot named 'gold'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(stored, capfd, options, words):
    before = {path for path in stored.root.rglob("*") if path.is_file()}
    assert main(["backtest", "ema_trend", "--symbol", "BTCUSDT", "--timeframe", "1h", *options]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1
    assert {path for path in stored.root.rglob("*") if path.is_file()} == before


def test_markets_without_a_common_bar_or_of_other_names_are_refused(stored, capfd):
    asked = ["backtest", "ema_trend", "--timeframe", "1h"]
    assert main([*asked, "--symbols", "BTC/USDT,DOGE/USDT"]) == 2
    assert "No bars of" in capfd.readouterr().err
    assert main([*asked, "--symbols", "BTC/USDT,btcusdt"]) == 2
    assert "names BTC/USDT twice" in capfd.readouterr().err
    assert main([*asked, "--symbols", "BTC/USDT,ETH/USDT", "--to", "2021-01-10"]) == 2
    assert "no bar of ETH/USDT 1h in that range" in capfd.readouterr().err


def test_several_files_are_a_portfolio(stored, tmp_path, capfd):
    files = []
    for symbol in ("BTC/USDT", "ETH/USDT"):
        bars = CandleStore(stored.candles).read("binance", symbol, "1h")
        lines = ["ts,open,high,low,close,volume"]
        columns = [getattr(bars, name).tolist() for name in ("ts", "open", "high", "low", "close", "volume")]
        lines += [",".join(map(repr, row)) for row in zip(*columns, strict=True)]
        files.append(tmp_path / f"{symbol.replace('/', '')}_1h.csv")
        files[-1].write_text("\n".join(lines))
    of_files = ask(capfd, "ema_trend", *(word for file in files for word in ("--candles", str(file))))
    of_store = ask(capfd, "ema_trend", "--symbols", "BTCUSDT,ETHUSDT", "--timeframe", "1h")
    assert of_files["trades"] == of_store["trades"]


def test_the_table_of_a_portfolio_names_the_markets(stored, capfd):
    asked = ["backtest", "ema_trend", "--symbols", "BTCUSDT,ETHUSDT", "--timeframe", "1h", "--size", "0.3"]
    assert main(asked) == 0
    out = capfd.readouterr().out
    assert "BTC/USDT: 2,000 bars from 2021-01-01" in out
    assert "ETH/USDT: 1,500 bars from 2021-01-21" in out


def test_the_help_stands_under_headings(capsys):
    assert main(["backtest", "--help"]) == 0
    out = capsys.readouterr().out
    headings = ["Options:", "Orders and exits:", "How much:", "Costs:", "Limits and halts:", "Leverage:"]
    assert all(f"\n{heading}\n" in out for heading in headings)
    limits = out[out.index("Limits and halts:") :]
    assert "--max-open" in limits[: limits.index("\n\n")]
    assert "Example: cryptai backtest ema_trend --symbols" in " ".join(out.split())
