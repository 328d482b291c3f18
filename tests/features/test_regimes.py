"""Regimes: their definitions written out plainly, filtered and never smoothed, and how often they last."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from cryptai.features._persisted import persisted
from cryptai.features.regimes import REGIMES, regime, regime_hmm
from cryptai.market.files import read_candles
from cryptai.research.series import noise

CLOSE = noise(5, 700).close
MOVES = np.diff(np.log(CLOSE), prepend=np.nan)
BOTH = pytest.mark.parametrize("method", [regime, regime_hmm])


def plain_rule(t, trend=50, volatility=20, usual=200, strong=1.0, wild=1.4, calm=0.6):
    root = lambda bars: math.sqrt(np.mean(MOVES[t - bars + 1 : t + 1] ** 2))  # noqa: E731
    level = root(volatility) / root(usual)
    away = math.log(CLOSE[t] / CLOSE[t - trend]) / (root(trend) * math.sqrt(trend))
    if abs(away) >= strong:
        return 1 if away > 0 else 2, level, away
    return (4 if level >= wild else 5 if level <= calm else 3), level, away


def test_the_rules_are_as_they_are_told():
    code, level, strength, _confidence = regime(CLOSE)
    assert np.isnan(code[:200]).all()
    for t in range(200, len(CLOSE)):
        name, usual, away = plain_rule(t)
        assert REGIMES[int(code[t])] == REGIMES[name], t
        assert level[t] == pytest.approx(usual, rel=1e-9)
        assert strength[t] == pytest.approx(math.erf(away / math.sqrt(2)), abs=1e-9)


def density(x, mean, deviation):
    return math.exp(-0.5 * ((x - mean) / deviation) ** 2) / deviation + 1e-9


def plain_filter(t, usual=200, window=64, drift=0.3, wild=2.0, calm=0.4, stay=0.98):
    """The forward algorithm as in any book, normalised at each bar."""
    change = np.full((5, 5), (1 - stay) / 4)
    np.fill_diagonal(change, stay)
    chance = np.full(5, 0.2)
    shapes = [(drift, 1), (-drift, 1), (0, 1), (0, wild), (0, calm)]
    for i in range(t - window + 1, t + 1):
        x = MOVES[i] / math.sqrt(np.mean(MOVES[i - usual + 1 : i + 1] ** 2))
        chance = (chance @ change) * [density(x, *shape) for shape in shapes]
        chance /= chance.sum()
    return chance


def test_the_filter_is_the_forward_algorithm():
    code, level, strength, _confidence = regime_hmm(CLOSE)
    assert np.isnan(code[: 200 + 63]).all()
    for t in range(263, len(CLOSE), 7):
        chance = plain_filter(t)
        assert strength[t] == pytest.approx(chance[0] - chance[1], abs=1e-9)
        assert level[t] == pytest.approx(chance @ [1, 1, 1, 2.0, 0.4], abs=1e-9)
        assert int(code[t]) == int(np.argmax(chance)) + 1


def test_a_smoothed_reading_would_be_told_apart():
    # What comes later must not reach back: the same bars with another future.
    other = CLOSE.copy()
    other[600:] *= np.linspace(1, 3, 100)
    for method in (regime, regime_hmm):
        for now, then in zip(method(CLOSE), method(other), strict=True):
            np.testing.assert_array_equal(now[:600], then[:600])


@pytest.mark.parametrize("seed", range(20))
def test_confidence_is_counted_over_known_outcomes_only(seed):
    random = np.random.default_rng(seed)
    n, horizon, memory = 120, int(random.integers(1, 9)), int(random.integers(5, 60))
    code = np.repeat(random.integers(1, 6, n // 4), 4).astype(float)
    code[random.random(n) < 0.05] = np.nan
    depth = random.random(n) * 1.2
    bins = np.clip((np.nan_to_num(depth) * 4).astype(int), 0, 3)
    found = persisted(code, depth, horizon, memory)
    for t in range(n):
        calls = [s for s in range(max(0, t - horizon - memory + 1), t - horizon + 1)
                 if not np.isnan(code[s]) and not np.isnan(code[s + horizon])]  # fmt: skip
        if np.isnan(code[t]) or not calls:
            assert np.isnan(found[t])
            continue
        weight, share = 10.0 * horizon, None
        same = [s for s in calls if code[s] == code[t]]
        for alike in (calls, same, [s for s in same if bins[s] == bins[t]]):
            lasted = sum(code[s + horizon] == code[s] for s in alike)
            if share is None:
                share = lasted / len(alike)
            else:
                share = (lasted + weight * share) / (len(alike) + weight)
        assert found[t] == pytest.approx(share, abs=1e-12), t


@BOTH
def test_a_bull_market_is_a_bull_market(method):
    steps = np.random.default_rng(1).normal(0.0, 0.01, 900)
    code = method(100 * np.exp(np.cumsum(steps + 0.006)))[0]
    assert np.mean(code[300:] == 1) > 0.7
    code = method(100 * np.exp(np.cumsum(steps - 0.006)))[0]
    assert np.mean(code[300:] == 2) > 0.7


@BOTH
def test_wild_and_quiet_stretches_are_told(method):
    spread = np.where(np.arange(900) // 60 % 5, 0.003, 0.03)
    code = method(100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0.0, 1.0, 900) * spread)))[0]
    inside = (np.arange(900) % 60 >= 30) & (np.arange(900) >= 300)
    loud = spread > 0.01
    assert np.mean(np.isin(code[inside & loud], [4, 1, 2])) > 0.7
    assert np.mean(code[inside & ~loud] == 5) > np.mean(code[inside & loud] == 5) + 0.3


@BOTH
@pytest.mark.parametrize(
    "close", [np.full(600, 5.0), np.full(600, np.nan), np.full(600, 1e300), np.zeros(600)]
)
def test_prices_that_say_nothing_are_no_mistake(method, close):
    found = method(close)
    assert all(column.shape == (600,) for column in found)
    if close[0] in (5.0, 1e300):
        assert found[0][-1] == 5.0
    else:
        assert np.isnan(found[0]).all()


@BOTH
def test_a_nan_inside_is_forgotten_with_the_windows_that_hold_it(method):
    close = noise(6, 1_500).close.copy()
    whole = method(close)[0]
    close[400] = np.nan
    found = method(close)[0]
    assert np.isnan(found[400:410]).all()
    np.testing.assert_array_equal(found[800:], whole[800:])


@pytest.mark.shared
@BOTH
@pytest.mark.parametrize("name", ["BTCUSDT_1h", "ETHUSDT_4h", "BTCUSDT_1d", "XRPUSDT_1h"])
def test_the_reliability_of_confidence_is_printed_out_of_sample(method, name, shared, capsys):
    close = read_candles(shared / f"data/candles/spot/{name}.parquet").close
    code, confidence = method(close)[0], method(close)[3]
    said, lasted = confidence[:-10], code[10:] == code[:-10]
    known = np.isfinite(said) & np.isfinite(code[10:])
    assert known.sum() > 1_000
    assert said[known].min() >= 0.0
    assert said[known].max() <= 1.0
    told = [f"{method.__name__} on {name}: confidence said, seen, calls"]
    for low in np.arange(0.0, 1.0, 0.1):
        here = known & (said >= low) & (said < low + 0.1)
        if here.sum() >= 50:
            told.append(f"  {said[here].mean():.2f}  {lasted[here].mean():.2f}  {here.sum()}")
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *told, ""]))
