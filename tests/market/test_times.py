"""Times as people write them: every spelling of one instant is that instant, to the millisecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.errors import InputError
from cryptai.market.timeframe import LATEST_MS
from cryptai.market.times import iso, parse_time

NOON = 1_609_502_400_000


@pytest.mark.parametrize(
    "text",
    [
        "2021-01-01T12:00", "2021-01-01 12:00:00", "20210101T1200", " 2021-01-01T12:00Z ",
        "2021-01-01T14:00+02:00", "2020-12-31T22:00-14:00",
    ],
)  # fmt: skip
def test_one_instant_has_many_spellings(text: str) -> None:
    assert parse_time(text) == NOON


def test_a_day_is_its_first_instant_in_utc() -> None:
    assert parse_time("2021-01-01") == parse_time("20210101") == NOON - 12 * 3_600_000


def test_a_leap_day_is_a_day_only_in_a_leap_year() -> None:
    assert parse_time("2024-03-01") - parse_time("2024-02-29") == 86_400_000
    with pytest.raises(InputError, match="not a time"):
        parse_time("2023-02-29")


@given(st.integers(0, LATEST_MS - 1))
def test_what_is_written_reads_back_to_the_millisecond(ms: int) -> None:
    assert parse_time(iso(ms)) == ms


@pytest.mark.parametrize("text", ["", "yesterday", "1609459200", "2021-13-01", "2021-01-01T25:00", "NaN"])
def test_what_is_no_time_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(InputError, match="write it like 2021-01-01") as told:
        parse_time(text, field="from")
    assert told.value.field == "from"


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00+14:00", "1969-12-31T23:59", "1970-01-01T00:00+00:01", "2200-01-01", "9999-12-31"],
)
def test_an_absurd_year_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="outside the years 1970 to 2200"):
        parse_time(text)
