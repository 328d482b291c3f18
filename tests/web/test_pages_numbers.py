"""Numbers, times and ages are written as a trader reads them, whatever the value."""

from __future__ import annotations

import doctest
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.web.pages import numbers
from cryptai.web.pages.templatetags import figures

THIN = numbers.THIN
MINUS = numbers.MINUS
NOTHING = (None, math.nan, math.inf, -math.inf, "", "abc", True, object())


def test_the_examples_in_the_docstrings_hold() -> None:
    failed, tried = doctest.testmod(numbers)
    assert tried == 4
    assert failed == 0


@pytest.mark.parametrize("value", NOTHING)
def test_what_is_no_number_is_a_dash_everywhere(value: Any) -> None:
    for text in (
        numbers.fixed_text(value),
        numbers.price_text(value),
        numbers.price_text(value, 4),
        numbers.percent_text(value),
        numbers.amount_text(value),
        numbers.when_text(value),
        numbers.age_text(value),
        figures.change(value),
        figures.signed(value),
    ):
        assert text == "–"
    assert figures.direction(value) == "flat"


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.00000001, None, "0.00000001"),
        (0.00000001, 8, "0.00000001"),
        (1e9, 2, f"1{THIN}000{THIN}000{THIN}000.00"),
        (42283.58, None, f"42{THIN}283.58"),
        (0.6156, 4, "0.6156"),
        (0, None, "0.00"),
        (-5, 1, f"{MINUS}5.0"),
    ],
)
def test_a_price_keeps_its_precision(value: float, decimals: int | None, text: str) -> None:
    assert numbers.price_text(value, decimals) == text


@pytest.mark.parametrize(
    ("fraction", "text", "direction"),
    [
        (-1.0, f"{MINUS}100.00{THIN}%", "down"),
        (0.0034, f"+0.34{THIN}%", "up"),
        (0.0, f"0.00{THIN}%", "flat"),
        (-0.000001, f"0.00{THIN}%", "down"),
        (78_217_930.0, f"+7{THIN}821{THIN}793{THIN}000.00{THIN}%", "up"),
    ],
)
def test_a_change_always_shows_its_sign_and_a_rounded_zero_has_none(
    fraction: float, text: str, direction: str
) -> None:
    assert figures.change(fraction) == text
    assert figures.direction(fraction) == direction


@pytest.mark.parametrize(
    ("prices", "decimals"),
    [
        ([42283.58, 42000.0], 2),
        ([0.00000001], 8),
        ([1.2345, 1.1], 4),
        ([], 2),
        ([math.nan, 5.0], 2),
        ([1 / 3], 9),
    ],
)
def test_the_precision_is_the_fewest_decimals_that_write_all_prices(
    prices: list[float], decimals: int
) -> None:
    assert numbers.decimals_of(prices) == decimals


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (923.44, "923.44"),
        (1710, f"1{THIN}710"),
        (12_070, f"12.07{THIN}K"),
        (1e9, f"1.00{THIN}B"),
        (-2.5e12, f"{MINUS}2.50{THIN}T"),
    ],
)
def test_a_large_amount_is_short(value: float, text: str) -> None:
    assert numbers.amount_text(value) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s"),
        (-5000, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (7_199_000, "119 min"),
        (7_200_000, "2 h"),
        (172_800_000, "2 d"),
        (91_152_000_000, f"1{THIN}055 d"),
    ],
)
def test_an_age_tells_its_one_unit(ms: int, text: str) -> None:
    assert numbers.age_text(ms) == text


def test_a_date_is_written_in_utc_and_one_outside_the_calendar_is_a_dash() -> None:
    assert numbers.when_text(1_795_269_900_000) == "2026-11-21 14:05 UTC"
    assert numbers.short_when_text(1_795_269_900_000) == "2026-11-21 14:05"
    assert numbers.iso_text(1_795_269_900_000) == "2026-11-21T14:05:00Z"
    assert numbers.when_text(1e18) == "–"
    assert numbers.iso_text(None) == ""


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 10))
def test_no_float_is_written_with_an_exponent_or_an_ordinary_hyphen(value: float, decimals: int) -> None:
    for text in (
        numbers.fixed_text(value, decimals),
        numbers.percent_text(value),
        numbers.amount_text(value),
    ):
        assert not set(text) & set("eE-")


def test_the_change_from_nothing_is_nothing() -> None:
    assert figures.change_from(5.0, 0) is None
    assert figures.change_from(5.0, None) is None
    assert figures.change_from(110.0, 100.0) == pytest.approx(0.1)
    assert figures.minus(3, None) is None
    assert figures.of_cost({"entry_price": 0.0, "quantity": 1.0, "pnl": 3.0}) is None


def test_a_bar_stays_inside_its_box_and_is_told_to_those_who_listen() -> None:
    assert 'width="100.0%"' in figures.bar(7.0)
    assert 'width="0.0%"' in figures.bar(None)
    assert 'aria-label="Score 73 of 100"' in figures.bar(0.73, "Score")
    assert 'aria-hidden="true"' in figures.bar(0.5)
