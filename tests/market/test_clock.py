"""The exchange's clock, whatever ours does: skew, jumps and drift, on both sides."""

from __future__ import annotations

import pytest

from cryptai import seams
from cryptai.market.clock import ExchangeClock

TRUE = 1_700_000_000_000


class World:
    """True time, our wrong clock, and a venue that may be wrong, too."""

    def __init__(self):
        self.seconds = 1_000.0
        self.skew_ms = 0
        self.venue_ms = 0

    @property
    def there(self):
        return TRUE + int(self.seconds * 1000) + self.venue_ms

    def hear(self, clock, *, way_s=0.05, cut_ms=1):
        sent = self.seconds
        self.seconds += way_s
        told = self.there // cut_ms * cut_ms
        self.seconds += way_s
        clock.hear(told, sent, self.seconds, resolution_ms=cut_ms)


@pytest.fixture
def world():
    world = World()
    with seams.replaced(
        now_ns=lambda: (TRUE + int(world.seconds * 1000) + world.skew_ms) * 1_000_000,
        monotonic=lambda: world.seconds,
    ):
        yield world


def test_until_the_venue_is_heard_it_is_our_time(world):
    clock = ExchangeClock()
    assert not clock.heard
    assert clock.now_ms() == world.there


@pytest.mark.parametrize("skew_ms", [-600_000, 600_000, 3_600_000, -86_400_000])
def test_a_wrong_clock_of_ours_makes_no_difference(world, skew_ms):
    world.skew_ms = skew_ms
    clock = ExchangeClock()
    world.hear(clock)
    assert abs(clock.now_ms() - world.there) <= 100
    world.skew_ms = -skew_ms  # set anew while we run
    assert abs(clock.now_ms() - world.there) <= 100


def test_dates_cut_to_seconds_are_narrowed_by_many_answers(world):
    clock = ExchangeClock()
    for _ in range(50):
        world.seconds += 0.137
        world.hear(clock, way_s=0.02, cut_ms=1000)
    assert abs(clock.now_ms() - world.there) <= 150
    assert clock.earliest_ms(world.seconds) <= world.there <= clock.latest_ms(world.seconds)


def test_the_truth_stays_within_the_bounds_while_a_clock_drifts(world):
    clock = ExchangeClock()
    for hour in range(24):
        world.venue_ms = int(hour * 3600 * 0.5)  # 500 parts in a million
        world.hear(clock, cut_ms=1000)
        assert clock.earliest_ms(world.seconds) <= world.there <= clock.latest_ms(world.seconds)
        world.seconds += 3600 - 0.1


def test_a_clock_that_steps_back_is_believed_at_once(world):
    clock = ExchangeClock()
    world.hear(clock)
    world.venue_ms = -600_000
    world.hear(clock)
    assert abs(clock.now_ms() - world.there) <= 100


def test_a_clock_that_springs_forward_is_believed_when_it_stays_there(world):
    clock = ExchangeClock()
    world.skew_ms = -5_000_000
    world.hear(clock)
    world.venue_ms = 600_000
    for _ in range(5):
        world.hear(clock)
        world.seconds += 10
        assert clock.latest_ms(world.seconds) < world.there - 590_000
    world.seconds += 20
    world.hear(clock)
    assert abs(clock.now_ms() - world.there) <= 100


def test_a_single_answer_from_the_future_is_forgotten(world):
    clock = ExchangeClock()
    world.hear(clock)
    world.venue_ms = 86_400_000
    world.hear(clock)
    world.venue_ms = 0
    world.seconds += 3_600
    world.hear(clock)
    assert abs(clock.now_ms() - world.there) <= 100


def test_after_this_machine_slept_the_venue_is_believed_at_once(world):
    clock = ExchangeClock()
    world.hear(clock)
    world.venue_ms = world.skew_ms = 3_600_000  # the monotonic clock stood still meanwhile
    world.hear(clock)
    assert abs(clock.now_ms() - world.there) <= 100
