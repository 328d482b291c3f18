"""How much: what the position costs, and what it may lose."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.portfolio.rules import Rules
from cryptai.portfolio.sizing import kelly_fraction, quantity, round_down, round_up

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


@pytest.mark.parametrize(
    ("wins", "losses", "won", "lost", "fraction"),
    [
        (18, 12, 36.0, 12.0, 0.6 - 0.4 / 2.0),  # wins of 2, losses of 1
        (10, 20, 10.0, 20.0, 1 / 3 - 2 / 3),
        (30, 0, 30.0, 0.0, 1.0),
        (0, 30, 0.0, 30.0, 0.0),
    ],
)
def test_kelly_stakes_what_its_formula_says(
    wins: int, losses: int, won: float, lost: float, fraction: float
) -> None:
    assert kelly_fraction(wins, losses, 30, won, lost) == pytest.approx(fraction)


def test_kelly_says_nothing_of_fewer_than_thirty_trades() -> None:
    assert math.isnan(kelly_fraction(20, 9, 29, 20.0, 9.0))


def test_rounding_keeps_what_is_a_multiple_but_for_the_last_bit() -> None:
    assert round_down(0.3, 0.1) == pytest.approx(0.3)  # 0.3 / 0.1 is 2.9999999999999996
    assert round_up(0.1 * 3, 0.1) == pytest.approx(0.3)  # 0.1 * 3 is 0.30000000000000004
    assert (round_down(17.9, 0.5), round_up(17.6, 0.5)) == (17.5, 18.0)
    assert (round_down(1.23, 0.0), round_up(1.23, math.nan)) == (1.23, 1.23)
    assert math.isnan(round_down(math.nan, 0.5))
