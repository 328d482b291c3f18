"""Every scenario, by the reference and by the engine: the trades, refusals and equity that the table says."""

from __future__ import annotations

import pytest

from tests.trading import asked, reference

from .case import cases, differences

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_reference_does_what_the_table_says(case):
    assert differences(case, reference.run(case.markets, case.setup)) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_engine_does_what_the_table_says(case):
    assert differences(case, asked.ask(case.markets, case.setup)) == []
