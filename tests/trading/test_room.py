"""Lines are computed once while they are held, whoever asks, and nobody waits for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from cryptai.features.shared import Line, line
from cryptai.trading import room
from cryptai.trading.room import Room
from tests.trading.worlds import random_candles

AVERAGES = [line("sma", period=period) for period in range(2, 12)]


@pytest.fixture(scope="module")
def candles():
    return random_candles(np.random.default_rng(5), 500)


@pytest.fixture
def computed(monkeypatch):
    """Return every line that a room computes."""
    found = []
    compute = room.compute
    monkeypatch.setattr(room, "compute", lambda lines, *more: (found.extend(lines), compute(lines, *more))[1])
    return found


def test_a_line_lies_in_its_slot_with_its_first_row(candles):
    held = Room(candles, 3, 1)
    lines = [line("close"), line("sma", period=7)]
    slots = held.hold(lines, wait=True)
    for one, slot in zip(lines, slots.tolist(), strict=True):
        assert np.array_equal(held.rows[slot], one.over(candles), equal_nan=True)
    assert held.first[slots].tolist() == [0, 6]


def test_a_hole_after_the_first_value_is_told():
    held = Room(random_candles(np.random.default_rng(5), 3_000), 2, 1)
    assert held.first[held.hold([line("dealing_range", "equilibrium")], wait=True)].tolist() == [-1]


def test_a_line_that_is_used_no_more_stays_until_its_slot_is_needed(candles, computed):
    held = Room(candles, 3, 1)
    for lines in (AVERAGES[:2], AVERAGES[1:3], AVERAGES[:2], AVERAGES[3:5], AVERAGES[1:2]):
        held.hold(lines, wait=True)
        held.release(lines)
    # The two that had been idle for longest went for the two new ones; the second of the first stayed.
    assert computed == [*AVERAGES[:3], *AVERAGES[3:5]]


def test_lines_that_do_not_fit_beside_those_of_others_are_not_held(candles):
    held = Room(candles, 4, 1)
    held.hold(AVERAGES[:3], wait=False)
    assert held.hold(AVERAGES[2:5], wait=False) is None
    assert held.hold(AVERAGES[2:4], wait=False) is not None
    assert held.hold(AVERAGES[:5], wait=True) is None  # more than there is room for at all


def test_one_of_several_threads_leaves_room_for_the_others(candles):
    held = Room(candles, 4, 3)
    assert held.hold(AVERAGES[:3], wait=False) is None
    assert held.hold(AVERAGES[:2], wait=False) is not None


def test_many_threads_share_a_small_room(candles, computed):
    held, start = Room(candles, 4, 8), Barrier(8)
    wanted = {one: one.over(candles) for one in AVERAGES}

    def work(seed):
        rng = np.random.default_rng(seed)
        start.wait()
        for _ in range(60):
            lines = [AVERAGES[at] for at in rng.choice(len(AVERAGES), 2, replace=False)]
            slots = held.hold(lines, wait=True)
            same = np.array_equal(held.rows[slots], [wanted[one] for one in lines], equal_nan=True)
            held.release(lines)
            if not same:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(computed) > len(AVERAGES)  # some had to go in between


def test_a_closed_room_lets_nobody_wait(candles):
    held = Room(candles, 2, 2)
    held.hold(AVERAGES[:2], wait=True)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(held.hold, AVERAGES[2:4], wait=True)
        assert not waiting.done()
        held.close()
        assert waiting.result() is None


def test_a_line_that_cannot_be_computed_raises_where_it_is_asked_for(candles):
    held = Room(candles, 2, 1)
    with pytest.raises(Exception, match="period"):
        held.hold([Line("sma", "value", (("period", 0),))], wait=True)
