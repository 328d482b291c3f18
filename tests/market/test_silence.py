"""Silence: noticed after its time and not before, however much was heard, and never of one who is deaf."""

from __future__ import annotations

import asyncio

import pytest
from testbeds.simulated import simulate

from cryptai.market.silence import Silence


def _after(steps, seconds=30.0):
    """Return when the block was ended from without, in simulated seconds; None if it was not."""

    async def run(_clock):
        loop = asyncio.get_running_loop()
        try:
            async with Silence(seconds) as silence:
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
