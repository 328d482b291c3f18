"""What came of a setup: by tables, and by a slow second opinion on random walks."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.screening.outcomes import HORIZON, OUTCOMES, outcomes
from cryptai.screening.setups import setups
from cryptai.trading.costs import Costs

from .made import Scripted, bars, walk

FREE = Costs(0.0, 0.0)
FLAT = (100.0, 100.0, 100.0, 100.0)
QUIET = (100.0, 101.0, 99.0, 100.0)

TABLE = {
    "nothing yet: open": ((QUIET,), 1, "open", -1, None),
    "the high reaches the target": (((100, 116, 99, 110),), 1, "target", 2, 115.0),
    "the low reaches the stop": (((100, 101, 91, 95),), 1, "stop", 2, 92.0),
    "a touch is enough for the stop": (((100, 101, 92, 95),), 1, "stop", 2, 92.0),
    "a touch is enough for the target": (((100, 115, 99, 101),), 1, "target", 2, 115.0),
    "both in one bar: the stop": (((100, 116, 91, 100),), 1, "stop", 2, 92.0),
    "a gap through the stop fills at the open": ((QUIET, (80, 81, 79, 80)), 1, "stop", 3, 80.0),
    "a gap through the target fills at the open": ((QUIET, (120, 121, 119, 120)), 1, "target", 3, 120.0),
    "an open beyond the zone is missed": (((103, 120, 102, 110),), 1, "missed", 2, None),
    "an open below the zone is missed too": (((97, 120, 96, 110),), 1, "missed", 2, None),
    "a short's target is below": (((100, 101, 84, 90),), -1, "target", 2, 85.0),
    "a short's stop is above": (((100, 109, 99, 101),), -1, "stop", 2, 108.0),
    "it expires at the last close of the horizon": (
        (*(QUIET for _ in range(HORIZON - 1)), (100, 101, 99, 100.5)), 1, "expired", HORIZON + 1, 100.5,
    ),
    "one bar sooner it is open": (tuple(QUIET for _ in range(HORIZON - 1)), 1, "open", -1, None),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_each_case_ends_as_it_must(case):
    later, side, outcome, row, price = TABLE[case]
    candles = bars(FLAT, FLAT, *later)
    found = setups(Scripted((1,), side), candles)
    came = outcomes(found, candles, FREE)
    assert OUTCOMES[came.outcome[0]] == outcome
    assert came.row[0] == row
    assert price is None or came.price[0] == pytest.approx(price)
    assert np.isnan(came.price[0]) == (price is None)


def test_costs_are_paid_on_both_sides_and_a_target_has_no_slippage():
    candles = bars(FLAT, FLAT, (100, 116, 99, 110))
    came = outcomes(setups(Scripted((1,)), candles), candles, Costs(0.001, 0.01))
    fill = 100 * 1.01
    assert came.fill[0] == pytest.approx(fill)
    assert came.net[0] == pytest.approx(115 / fill - 1 - 0.001 * (1 + 115 / fill))
    assert came.r[0] == pytest.approx(came.net[0] * fill / 8.0)


def test_excursions_count_the_bars_before_the_last_and_the_price_it_ended_at():
    candles = bars(FLAT, FLAT, (100, 104, 96, 100), (100, 130, 95, 120))
    came = outcomes(setups(Scripted((1,)), candles), candles, FREE)
    assert came.mae[0] == pytest.approx(4 / 8)
    assert came.mfe[0] == pytest.approx(15 / 8)


def slow(candles, row, side, entry, low, high, stop, target, costs):
    """Return outcome, row and price by plain steps."""
    if row + 1 >= len(candles):
        return "open", -1, np.nan
    if not low <= candles.open[row + 1] <= high:
        return "missed", row + 1, np.nan
    for t in range(row + 1, min(row + 1 + HORIZON, len(candles))):
        o, h, lo = candles.open[t], candles.high[t], candles.low[t]
        if (lo <= stop) if side > 0 else (h >= stop):
            at = (min(o, stop) if side > 0 else max(o, stop)) * (1 - side * costs.slippage)
            return "stop", t, at
        if (h >= target) if side > 0 else (lo <= target):
            return "target", t, max(o, target) if side > 0 else min(o, target)
        if t == row + HORIZON:
            return "expired", t, candles.close[t] * (1 - side * costs.slippage)
    return "open", -1, np.nan


@pytest.mark.parametrize("seed", range(8))
def test_a_slow_second_opinion_agrees(seed):
    candles, random = walk(seed, 900), np.random.default_rng(seed)
    side = 1 if seed % 2 else -1
    rows = tuple(sorted(random.choice(np.arange(2, 900, 2), 150, replace=False).tolist()))
    found = setups(Scripted(rows, side), candles)
    assert found.row.tolist() == list(rows)
    costs = Costs(0.001, 0.0005)
    came = outcomes(found, candles, costs)
    for i in range(len(rows)):
        levels = (found.entry[i], found.low[i], found.high[i], found.stop[i], found.target[i])
        name, row, price = slow(candles, int(found.row[i]), side, *levels, costs)
        assert (OUTCOMES[came.outcome[i]], came.row[i]) == (name, row)
        assert came.price[i] == pytest.approx(price, nan_ok=True)
    assert len(set(came.outcome.tolist())) >= 3


def test_it_is_known_of_the_past_whatever_comes_later():
    candles = walk(3, 900)
    whole = outcomes(setups(Scripted(tuple(range(2, 700, 4))), candles), candles)
    cut = candles[:500]
    then = outcomes(setups(Scripted(tuple(range(2, 700, 4))), cut), cut)
    for i, row in enumerate(then.row):
        if row >= 0:
            assert (then.outcome[i], then.price[i], then.r[i]) == (
                whole.outcome[i], whole.price[i], whole.r[i],
            ) or np.isnan(then.price[i])  # fmt: skip


def test_levels_that_make_no_bracket_are_no_setup():
    candles = bars(FLAT, FLAT, FLAT)
    assert len(setups(Scripted((1,), levels=(101.0, 115.0)), candles).row) == 0
    assert len(setups(Scripted((1,), levels=(92.0, 99.0)), candles).row) == 0
    assert len(setups(Scripted((1,), levels=(92.0, 111.0)), candles).row) == 0  # 1.375 for 1
    assert len(setups(Scripted((1,), levels=(92.0, 112.0)), candles).row) == 1


def test_the_zone_ends_where_the_reward_is_no_longer_worth_the_risk():
    candles = bars(FLAT, FLAT, FLAT)
    found = setups(Scripted((1,)), candles)
    at = found.high[0]
    assert (115 - at) / (at - 92) == pytest.approx(1.5)


def test_the_first_bar_and_a_row_that_repeats_are_none():
    candles = bars(FLAT, FLAT, FLAT, FLAT)
    assert setups(Scripted((0, 1)), candles).row.tolist() == []
    assert setups(Scripted((1, 2)), candles).row.tolist() == [1]
