"""Portions hold every set once, and what they compare reaches the kernel as it was told."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.features.shared import Shared, line
from cryptai.strategies.buy_and_hold import BuyAndHold
from cryptai.strategies.ema_trend import EmaTrend
from cryptai.strategies.rsi_reversal import RsiReversal
from cryptai.strategies.strategy import build
from cryptai.trading.portions import encoded, numbered, portions, with_any

GRIDS = {
    "grid": [build(EmaTrend, {"fast": f, "slow": s}) for f in range(5, 25) for s in range(30, 130, 2)],
    "drawn": [
        build(RsiReversal, {"period": int(p), "low": float(low), "high": float(high)})
        for p, low, high in np.random.default_rng(3).uniform((2, 5, 55), (50, 45, 95), (500, 3))
    ],
    "no parameter": [BuyAndHold()] * 40,
    "one": [EmaTrend()],
    "none": [],
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("most", "threads"), [(1, 1), (167, 1), (167, 2), (30, 8)])
def test_every_set_is_in_one_portion_of_at_most_so_many(name, most, threads):
    made = GRIDS[name]
    found = list(portions(made, 41, most, threads))
    assert sorted(at for some in found for at in some) == list(range(len(made)))
    assert all(0 < len(some) <= most for some in found)


def test_a_portion_of_a_grid_has_few_lines_for_its_sets():
    made = GRIDS["grid"]
    for some in portions(made, 41, 100, 1):
        lines = {made[at].fast for at in some} | {made[at].slow for at in some}
        assert len(lines) <= 20 + 2
    # The fast ones stay, so that no more are ever needed than the blocks hold together.
    assert len(list(portions(made, 41, 100, 1))) <= 15


def test_the_last_portions_are_smaller_where_threads_would_wait():
    sizes = [len(some) for some in portions(GRIDS["grid"], 41, 167, 2)]
    assert sizes[0] > 100
    assert max(sizes[-2:]) <= 16


def told():
    close, high, middle = line("close"), line("high").before(), line("sma", period=5)
    first = Shared((close.above(middle), close.above(high)), (close.crosses_below(middle),))
    second = Shared(short=(middle.below(50.0),), exit_short=(middle.above(50.0), close.below(high)))
    return [first, second]


def test_what_sets_tell_is_told_in_numbers():
    shared = told()
    found = numbered(shared)
    assert len(found.lines) == len(set(found.lines)) == 4
    for one, bounds in zip(shared, found.bounds.tolist(), strict=True):
        for number, terms in enumerate(one):
            places = range(bounds[number], bounds[number + 1])
            assert [
                (found.lines[found.a[at]], found.lines[found.b[at]], found.how[at]) for at in places
            ] == list(terms)


def test_the_sets_with_one_of_some_lines_are_found():
    found = numbered(told())
    for one, sets in ((line("close"), [True, True]), (line("sma", period=5).above(50.0).b, [False, True])):
        assert with_any(found, np.array([other == one for other in found.lines])).tolist() == sets


def test_the_kernel_is_given_each_pair_once_and_every_term():
    shared = told()
    found = numbered(shared)
    slots, first = np.array([7, 2, 9, 4]), np.array([0, 4, 1, 30])
    pairs, terms = (some.tolist() for some in encoded(found, slots, first))
    rows = [tuple(pairs[at : at + 3]) for at in range(0, len(pairs), 3)]
    assert len(rows) == len(set(rows)) == 3
    where = dict(zip(found.lines, zip(slots.tolist(), first.tolist(), strict=True), strict=True))
    for number, one in enumerate(shared):
        for condition, wanted in enumerate(one):
            begin, end = terms[5 * number + condition : 5 * number + condition + 2]
            said = [(rows[terms[at]], terms[at + 1]) for at in range(begin, end, 2)]
            assert said == [
                ((where[a][0], where[b][0], max(where[a][1], where[b][1])), how) for a, b, how in wanted
            ]
