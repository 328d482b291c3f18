"""The simulated world: a seed and a commit are enough to repeat a run, on a busy machine too."""

from __future__ import annotations

import itertools
import logging

import pytest
from testbeds.follow import Volume, follow


@pytest.fixture(autouse=True)
def _quiet():
    # Faults are what is expected here: warnings of the product would fill the report.
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def test_a_seed_gives_the_same_run_however_long_it_takes(monkeypatch):
    volume = Volume(2, ("1m",), minutes=15, history=60)
    first = follow(4, volume)
    assert first.requests > 30
    assert first.faults
    hours = itertools.count(1e6, 7.0)
    monkeypatch.setattr("time.monotonic", lambda: next(hours))
    assert follow(4, volume) == first
