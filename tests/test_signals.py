"""Signals as columns, and the choice of the best."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.signals import EXIT_LONG, EXIT_SHORT, Signals


def _candles(n=4):
    ones = np.full(n, 100.0)
    return Candles(np.arange(n) * 3_600_000, ones, ones, ones, ones, ones, "BTC/USDT", "1h")


def test_conditions_become_columns():
    told = [np.array(x, bool) for x in ([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1])]
    signals = Signals.entries(_candles(), long=told[0], short=told[1], exit_long=told[2], exit_short=told[3])
    assert signals.entry.tolist() == [1, -1, 0, 0]
    assert signals.exits.tolist() == [0, 0, EXIT_LONG | EXIT_SHORT, EXIT_SHORT]


def test_what_is_not_said_is_never():
    signals = Signals.entries(_candles())
    assert not signals.entry.any()
    assert not signals.exits.any()
    assert Signals.entries(_candles(), short=np.array([True, False, False, False])).entry.tolist() == [
        -1,
        0,
        0,
        0,
    ]


@pytest.mark.parametrize("wrong", [np.ones(3, bool), np.ones(4), np.ones((4, 1), bool)])
def test_a_condition_of_another_shape_is_refused_by_name(wrong):
    with pytest.raises(InputError, match="long must be one boolean a bar") as refused:
        Signals.entries(_candles(), long=wrong)
    assert refused.value.field == "long"


def test_long_and_short_at_once_is_refused_with_the_row():
    both = np.array([False, False, True, False])
    with pytest.raises(InputError, match="Row 2"):
        Signals.entries(_candles(), long=both, short=both)


def test_optional_columns_are_taken_by_name():
    said = Signals.entries(
        _candles(), long=np.zeros(len(_candles()), bool), limit=range(len(_candles())), stop=None
    )
    assert said.limit.dtype == np.float64
    assert said.limit.tolist() == [float(i) for i in range(len(_candles()))]
    assert said.stop is None
    assert said.target is None
    with pytest.raises(InputError, match="no column named 'limmit'; did you mean limit"):
        Signals.entries(_candles(), limmit=[1.0])
