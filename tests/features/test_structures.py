"""Every structure equals its definition, written once more in plain Python, on bars of ties and holes."""

from __future__ import annotations

import numpy as np
import pytest
from tests.features import structure_oracles as oracles

from cryptai.features.events import FIGURES, Structure
from cryptai.features.feature import features
from cryptai.market.candles import Candles
from cryptai.market.timeframe import Timeframe

GROUPS = ["swings", "market_breaks", "gaps", "zones", "liquidity", "legs", "periods", "hours", "breakouts"]
GROUPS += ["higher", "pools"]
STRUCTURES = [one.name for one in features if isinstance(one, Structure) and one.group in GROUPS]
# Parameters under which a few dozen bars are enough for all that can happen; the defaults are too patient.
CASES = {
    "swing_points": [{"length": 1}, {"length": 3}, {"length": 4, "before": 2}, {"length": 2, "before": 2}],
    "market_structure": [
        {"internal": 2, "external": 5, "max_age": 30},
        {"internal": 1, "external": 2, "max_age": 10, "by": "wick"},
    ],
    "fair_value_gaps": [{"max_age": 8}, {"join": True}, {"join": True, "max_age": 1}, {"smallest": 0.5}],
    "inverse_fair_value_gaps": [{}, {"max_age": 6, "smallest": 0.2}],
    "order_blocks": [
        {"length": 2, "max_age": 20},
        {"length": 1, "bar": "opposite", "displacement": 0.0, "broken_by": "wick"},
        {"length": 2, "displacement": 1.0, "volume": 1.0},
    ],
    "breaker_blocks": [{"length": 1, "displacement": 0.0, "max_age": 15}, {"length": 2, "broken_by": "wick"}],
    "liquidity_pools": [{"length": 1, "tolerance": 0.5, "max_age": 25}, {"length": 2}, {"tolerance": 0.0}],
    "liquidity_sweeps": [{"length": 1}, {"length": 3, "max_age": 20}],
    "liquidity_swings": [{"length": 2}, {"length": 1, "max_age": 5}],
    "premium_discount": [{"length": 3}, {"length": 1, "equilibrium": 0.4, "max_age": 10}],
    "retracements": [{"length": 3}, {"length": 1, "max_age": 12}],
    "period_levels": [{}, {"period": "week"}, {"period": "tokyo"}, {"period": "month"}],
    "sessions": [{}, {"session": "london", "shift": -3}],
    "kill_zones": [{}, {"zone": "asian_kill_zone", "shift": 5}],
    "breakout_structures": [
        {"period": 4, "width": 3.0, "volume": 1.0, "max_age": 8}, {"period": 2, "volume": 0.0}
    ],
    "higher_timeframe_trend": [
        {"timeframe": "4h", "length": 1, "max_age": 10}, {"timeframe": "1d", "length": 1}
    ],
}  # fmt: skip
WORLDS = 200
TIMEFRAMES = ("1h", "15m", "4h", "30m")


def ragged(seed: int, bars: int = 110) -> Candles:
    """Return bars on a coarse grid: ties, flat ones, outside ones, silence, holes."""
    rng = np.random.default_rng([seed, 77])
    grid = rng.choice([0.25, 0.5, 1.0])
    step = {"1h": 60, "15m": 15, "4h": 240, "30m": 30}[TIMEFRAMES[seed % 4]] * 60_000
    gone = rng.random(2 * bars) < rng.choice([0.0, 0.05, 0.3])
    ts = (1_700_000_000_000 // step + np.flatnonzero(~gone)[:bars]) * step
    close = 60.0 + grid * np.cumsum(rng.integers(-3, 4, len(ts)))
    close = np.maximum(close, 5.0)
    open_ = np.where(rng.random(len(ts)) < 0.8, np.r_[60.0, close[:-1]], close)
    high = np.maximum(open_, close) + grid * rng.integers(0, 3, len(ts))
    low = np.minimum(open_, close) - grid * rng.integers(0, 3, len(ts))
    volume = np.where(rng.random(len(ts)) < 0.2, 0.0, rng.integers(1, 9, len(ts)).astype(float))
    return Candles(ts, open_, high, low, close, volume, "BTC/USDT", TIMEFRAMES[seed % 4])


def rows_of(events):
    names = [kind.name for kind in events.kinds]
    figures = [getattr(events, name).tolist() for name in FIGURES]
    return sorted(
        zip(
            events.known_bar.tolist(), events.at_bar.tolist(), [names[k] for k in events.kind],
            events.direction.tolist(), *figures, strict=True,
        ),
        key=lambda row: row[:6],
    )  # fmt: skip


def same(found, wanted):
    assert [row[:6] for row in found] == [row[:6] for row in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one[6:], np.array(other[6:], float), rtol=1e-9, atol=1e-12)


def test_every_structure_has_an_oracle():
    assert set(STRUCTURES) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_its_definition_says(name):
    told: set[str] = set()
    for seed in range(WORLDS):
        candles = ragged(seed)
        given = CASES[name][seed % len(CASES[name])]
        events = features.get(name).of(candles, **given)
        known = events.known_bar
        assert (np.diff(known) >= 0).all()
        assert (events.at_bar <= known).all()
        if name == "higher_timeframe_trend" and not candles.timeframe.divides(Timeframe(given["timeframe"])):
            assert not len(events)
            continue
        found = rows_of(events)
        told.update(row[2] for row in found)
        try:
            same(found, sorted(getattr(oracles, name)(candles, **given), key=lambda row: row[:6]))
        except AssertionError as error:
            raise AssertionError(f"{name} {given} in world {seed}: {error}") from error
    assert told == {kind.name for kind in features.get(name).kinds}, "what never happens is not tested"


OFF_BY_ONE = {
    "swing_points": {"length": 3}, "market_structure": {"internal": 2, "external": 4, "max_age": 30},
    "fair_value_gaps": {"max_age": 8}, "order_blocks": {"length": 2, "max_age": 20},
    "liquidity_pools": {"length": 1, "max_age": 25}, "breakout_structures": {"period": 4, "volume": 0.0},
}  # fmt: skip


@pytest.mark.parametrize("name", OFF_BY_ONE)
def test_a_definition_that_is_off_by_one_bar_is_told_apart(name):
    """What shows that the comparison can fail: each whole number one too large, in the oracle only."""
    for parameter, value in OFF_BY_ONE[name].items():
        if parameter == "volume":
            continue
        wrong = {**OFF_BY_ONE[name], parameter: value + 1}
        worlds = [ragged(seed) for seed in range(12)]
        found = [rows_of(features.get(name).of(candles, **OFF_BY_ONE[name])) for candles in worlds]
        wanted = [
            sorted(getattr(oracles, name)(candles, **wrong), key=lambda row: row[:6]) for candles in worlds
        ]
        with pytest.raises(AssertionError):
            same([row for rows in found for row in rows], [row for rows in wanted for row in rows])


def test_the_rows_of_the_period_before():
    indicator = features.get("previous_high_low")
    for seed in range(24):
        candles = ragged(seed)
        period = ("day", "week", "month", "tokyo", "new_york")[seed % 5]
        found = list(zip(*indicator.of(candles, period=period).values(), strict=True))
        np.testing.assert_array_equal(found, oracles.previous_high_low(candles, period))


def test_the_rows_of_the_range():
    for seed in range(24):
        candles = ragged(seed)
        ends = oracles.legs(candles, 2, 40)
        rows = features.get("dealing_range").of(candles, length=2, max_age=40)
        leg = features.get("leg_retracement").of(candles, length=2, max_age=40)
        for t in range(len(candles)):
            found = oracles.span(candles, t, ends, 2, 40)
            if found is None:
                assert np.isnan(rows["range_high"][t])
                assert np.isnan(leg["leg_direction"][t])
                continue
            top, bottom, way, _, back = found
            assert (rows["range_high"][t], rows["range_low"][t]) == (top, bottom)
            assert leg["leg_direction"][t] == way
            gone = (top - back if way > 0 else back - bottom) / (top - bottom)
            assert leg["retraced"][t] == pytest.approx(gone)


def _life(events, id_):
    return [events.kinds[k].role for k in events.kind[events.id == id_]]


@pytest.mark.parametrize("name", [n for n in CASES if n not in {"swing_points", "market_structure"}])
def test_a_life_begins_once_and_ends_at_most_once(name):
    events = features.get(name).of(ragged(4, 400), **CASES[name][0])
    roles = [kind.role for kind in events.kinds]
    if "born" not in roles:
        return
    for id_ in np.unique(events.id):
        life = _life(events, id_)
        assert life[0] == "born"
        assert life.count("born") == 1
        assert life.count("end") <= 1
        assert "end" not in life[:-1]
