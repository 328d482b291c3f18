"""Silence: noticed after its time and not before, however much was heard, and never of one who is deaf."""

from __future__ import annotations

import asyncio

import pytest
from testbeds.simulated import simulate

from cryptai.market.silence import Pace, Silence


def _after(steps, seconds=30.0, pace=None):
    """Return when the block was ended from without, in simulated seconds; None if it was not."""

    async def run(_clock):
        loop = asyncio.get_running_loop()
        try:
            async with Silence(seconds, pace) as silence:
                for wait, what in steps:
                    await asyncio.sleep(wait)
                    getattr(silence, what)()
        except TimeoutError:
            return loop.time()
        return None

    return simulate(run, 0)


def test_nothing_heard_ends_the_block_after_its_time():
    assert _after([(1000.0, "heard")]) == pytest.approx(30.0)


def test_time_begins_anew_with_what_was_heard():
    assert _after([(20.0, "heard"), (29.0, "heard"), (7.5, "heard"), (31.0, "heard")]) == pytest.approx(86.5)


def test_one_who_hears_often_enough_is_left_alone():
    assert _after([(29.9, "heard")] * 50) is None


def test_one_who_does_not_listen_misses_nothing():
    assert _after([(1.0, "deaf"), (500.0, "heard"), (29.0, "heard")]) is None
    assert _after([(1.0, "deaf"), (500.0, "heard"), (40.0, "heard")]) == pytest.approx(531.0)


def test_another_error_goes_through():
    async def run(_clock):
        async with Silence(30.0):
            await asyncio.sleep(1.0)
            raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        simulate(run, 0)


def _noticed_after(gaps, pace):
    """Return after how long silence was noticed that follows things heard at these gaps."""
    return _after([(gap, "heard") for gap in gaps] + [(1000.0, "heard")], pace=pace) - sum(gaps)


def test_a_stream_that_spoke_each_second_is_missed_after_fifteen():
    assert _noticed_after([1.0] * 70, Pace()) == pytest.approx(15.0)
    assert _noticed_after([1.0] * 70, None) == pytest.approx(30.0)


def test_a_slower_one_after_twice_its_longest_gap_and_never_later_than_said():
    assert _noticed_after([3.0] * 40 + [9.0, 1.0], Pace()) == pytest.approx(18.0)
    assert _noticed_after([20.0] * 10, Pace()) == pytest.approx(30.0)


def test_a_pace_must_be_known_before_it_counts():
    assert _noticed_after([1.0] * 20, Pace()) == pytest.approx(30.0)


def test_a_pace_is_remembered_by_the_next_connection_and_connecting_is_no_gap():
    pace = Pace()
    assert _noticed_after([25.0] + [1.0] * 70, pace) == pytest.approx(15.0)
    assert pace.longest_s == pytest.approx(1.0)
    assert _noticed_after([25.0, 1.0, 1.0], pace) == pytest.approx(15.0)


def test_time_in_which_nobody_listened_is_no_gap():
    pace = Pace()
    assert _after([(1.0, "heard"), (1.0, "deaf"), (500.0, "heard"), (1.0, "heard")], pace=pace) is None
    assert pace.longest_s == pytest.approx(1.0)
