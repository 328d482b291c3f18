"""Every scenario by the reference; by the engine in `test_engine.py`."""

from __future__ import annotations

import pytest

from tests.trading import reference

from .case import cases, differences


@pytest.mark.parametrize("case", cases(), ids=str)
def test_the_reference_gives_the_trades_of_the_table(case):
    assert differences(case, reference.run(case.markets, case.setup)) == []
