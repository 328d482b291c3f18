"""Nothing sees the future: whatever is registered is replayed at every cut and must give the same bits.

A new indicator or strategy joins by being registered; nobody writes a test for it.
"""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.signals import Signals
from cryptai.strategies.strategy import build, parameters, strategies
from tests.trading.worlds import random_candles

BARS = 400
INDICATORS = [one.name for one in features if isinstance(one, Indicator)]


def first_rewritten(columns_of, candles):
    """Replay at every cut; return (cut, column, row) of the first reading that differs from the full one."""
    full = columns_of(candles)
    for cut in range(1, len(candles) + 1):
        for name, column in columns_of(candles[:cut]).items():
            if len(column) != cut:
                return cut, name, "length"
            if column.tobytes() != full[name][:cut].tobytes():
                differing = column.view("u1").reshape(cut, -1) != full[name][:cut].view("u1").reshape(cut, -1)
                return cut, name, int(np.argmax(differing.any(axis=1)))
    return None


def strategy_columns(strategy):
    def columns(candles):
        signals = strategy.signals(candles)
        return {
            "entry": np.ascontiguousarray(signals.entry),
            "exits": np.ascontiguousarray(signals.exits),
            "score": np.ascontiguousarray(strategy.score(candles)),
        }

    return columns


def indicator_columns(indicator: Indicator):
    return lambda candles: {name: np.ascontiguousarray(v) for name, v in indicator.of(candles).items()}


@pytest.fixture(scope="module")
def series():
    candles = random_candles(np.random.default_rng(7), int(BARS * 1.1), holes=0.05)[:BARS]
    assert len(candles) == BARS
    return candles


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_rewrites_nothing(name, series):
    assert first_rewritten(indicator_columns(features.get(name)), series) is None


@pytest.mark.parametrize("name", strategies.names())
@pytest.mark.parametrize("shorts", [False, True])
def test_a_strategy_rewrites_nothing(name, shorts, series):
    cls = strategies.get(name)
    given = {"allow_short": shorts} if any(p.name == "allow_short" for p in parameters(cls)) else {}
    strategy = build(cls, given)
    assert first_rewritten(strategy_columns(strategy), series) is None
    if name != "buy_and_hold":
        assert np.count_nonzero(strategy.signals(series).entry) >= 2, "a replay of silence proves nothing"


def _shifted(values):
    out = np.full(len(values), np.nan)
    out[:-1] = values[1:]
    return out


LEAKS = {
    "shift(-1)": lambda c: _shifted(c.close),
    "mean of the whole series": lambda c: c.close - c.close.mean(),
    "scaled by the whole range": lambda c: c.close / c.close.max(),
    "centred window": lambda c: np.convolve(c.close, np.ones(5) / 5, mode="same"),
    "filled from behind": lambda c: np.maximum.accumulate(c.high[::-1])[::-1],
    "rank within all": lambda c: np.argsort(np.argsort(c.close)).astype(float),
    "the unfinished day's high": lambda c: c.resample("1d").high[
        np.minimum(np.searchsorted(c.resample("1d").ts, c.ts, "right"), len(c.resample("1d"))) - 1
    ] if len(c.resample("1d")) else np.full(len(c), np.nan),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_caught_in_an_indicator(leak, series):
    planted = LEAKS[leak]
    assert first_rewritten(lambda c: {"x": np.ascontiguousarray(planted(c), float)}, series) is not None


def test_a_strategy_that_peeks_one_bar_is_caught(series):
    class Peeking:
        def signals(self, candles):
            return Signals.entries(candles, long=_shifted(candles.close) > candles.close)

        def score(self, candles):
            return np.zeros(len(candles))

    found = first_rewritten(strategy_columns(Peeking()), series)
    assert found is not None
    assert found[1] == "entry"


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_keeps_its_length_its_type_and_its_inputs(name, series):
    indicator = features.get(name)
    before = {column: getattr(series, column).tobytes() for column in indicator.inputs}
    for n in (0, 1, 2, 5, 50, BARS):
        for output in indicator.of(series[:n]).values():
            assert output.shape == (n,)
            assert output.dtype == np.float64
    assert before == {column: getattr(series, column).tobytes() for column in indicator.inputs}
    first = next(iter(indicator.of(series).values()))
    known = np.flatnonzero(~np.isnan(first))
    assert len(known)
    assert not np.isnan(first[known[0] :]).any(), "NaN only before the first value"


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_refuses_parameters_out_of_range_by_name(name, series):
    from cryptai.errors import InputError

    indicator = features.get(name)
    for parameter in indicator.parameters:
        wrong = "neither of them" if parameter.choices else parameter.low - 1
        with pytest.raises(InputError) as refused:
            indicator.of(series, **{parameter.name: wrong})
        assert refused.value.field == parameter.name
