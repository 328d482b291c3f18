"""The beds: what they prove holds at a short volume. What bugs they catch: `test_planted_bugs.py`."""

from __future__ import annotations

import logging

import pytest
from testbeds.beds import BEDS


@pytest.fixture(autouse=True)
def _quiet():
    # Faults are what is expected here: warnings of the product would fill the report.
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", BEDS)
def test_what_the_bed_proves_holds(name):
    if why := BEDS[name].lacks():
        pytest.skip(f"the bed {name!r} cannot run here: {why}")
    figures = BEDS[name].run(1, "test")
    assert figures["fell_short"] == [], figures
