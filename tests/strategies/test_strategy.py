"""Strategies: parameters declared once, names, and the user's own files."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.errors import InputError, UnknownName
from cryptai.strategies.strategy import build, parameters, strategies, values_of
from cryptai.strategies.user import find_strategy, strategy_names

OWN = '''
from dataclasses import dataclass
from cryptai import Signals, param, strategy
from cryptai.features.averages import sma
from cryptai.features.crosses import crosses_above, crosses_below

@strategy
@dataclass(frozen=True)
class Mine:
    """Mine."""
    period: int = param(20, low=2, high=100, meaning="period")

    def signals(self, candles):
        average = sma(candles.close, self.period)
        return Signals.entries(
            candles,
            long=crosses_above(candles.close, average),
            exit_long=crosses_below(candles.close, average),
        )

    def score(self, candles):
        return candles.close / sma(candles.close, self.period) - 1
'''


def test_the_strategies_of_the_house_are_there():
    assert {"breakout", "buy_and_hold", "ema_trend", "rsi_reversal"} < set(strategies.names())
    assert {"choch_breakout", "smart_money", "trend_structure"} < set(strategies.names())


@pytest.mark.parametrize("name", strategies.names())
def test_each_strategy_declares_what_a_form_needs(name):
    cls = strategies.get(name)
    assert cls.__doc__
    made = build(cls, {})
    for parameter in parameters(cls):
        assert parameter.meaning
        assert parameter.low <= parameter.default <= parameter.high
    assert values_of(made) == {p.name: p.default for p in parameters(cls)}


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"fsat": 5}, "param.fsat", "did you mean fast"),
        ({"fast": "many"}, "param.fast", "whole number"),
        ({"fast": 2.5}, "param.fast", "whole number"),
        ({"fast": 1}, "param.fast", "from 2 to 1000"),
        ({"fast": "nan"}, "param.fast", "whole number"),
        ({"fast": "1e999"}, "param.fast", "whole number"),
        ({"fast": True}, "param.fast", "whole number"),
        ({"fast": None}, "param.fast", "whole number"),
        ({"fast": 26}, "param.fast", "below slow"),
        ({"allow_short": "perhaps"}, "param.allow_short", "true or false"),
    ],
)
def test_a_wrong_parameter_is_a_sentence(given, field, words):
    with pytest.raises(InputError, match=words) as refused:
        build(strategies.get("ema_trend"), given)
    assert refused.value.field == field


def test_numbers_of_numpy_are_numbers():
    given = {"fast": np.int64(5), "slow": np.float64(9.0), "allow_short": np.True_}
    assert values_of(build(strategies.get("ema_trend"), given)) == {
        "fast": 5,
        "slow": 9,
        "allow_short": True,
    }


def test_text_is_read():
    made = build(strategies.get("ema_trend"), {"fast": "5", "slow": "10", "allow_short": "true"})
    assert values_of(made) == {"fast": 5, "slow": 10, "allow_short": True}


def test_a_users_file_is_found_by_its_name_and_stays_out_of_the_registry(tmp_path):
    (tmp_path / "my_own.py").write_text(OWN)
    assert "my_own" in strategy_names(tmp_path)
    cls = find_strategy("my_own", tmp_path)
    assert cls.name == "my_own"
    assert [p.name for p in parameters(cls)] == ["period"]
    assert "my_own" not in strategies
    assert "mine" not in strategies


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError.*line 1"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("x = 1", "holds 0"),
        (OWN + OWN.replace("class Mine", "class Other"), "holds 2"),
        ("import sys\nsys.exit(0)", "SystemExit: 0.*line 2"),
        (OWN.replace('= param(20, low=2, high=100, meaning="period")', ""), "period has no default"),
        (OWN.replace("period: int", "period: str"), "period must be an int, a float or a bool"),
        (OWN.replace("period: int", "period: 'Nothing'"), "annotations cannot be read.*Nothing"),
        (OWN.replace('"""Mine."""', 'stop = "none"'), "its stop must be a number"),
        (OWN.replace('"""Mine."""', 'needs = "funding"'), "its needs must be a tuple of 'funding' or"),
    ],
)
def test_a_users_file_that_is_no_strategy_is_a_sentence(tmp_path, text, words):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InputError, match=words):
        find_strategy("bad", tmp_path)


def test_a_users_file_may_not_take_a_built_ins_name(tmp_path):
    (tmp_path / "ema_trend.py").write_text(OWN)
    with pytest.raises(InputError, match="rename it"):
        find_strategy("ema_trend", tmp_path)


def test_an_unknown_strategy_is_answered_with_the_near_names(tmp_path):
    with pytest.raises(UnknownName, match="ema_trend"):
        find_strategy("ema_trand", tmp_path)
