"""The interval holds every order of events, and is not wider than they are."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.trading.undecided import BEST, Ending, interval


class World:
    """A tree of readings: each reading leads to another number of further ones, and to another end."""

    def __init__(self, seed, depth):
        self.seed, self.depth, self.runs = seed, depth, 0

    def __call__(self, readings):
        self.runs += 1
        path = []
        while len(path) < self.depth and self.asks(path):
            path.append(readings >> len(path) & 1)
        return Ending(self.end(path), len(path), 1.0)

    def asks(self, path):
        return len(path) < 2 or np.random.default_rng([self.seed, *path, 7]).random() < 0.8

    def end(self, path):
        return float(np.random.default_rng([self.seed, len(path), *path]).normal(100, 20))

    def leaves(self, path=()):
        if len(path) < self.depth and self.asks(path):
            return self.leaves((*path, 0)) + self.leaves((*path, 1))
        return [self.end(path)]


@pytest.mark.parametrize("seed", range(40))
def test_every_path_of_diverging_readings_is_run_once_and_bounds_are_exact(seed):
    world = World(seed, 5)
    found = interval(world, world(0), trades=10, marked=4, rejoins=False)
    leaves = world.leaves()
    assert (found.worst, found.best, found.exact) == (min(leaves), max(leaves), True)
    # Each leaf once, and the best reading of all at the beginning.
    assert len(leaves) <= found.orders <= len(leaves) + 1
    assert world.runs == found.orders
    assert found.share == 0.4


def test_more_paths_than_may_be_run_are_said_not_to_be_exact():
    world = World(3, 12)
    leaves = world.leaves()
    found = interval(world, world(0), trades=10, marked=4, rejoins=False, most=30)
    assert len(leaves) > 100
    assert (found.exact, found.orders, world.runs) == (False, 30, 30)
    assert min(leaves) <= found.worst <= found.best <= max(leaves)
    assert interval(world, world(0), trades=1, marked=1, rejoins=False, most=10_000).worst == min(leaves)


def test_nothing_open_is_free():
    def never(readings):
        raise AssertionError(readings)

    found = interval(never, Ending(90.0, 0, 80.0), trades=5, marked=0, rejoins=False)
    assert (found.worst, found.best, found.exact, found.share) == (90.0, 90.0, True, 0.0)


def test_outcomes_that_rejoin_need_one_run_more():
    asked = []

    def run(readings):
        asked.append(readings)
        return Ending(130.0, 40, 70.0)

    found = interval(run, Ending(90.0, 40, 60.0), trades=80, marked=40, rejoins=True)
    assert (asked, found.worst, found.best, found.exact) == ([BEST], 90.0, 130.0, True)
