"""When jobs are due: the same moments in every process, whatever the clock said at start."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.web.due import parse_cron, parse_every

MINUTE = 60_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("cron", "now", "last", "coming"),
    [
        ("30 2 * * *", "2026-11-21T02:29:59", "2026-11-20T02:30", "2026-11-21T02:30"),
        ("30 2 * * *", "2026-11-21T02:30", "2026-11-21T02:30", "2026-11-22T02:30"),
        ("0 3 * * 0", "2026-11-21T12:00", "2026-11-15T03:00", "2026-11-22T03:00"),  # a Sunday
        ("0 3 * * 7", "2026-11-21T12:00", "2026-11-15T03:00", "2026-11-22T03:00"),
        ("*/30 * * * *", "2026-12-31T23:45", "2026-12-31T23:30", "2027-01-01T00:00"),
        ("5/20 9-10,22 * * 1-5", "2026-11-21T12:00", "2026-11-20T22:45", "2026-11-23T09:05"),
        ("0 0 29 2 *", "2026-11-21T12:00", "2024-02-29T00:00", "2028-02-29T00:00"),
        ("0 0 29 2 *", "1896-03-01T00:00", "1896-02-29T00:00", "1904-02-29T00:00"),
    ],
)
def test_a_cron_line_means_what_cron_means(cron: str, now: str, last: str, coming: str) -> None:
    due = parse_cron(cron)
    assert (due.last(at(now)), due.next(at(now))) == (at(last), at(coming))


@given(st.integers(0, at("2100-01-01")), st.sampled_from(["*/7 3,5 * * *", "15 * 1-9 */2 *", "0 3 * * 0"]))
def test_between_last_and_next_there_is_no_moment_and_both_are_on_the_line(now: int, cron: str) -> None:
    due = parse_cron(cron)
    last, coming = due.last(max(now, at("1971-01-01"))), due.next(max(now, at("1971-01-01")))
    now = max(now, at("1971-01-01"))
    assert last <= now < coming
    assert due.next(last) == coming
    assert due.last(coming) == coming
    assert due.last(coming - 1) == last


def test_every_half_hour_is_on_the_half_hour() -> None:
    due = parse_every("30m")
    assert due.last(at("2026-11-21T04:29:59")) == at("2026-11-21T04:00")
    assert due.next(at("2026-11-21T04:30")) == at("2026-11-21T05:00")


@pytest.mark.parametrize("text", ["", "30", "m", "0m", "-1h", "1.5h", "1w", "½h"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no interval"):
        parse_every(text)


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *",
     "9-5 * * * *", "a * * * *", "0 0 1 * 1", "0 0 31 2 *", "1,,2 * * * *"],
)  # fmt: skip
def test_what_is_no_cron_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|never comes|name one of them"):
        parse_cron(text)


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("30 2 * * *", "daily at 02:30 UTC"),
        ("0 3 * * 0", "Sundays at 03:00 UTC"),
        ("0 3 * * 7", "Sundays at 03:00 UTC"),
        ("5 4 * * 1-5", "5 4 * * 1-5 UTC"),
        ("0 3 1 * *", "0 3 1 * * UTC"),
        ("0 3 * 2 *", "0 3 * 2 * UTC"),
        ("*/15 3 * * *", "*/15 3 * * * UTC"),
    ],
)
def test_a_simple_schedule_is_told_in_words_and_any_other_as_declared(cron: str, words: str) -> None:
    assert parse_cron(cron).words == words
