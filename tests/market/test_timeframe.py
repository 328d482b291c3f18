"""Bar lengths and the grid they stand on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.errors import UnknownName
from cryptai.market.timeframe import TIMEFRAMES, Timeframe

MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1440, "1w": 10_080}


def test_there_are_eight_lengths() -> None:
    assert {name: Timeframe(name).ms // 60_000 for name in TIMEFRAMES} == MINUTES


def test_a_timeframe_is_its_name() -> None:
    assert Timeframe("1h") == "1h"
    assert f"{Timeframe('1h')}" == "1h"
    assert {Timeframe("4h"): 1}["4h"] == 1


@given(st.sampled_from(TIMEFRAMES), st.integers(0, 7_000_000_000_000))
def test_the_bar_of_an_instant_opens_at_or_before_it_and_ends_after_it(name: str, ts: int) -> None:
    frame = Timeframe(name)
    opened = frame.floor(ts)
    assert opened <= ts < opened + frame.ms
    assert frame.floor(opened) == opened


@given(st.integers(0, 7_000_000_000_000))
def test_weeks_open_on_monday_midnight(ts: int) -> None:
    opened = datetime.fromtimestamp(Timeframe("1w").floor(ts) / 1000, UTC)
    assert (opened.weekday(), opened.hour, opened.minute) == (0, 0, 0)


@given(st.sampled_from(TIMEFRAMES), st.integers(0, 7_000_000_000_000))
def test_the_last_closed_bar_has_ended_and_the_next_has_not(name: str, now: int) -> None:
    frame = Timeframe(name)
    closed = frame.last_closed(now)
    assert closed + frame.ms <= now < closed + 2 * frame.ms


def test_a_bar_counts_as_closed_at_its_very_end() -> None:
    assert Timeframe("1h").last_closed(7_200_000) == 3_600_000
    assert Timeframe("1h").last_closed(7_199_999) == 0


@pytest.mark.parametrize(
    ("fine", "coarse", "divides"),
    [("1h", "4h", True), ("1d", "1w", True), ("4h", "1h", False), ("1h", "1h", False), ("1m", "1w", True)],
)
def test_coarser_bars_are_made_of_whole_finer_ones(fine: str, coarse: str, *, divides: bool) -> None:
    assert Timeframe(fine).divides(Timeframe(coarse)) is divides


def test_an_unknown_length_is_answered_with_the_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"no timeframe named '2h'; did you mean .*1h") as caught:
        Timeframe("2h")
    assert caught.value.field == "timeframe"
