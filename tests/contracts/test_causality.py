"""Nothing sees the future: whatever is registered is replayed at every cut and must give the same bits.

A new indicator, structure or strategy joins by being registered; nobody writes a test for it. The longer
volume is `make proof ARGS="causality"`.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from testbeds.causality import COMPOSITIONS, accused, caught, lively, offences, pieces, three
from testbeds.leaks import leaks

from cryptai.errors import InputError
from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.research.causality import first_rewritten, first_unlike_live

PIECES = pieces()
INDICATORS = [one.name for one in features if isinstance(one, Indicator)]


@pytest.mark.parametrize("name", PIECES)
def test_it_rewrites_nothing_and_remembers_enough(name):
    assert list(offences(PIECES[name], 1, "suite")) == []


def test_everything_registered_is_replayed():
    assert set(features.names()) <= set(PIECES)
    assert "swing_points on 4h" in PIECES


def test_there_are_forty_two_leaks():
    assert len(leaks()) == 42


@pytest.mark.parametrize("leak", leaks())
def test_a_planted_leak_is_caught(leak):
    assert caught(leak)


@pytest.mark.parametrize("tens", range(COMPOSITIONS // 10))
def test_no_causal_piece_is_accused(tens):
    assert [said for seed in range(tens * 10, tens * 10 + 10) if (said := accused(seed, "suite"))] == []


def test_a_declared_memory_that_is_too_short_is_caught():
    ema = lively(features.get("ema"))
    short = dataclasses.replace(ema, warmup=ema.warmup // 2, exact=ema.exact // 2)
    said = " ".join(offences(short, 1, "suite"))
    assert "differs live" in said
    assert "needs more than its warm-up" in said


def test_the_first_rewritten_bar_is_told_with_both_values():
    candles = three(1, 400)["noise"]
    found = first_rewritten(leaks()["shift(-1)"](), candles)
    assert (found.cut, found.column, found.bar) == (1, "value", 0)
    assert np.isnan(found.old)
    assert found.new == candles.close[1]
    assert found.ts == candles.ts[0]


def test_a_window_that_is_long_enough_is_not_accused():
    ema = lively(features.get("ema"))
    assert first_unlike_live(ema, three(2, 2_000)["noise"], ema.exact, [1_500, 2_000]) is None


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_keeps_its_length_its_type_and_its_inputs(name):
    series = three(1, 400)["noise"]
    indicator = features.get(name)
    before = {column: getattr(series, column).tobytes() for column in indicator.inputs}
    for n in (0, 1, 2, 5, 50, 400):
        for output in indicator.of(series[:n]).values():
            assert output.shape == (n,)
            assert output.dtype == np.float64
    assert before == {column: getattr(series, column).tobytes() for column in indicator.inputs}


@pytest.mark.parametrize("name", features.names())
def test_a_feature_refuses_parameters_out_of_range_by_name(name):
    feature = features.get(name)
    for parameter in feature.parameters:
        if parameter.type is bool:
            wrong = "perhaps"
        else:
            wrong = "neither of them" if parameter.choices else parameter.low - 1
        with pytest.raises(InputError) as refused:
            feature.of(three(1, 400)["noise"], **{parameter.name: wrong})
        assert refused.value.field == parameter.name
