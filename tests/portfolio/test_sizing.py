"""How much: what the position costs, and what it may lose."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.portfolio.rules import Rules
from cryptai.portfolio.sizing import quantity

PART = st.floats(0.001, 1.0)


@given(st.floats(1e-3, 1e9), st.floats(1e-8, 1e7), st.floats(0.0, 0.5), PART)
def test_price_and_fee_together_cost_the_share(equity: float, price: float, fee: float, size: float) -> None:
    amount = quantity(equity, price, fee, Rules(size=size))
    assert amount * price * (1 + fee) == pytest.approx(equity * size, rel=1e-12)


@given(st.floats(1e-3, 1e9), st.floats(1e-8, 1e7), st.floats(0.001, 0.999), st.floats(0.001, 0.999), PART)
def test_the_stop_loses_no_more_than_the_risk(
    equity: float, price: float, stop: float, risk: float, size: float
) -> None:
    amount = quantity(equity, price, 0.001, Rules(stop=stop, size=size, risk=risk))
    assert amount * price * stop <= equity * risk * (1 + 1e-12)
    assert amount <= quantity(equity, price, 0.001, Rules(size=size))


@pytest.mark.parametrize("equity", [0.0, -1.0, math.nan])
def test_without_equity_nothing_is_bought(equity: float) -> None:
    assert quantity(equity, 100.0, 0.001, Rules()) == 0.0
