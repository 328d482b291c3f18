"""A bed that cannot fail proves nothing: each catches the bugs planted for it.

In a file of its own, so that two workers share the beds.
"""

from __future__ import annotations

import logging

import pytest
from testbeds.beds import BEDS

from testbeds import planted


@pytest.fixture(autouse=True)
def _quiet():
    # Faults are what is expected here: warnings of the product would fill the report.
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(("name", "bug"), [(name, bug) for name, bed in BEDS.items() for bug in bed.catches])
def test_the_bed_catches_a_planted_bug(name, bug):
    if why := BEDS[name].lacks():
        pytest.skip(f"the bed {name!r} cannot run here: {why}")
    if with_bug := BEDS[name].with_bug:
        figures = with_bug(1, bug)
    else:
        with planted.bug(bug):
            figures = BEDS[name].run(1, "test")
    assert figures["fell_short"], figures


def test_every_planted_bug_is_some_beds_to_catch():
    assert {bug for bed in BEDS.values() for bug in bed.catches} == planted.BUGS.keys()
