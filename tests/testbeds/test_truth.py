"""B1 at the suite's volume: a simulated day of five symbols, three seeds, faults of all sixteen kinds."""

from __future__ import annotations

import logging

import pytest
from testbeds.beds import BEDS
from testbeds.faults import KINDS, draw

SEEDS = (1, 2, 3)


@pytest.fixture(autouse=True)
def _quiet():
    # Faults are what is expected here: warnings of the product would fill the report.
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def _holds(seed):
    figures = BEDS["truth"].run(seed, "suite")
    assert figures["fell_short"] == [], figures
    # A run in which the feed was hardly ever live would prove little.
    assert figures["live_share"] > 0.5, figures
    assert figures["minutes"] == 1440


# A class each, so that they run side by side where tests do.
class TestSeed1:
    def test_the_store_is_the_truth_after_a_day_of_faults(self):
        _holds(SEEDS[0])


class TestSeed2:
    def test_the_store_is_the_truth_after_a_day_of_faults(self):
        _holds(SEEDS[1])


class TestSeed3:
    def test_the_store_is_the_truth_after_a_day_of_faults(self):
        _holds(SEEDS[2])


def test_the_three_days_draw_every_kind_of_fault():
    assert {kind for seed in SEEDS for kind, rate in draw(seed).rates.items() if rate > 0} == KINDS.keys()
