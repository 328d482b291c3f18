"""Freqtrade-style classes run as they stand: columns, bracket, steps, trailing; the rest is refused."""

from __future__ import annotations

import importlib.util
import json
import math
import sys

import numpy as np
import pytest

from cryptai.cli.main import main
from cryptai.errors import InputError
from cryptai.features import sma
from cryptai.market.store import CandleStore
from cryptai.research import check
from cryptai.research.null_market import null_market
from cryptai.research.piece import of_strategy
from cryptai.research.worlds import packaged
from cryptai.strategies.strategy import build, parameters
from cryptai.strategies.user import find_strategy
from cryptai.trading.backtest import backtest, default_rules
from cryptai.trading.isolated import run_isolated
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on
from tests.trading.worlds import random_candles

pd = pytest.importorskip("pandas")

# Of the usual form: talib over frames, parameters, a step by time, a tag.
DIPS = '''
from pandas import DataFrame
import talib.abstract as ta
import freqtrade.vendor.qtpylib.indicators as qtpylib
from freqtrade.strategy import BooleanParameter, CategoricalParameter, DecimalParameter
from freqtrade.strategy import IntParameter, IStrategy


class Dips(IStrategy):
    """Buy where the RSI rises out of the low, above the lower band."""

    INTERFACE_VERSION = 3
    timeframe = "1h"
    stoploss = -0.05
    minimal_roi = {"0": 0.04, "150": 0.02, "600": 0.0}
    startup_candle_count: int = 30
    buy_rsi = IntParameter(10, 50, default=35, space="buy", optimize=True)
    width = DecimalParameter(1.0, 3.0, decimals=1, default=2.0, space="buy")
    any_bar = BooleanParameter(default=False)
    kind = CategoricalParameter(["a", "b"], default="b", space="buy")

    def informative_pairs(self):
        return []

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        assert "/" in metadata["pair"] and self.kind.value == "b"
        dataframe["rsi"] = ta.RSI(dataframe, timeperiod=14)
        bands = ta.BBANDS(dataframe, timeperiod=20, nbdevup=self.width.value, nbdevdn=self.width.value)
        dataframe["lower"] = bands["lowerband"]
        dataframe["mean"] = ta.SMA(dataframe["close"], timeperiod=20)
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        up = qtpylib.crossed_above(dataframe["rsi"], self.buy_rsi.value) | self.any_bar.value
        up &= dataframe["close"] > dataframe["lower"]
        dataframe.loc[up, ["enter_long", "enter_tag"]] = (1, "dip")
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe.loc[qtpylib.crossed_below(dataframe["close"], dataframe["mean"]), "exit_long"] = 1
        return dataframe
'''
# Both sides, a trailing stop, no base class, no memory stated.
TURNS = """
import numpy as np


class Turns:
    timeframe = "4h"
    stoploss = -0.08
    minimal_roi = {}
    can_short = True
    trailing_stop = True
    trailing_stop_positive = 0.02
    trailing_stop_positive_offset = 0.03
    trailing_only_offset_is_reached = True

    def populate_indicators(self, dataframe, metadata):
        dataframe["fast"] = dataframe["close"].rolling(5).mean()
        dataframe["slow"] = dataframe["close"].rolling(20).mean()
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        over = dataframe["fast"] > dataframe["slow"]
        dataframe["enter_long"] = (over & ~over.shift(1, fill_value=False)).astype(int)
        dataframe["enter_short"] = (~over & over.shift(1, fill_value=False)).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = np.where(dataframe["fast"] < dataframe["slow"], 1, 0)
        dataframe["exit_short"] = np.where(dataframe["fast"] > dataframe["slow"], 1, 0)
        return dataframe
"""
# The older names.
OLD = """
from freqtrade.strategy.interface import IStrategy
import talib


class Old(IStrategy):
    timeframe = "1h"
    stoploss = -0.10
    minimal_roi = {0: 0.05}

    def populate_indicators(self, dataframe, metadata):
        dataframe["sma"] = talib.SMA(dataframe["close"], 10)
        return dataframe

    def populate_buy_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["close"] > dataframe["sma"], "buy"] = 1
        return dataframe

    def populate_sell_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["close"] < dataframe["sma"] * 0.99, "sell"] = 1
        return dataframe
"""
EXAMPLES = {"dips": DIPS, "turns": TURNS, "old": OLD}
HEAD = "class Old(IStrategy):\n"
LAST = "    minimal_roi = {0: 0.05}\n"


@pytest.fixture
def candles():
    return random_candles(np.random.default_rng(5), 900, holes=0.01)


def found(folder, text, given=None):
    (folder / "plain.py").write_text(text)
    return build(find_strategy("plain", folder), given or {})


def stated(made, candles):
    """Return the frame that the class's own methods make, called by hand."""
    one = made.plain()
    frame = pd.DataFrame({name: getattr(candles, name).copy() for name in ("open", "high", "low", "close")})
    frame["volume"] = candles.volume.copy()
    frame = one.populate_indicators(frame, {"pair": candles.symbol})
    for names in (
        ("populate_entry_trend", "populate_buy_trend"),
        ("populate_exit_trend", "populate_sell_trend"),
    ):
        frame = getattr(one, next(name for name in names if hasattr(one, name)))(
            frame, {"pair": candles.symbol}
        )
    return frame


@pytest.mark.parametrize("name", EXAMPLES)
def test_entries_and_exits_equal_the_columns_it_states(tmp_path, candles, name):
    made = found(tmp_path, EXAMPLES[name])
    frame, said, n = stated(made, candles), made.signals(candles), len(candles)

    def column(*names):
        told = next((np.asarray(frame[each] == 1) for each in names if each in frame), np.zeros(n, bool))
        return np.where(np.arange(n) < made.startup, False, told)

    leave, cover = column("exit_long", "sell"), column("exit_short")
    long, short = column("enter_long", "buy") & ~leave, column("enter_short") & ~cover
    np.testing.assert_array_equal(said.entry, long.astype(np.int8) - short.astype(np.int8))
    np.testing.assert_array_equal(said.exits, leave * 1 + cover * 2)
    assert np.count_nonzero(said.entry) > 5
    assert backtest(candles, made).metrics.trades > 5


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_says_nothing_else_of_a_shorter_history(tmp_path, candles, name):
    made = found(tmp_path, EXAMPLES[name])
    whole = made.signals(candles)
    for cut in (*range(60), *range(60, len(candles), 37)):
        part = made.signals(candles[:cut])
        assert part.entry.tobytes() == whole.entry[:cut].tobytes()
        assert part.exits.tobytes() == whole.exits[:cut].tobytes()


def test_its_indicators_are_talibs_and_its_imports_leave_nothing_behind(tmp_path, candles):
    before = {name: sys.modules.get(name) for name in ("talib", "talib.abstract", "freqtrade", "technical")}
    made = found(tmp_path, DIPS)
    np.testing.assert_array_equal(stated(made, candles)["mean"], sma(candles.close, 20))
    assert {name: sys.modules.get(name) for name in before} == before
    assert importlib.util.find_spec("freqtrade") is None


def test_its_parameters_are_declared_and_reach_its_code(tmp_path, candles):
    made = found(tmp_path, DIPS, {"buy_rsi": "20"})
    assert [(p.name, p.type, p.default, p.low, p.high) for p in parameters(type(made))] == [
        ("buy_rsi", int, 35, 10, 50), ("width", float, 2.0, 1.0, 3.0),
        ("any_bar", bool, False, -math.inf, math.inf),
    ]  # fmt: skip
    usual = found(tmp_path, DIPS).signals(candles)
    assert 0 < np.count_nonzero(made.signals(candles).entry) < np.count_nonzero(usual.entry)
    assert usual.long_reason == "dip"
    with pytest.raises(InputError, match="buy_rsi must be from 10 to 50"):
        found(tmp_path, DIPS, {"buy_rsi": 60})


def test_its_stop_steps_and_trailing_are_rules_of_the_run(tmp_path, candles):
    made = found(tmp_path, DIPS)
    result = backtest(candles, made)
    assert (result.rules.stop, math.isnan(result.rules.target)) == (0.05, True)
    assert result.terms.target_steps == (
        (0, 0.04),
        (3, 0.02),
        (10, 0.0),
    )  # 150 minutes are over at the third bar
    assert made.target_steps("15m") == ((0, 0.04), (10, 0.02), (40, 0.0))
    assert made.target_steps("4h") == ((0, 0.04), (1, 0.02), (3, 0.0))
    turns = default_rules(type(found(tmp_path, TURNS)))
    assert (turns.stop, turns.trailing, turns.trailing_from) == (0.08, 0.02, 0.03)
    old = found(tmp_path, OLD.replace(HEAD, HEAD + "    trailing_stop = True\n"))
    assert backtest(candles, old).rules.told()["trailing"] == 0.1


def test_stops_and_steps_fill_at_their_prices(tmp_path, candles):
    result = backtest(
        candles, found(tmp_path, DIPS.replace("-0.05", "-0.02").replace('"exit_long"', '"none"'))
    )
    trades = result.trades
    assert {"stop", "target"} <= set(trades.exit_reason)
    held = (trades.exit_time - trades.entry_time) // 3_600_000
    for row in np.flatnonzero(trades.exit_reason == "target"):
        # A limit at the fraction of its time; an open beyond it fills at the open, which is better.
        fraction = 0.04 if held[row] < 3 else 0.02 if held[row] < 10 else 0.0
        assert trades.exit_price[row] >= trades.entry_price[row] * (1 + fraction) * (1 - 1e-12)
    for row in np.flatnonzero(trades.exit_reason == "stop"):
        assert trades.exit_price[row] <= trades.entry_price[row] * 0.98 * (1 + 1e-12)


def test_its_trailing_stop_takes_profits_only(tmp_path, candles):
    trades = backtest(candles, found(tmp_path, TURNS)).trades
    trailed = trades.exit_reason == "trailing"
    assert 3 < trailed.sum() < len(trades)
    # Begun at 3 % of profit, 2 % behind the best price: at worst a gap lies between.
    best = np.where(
        trades.side == "long",
        trades.exit_price / trades.entry_price,
        2 - trades.exit_price / trades.entry_price,
    )
    assert np.median(best[trailed]) > 1.0
    assert best[trailed].mean() > best[~trailed].mean()


def test_a_stoploss_of_minus_one_is_none_and_tags_are_told_together(tmp_path, candles):
    made = found(tmp_path, DIPS.replace("-0.05", "-1"))
    assert math.isnan(backtest(candles, made).rules.stop)
    second = '        dataframe.loc[dataframe["rsi"] > 70, ["enter_long", "enter_tag"]] = (1, "strong")\n'
    at = DIPS.index("        return dataframe\n\n    def populate_exit_trend")
    said = found(tmp_path, DIPS[:at] + second + DIPS[at:]).signals(candles)
    assert sorted(said.long_reason.split(" or ")) == ["dip", "strong"]


def test_a_target_of_the_run_goes_before_its_steps(tmp_path, candles):
    made = found(tmp_path, DIPS)
    request = BacktestRequest.parse({"strategy": "plain", "target": 0.2, "trailing": 0.04})
    result = run_on(request, candles, made=made)
    assert (result.rules.stop, result.rules.target, result.rules.trailing) == (0.05, 0.2, 0.04)
    assert result.terms.target_steps == ()


def test_an_entry_beside_another_signal_is_none(tmp_path, candles):
    both = OLD.replace('dataframe["sma"] * 0.99, "sell"', 'dataframe["sma"] * 9, "sell"')
    assert not made_entries(found(tmp_path, both), candles).any()
    kept = both.replace(HEAD, HEAD + "    use_exit_signal = False\n")
    assert made_entries(found(tmp_path, kept), candles).any()


def made_entries(made, candles):
    return made.signals(candles).entry


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("def custom_stoploss(self, *a, **k): return -0.1", "custom_stoploss cannot be kept.*trailing_stop"),
        ("def custom_exit(self, *a, **k): return None", "custom_exit cannot be kept.*populate_exit_trend"),
        ("def confirm_trade_entry(self, *a, **k): return True", "confirm_trade_entry cannot be kept"),
        ("def adjust_trade_position(self, *a, **k): return None", "adjust_trade_position.*--max-entries"),
        ("def leverage(self, *a, **k): return 3.0", "leverage cannot be kept.*--leverage"),
        ("def informative_pairs(self): return [('ETH/USDT', '1d')]", "informative_pairs asks for.*ETH/USDT"),
        ("use_custom_stoploss = True", "use_custom_stoploss cannot be kept"),
        ("exit_profit_only = True", "exit_profit_only.*set it to False"),
        ("protections = [{'method': 'CooldownPeriod'}]", "protections cannot be kept.*--cooldown"),
        ("stoploss = 0.1", "stoploss must be below 0"),
        ("stoploss = None", "stoploss must be a number, was None"),
        ("timeframe = '7m'", "no timeframe named '7m'"),
        ("startup_candle_count = -1", "startup_candle_count must be a whole number"),
        ("minimal_roi = {'0': 0.1, '60': -1}", "minimal_roi of -1 after 60 minutes.*--max-bars"),
        ("minimal_roi = {'soon': 0.1}", "minimal_roi must be minutes and fractions"),
        ("can_short = True; minimal_roi = {'0': 10}", "a short earns less than 1"),
        (
            "trailing_stop = True; trailing_stop_positive = 0.01; trailing_stop_positive_offset = 0.03",
            "two distances.*trailing_only_offset_is_reached",
        ),
        (
            "from freqtrade.strategy import informative; later = informative('1d')",
            "informative cannot be kept",
        ),
        ("from freqtrade.strategy import IHyperOpt", "freqtrade.strategy.IHyperOpt is freqtrade's"),
        (
            "from freqtrade.strategy import IntParameter; n = IntParameter(1, 5)",
            "IntParameter needs a default",
        ),
        ("from freqtrade.strategy import IntParameter; stop = IntParameter(1, 5, default=2)", "named stop"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(tmp_path, line, words):
    with pytest.raises(InputError, match=words) as refused:
        found(tmp_path, OLD.replace(LAST, f"{LAST}    {line}\n"))
    assert "plain.py" in str(refused.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("self.dp.get_pair_dataframe('ETH/USDT', '1h')", "self.dp is the bot's"),
        ("dataframe = dataframe.dropna()", "populate_indicators of Old gave .* rows for .* bars"),
        ("dataframe = None", "gave NoneType"),
        ("if self.dp: pass", "self.dp is the bot's"),
        ("dataframe = dataframe.sort_values('date', ascending=False)", "changed the column `date`"),
    ],
)
def test_what_its_methods_may_not_do_is_told_when_they_run(tmp_path, candles, line, words):
    text = OLD.replace("        return dataframe\n", f"        {line}\n        return dataframe\n", 1)
    with pytest.raises(InputError, match=words):
        backtest(candles, found(tmp_path, text))


def test_without_pandas_it_says_what_to_install(tmp_path, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pandas" else there(name))
    with pytest.raises(InputError, match=r'pip install "cryptai\[freqtrade\]"'):
        found(tmp_path, OLD)


@pytest.fixture
def impatient(monkeypatch):
    """Check at a fifth of the cuts."""
    for name in ("_REPLAY_S", "_MEMORY_S"):
        monkeypatch.setattr(check, name, getattr(check, name) / 5.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", EXAMPLES)
def test_check_finds_nothing_against_an_honest_one(workspace, capsys, name):
    (workspace.strategies / "plain.py").write_text(
        EXAMPLES[name].replace("count: int = 30", "count: int = 700")
    )
    assert main(["check", "plain", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["checks"]
    assert (one["causal"], one["fair"]) == (True, True)
    assert one["null_market"]["trades"] > 100


@pytest.mark.usefixtures("impatient")
def test_check_says_how_many_bars_a_short_startup_lacks(workspace, capsys):
    (workspace.strategies / "plain.py").write_text(DIPS.replace("count: int = 30", "count: int = 16"))
    assert main(["check", "plain", "--json"]) == 1
    (one,) = json.loads(capsys.readouterr().out)["checks"]
    assert (one["warmup"]["declared"], one["warmup"]["enough"]) == (17, False)
    assert one["warmup"]["needed"] > 50


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("peek", ["dataframe['close'].shift(-1)", "dataframe['close'][::-1].cummin()[::-1]"])
def test_one_that_looks_ahead_is_caught(workspace, capsys, peek):
    text = OLD.replace('dataframe["close"] > dataframe["sma"]', f"{peek} > dataframe['sma']")
    (workspace.strategies / "plain.py").write_text(text)
    assert main(["check", "plain", "--json"]) == 1
    (one,) = json.loads(capsys.readouterr().out)["checks"]
    assert not one["causal"]
    assert one["rewritten"]["column"] == "entry"
    CandleStore(workspace.candles).write("binance", random_candles(np.random.default_rng(9), 600))
    assert main(["backtest", "plain", "--symbol", "BTC/USDT", "--timeframe", "1h"]) == 2
    assert "sees the future" in capsys.readouterr().err


@pytest.mark.usefixtures("impatient")
def test_check_takes_its_file_too(tmp_path, workspace, capsys):
    (tmp_path / "elsewhere.py").write_text(OLD)
    assert main(["check", str(tmp_path / "elsewhere.py"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checks"][0]["name"] == "elsewhere"


def test_the_null_market_is_traded_by_its_own_steps(tmp_path):
    made = found(tmp_path, DIPS)
    world = packaged(2_000)
    bare = found(tmp_path, DIPS.replace('{"0": 0.04, "150": 0.02, "600": 0.0}', "{}"))
    first, other = (null_market(of_strategy(one), tried=[world]) for one in (made, bare))
    assert first.trades > 10
    assert first.gross != other.gross  # the same entries


def test_a_server_runs_it_in_a_process_of_its_own(workspace):
    CandleStore(workspace.candles).write("binance", random_candles(np.random.default_rng(9), 600))
    (workspace.strategies / "plain.py").write_text(DIPS)
    asked = {"strategy": "plain", "symbol": "BTC/USDT", "timeframe": "1h"}
    told = run_isolated(asked, workspace.root, workspace.runs / "a")
    assert told["metrics"]["trades"] > 3
    assert told["target_steps"] == [[0, 0.04], [3, 0.02], [10, 0.0]]
