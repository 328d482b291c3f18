"""The candlestick patterns are TA-Lib's, all of them, and mark what their names say."""

from __future__ import annotations

import numpy as np
import pytest
import talib
from talib.abstract import Function
from tests.trading.worlds import random_candles

from cryptai.features.candlesticks import PATTERNS
from cryptai.features.feature import features


def columns(candles):
    return candles.open, candles.high, candles.low, candles.close


def test_every_pattern_of_ta_lib_has_a_name():
    known = talib.get_function_groups()["Pattern Recognition"]
    assert sorted("CDL" + one.source for one in PATTERNS) == sorted(known)
    assert len({one.name for one in PATTERNS}) == len(known) == 61


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda one: one.name)
def test_a_pattern_is_ta_lib_s_after_its_first_rows(pattern):
    prices = columns(random_candles(np.random.default_rng(1), 3_000))
    source = "CDL" + pattern.source
    ours = features.get(pattern.name).function(*prices)
    first = Function(source).lookback
    assert np.isnan(ours[:first]).all()
    np.testing.assert_array_equal(ours[first:], getattr(talib, source)(*prices)[first:])
    if pattern.penetration is not None:
        assert features.get(pattern.name).defaults == {"penetration": pattern.penetration}


def after_a_calm(*bars):
    """Return ten bars of body 1 around 100, then these."""
    calm = [(100.0, 101.2, 99.8, 101.0), (101.0, 101.2, 99.8, 100.0)] * 6
    return (np.array(column) for column in zip(*calm, *bars, strict=True))


@pytest.mark.parametrize(
    ("name", "bars", "mark"),
    [
        ("engulfing", [(101.0, 101.5, 99.5, 100.0), (99.9, 102.0, 99.0, 101.5)], 100.0),
        ("engulfing", [(100.0, 101.5, 99.5, 101.0), (101.1, 102.0, 99.0, 99.5)], -100.0),
        ("hammer", [(99.5, 99.62, 97.0, 99.6)], 100.0),
        ("shooting_star", [(100.0, 101.6, 99.9, 101.5), (102.0, 105.0, 101.98, 102.1)], -100.0),
        ("doji", [(100.0, 101.0, 99.0, 100.01)], 100.0),
        ("marubozu", [(100.0, 103.0, 100.0, 103.0)], 100.0),
        ("harami", [(103.0, 103.1, 99.9, 100.0), (101.0, 101.5, 100.9, 101.4)], 100.0),
        (
            "morning_star",
            [(103.0, 103.1, 99.9, 100.0), (99.5, 99.7, 99.2, 99.4), (99.6, 102.8, 99.5, 102.5)],
            100.0,
        ),
        ("engulfing", [(100.0, 101.0, 99.0, 100.5)], 0.0),
    ],
)  # fmt: skip
def test_a_textbook_pattern_is_marked_at_its_last_bar(name, bars, mark):
    found = features.get(name).function(*after_a_calm(*bars))
    assert found[-1] == mark
