"""What is refused as a candle, and the sentence that says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.errors import DataError
from cryptai.market.quality import check_closed, check_columns, check_spacing, holes
from cryptai.market.timeframe import Timeframe

HOUR = 3_600_000
START = 1_609_459_200_000  # 2021-01-01
Columns = dict[str, np.ndarray]


def flat(n: int) -> Columns:
    ones = np.ones(n)
    return {
        "ts": START + np.arange(n) * HOUR,
        "open": ones * 10, "high": ones * 12, "low": ones * 9, "close": ones * 11, "volume": ones * 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("open", np.nan, "open must be a finite price above 0, was nan"),
        ("high", np.inf, "high must be a finite price above 0, was inf"),
        ("low", 0.0, "low must be a finite price above 0, was 0.0"),
        ("close", -1.0, "close must be a finite price above 0, was -1.0"),
        ("low", -np.inf, "low must be a finite price above 0, was -inf"),
        ("high", np.nan, "high must be a finite price above 0, was nan"),
        ("high", 8.0, "high 8.0 is below low 9.0"),
        (
            "high",
            10.5,
            "open 10.0 and close 11.0 must lie between low 9.0 and high 10.5; are columns swapped?",
        ),
        ("open", 13.0, "open 13.0 and close 11.0 must lie between"),
        ("open", 1.0, "open 1.0 and close 11.0 must lie between"),
        ("volume", -0.5, "volume must be finite and not negative, was -0.5"),
        ("volume", np.nan, "volume must be finite and not negative, was nan"),
        ("volume", np.inf, "volume must be finite and not negative, was inf"),
    ],
)
@pytest.mark.parametrize("row", [0, 7, 8_192, 19_999])
def test_a_wrong_value_is_named_with_its_row(name: str, value: float, sentence: str, row: int) -> None:
    columns = flat(20_000)
    columns[name][row] = value
    with pytest.raises(DataError) as caught:
        check_columns(columns, Timeframe("1h"))
    assert str(caught.value).startswith(f"Row {row} (")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("row", "time", "sentence"),
    [
        (3, START + 2 * HOUR, "its time is doubled"),
        (3, START, "its time is earlier than the bar before it; sort by time"),
        (3, START + 3 * HOUR + 60_000, "a 1h bar cannot open at 1609470060000: off the timeframe's grid"),
        (0, START - 1, "off the timeframe's grid"),
        (0, -HOUR, "the time -3600000 is not milliseconds UTC between 1970 and 2200"),
        (9, 2**62, "is not milliseconds UTC between 1970 and 2200"),
        (3, -(2**62), "is not milliseconds UTC between 1970 and 2200"),
    ],
)
def test_a_wrong_time_is_named_with_its_row(row: int, time: int, sentence: str) -> None:
    columns = flat(10)
    columns["ts"][row] = time
    with pytest.raises(DataError) as caught:
        check_columns(columns, Timeframe("1h"))
    assert str(caught.value).startswith(f"Row {row}")
    assert sentence in str(caught.value)


def test_seconds_are_recognised() -> None:
    columns = flat(10)
    columns["ts"] = columns["ts"] // 1000
    with pytest.raises(DataError, match="are these seconds"):
        check_columns(columns, Timeframe("1h"))


def test_columns_of_unequal_length_are_told() -> None:
    columns = flat(10) | {"close": np.ones(9)}
    with pytest.raises(DataError, match="of one length, but are: ts 10, open 10, high 10, low 10, close 9"):
        check_columns(columns, Timeframe("1h"))


prices = st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 0.0, 1.0, 2.0, 3.0])


@given(st.lists(st.tuples(prices, prices, prices, prices, prices), min_size=1, max_size=3))
def test_the_quick_check_refuses_just_what_a_slow_one_would(bars: list[tuple[float, ...]]) -> None:
    def sound(o: float, h: float, low: float, c: float, v: float) -> bool:
        finite = all(0 < price < np.inf for price in (o, h, low, c))
        return finite and low <= min(o, c) and max(o, c) <= h and 0 <= v < np.inf

    names = ("open", "high", "low", "close", "volume")
    columns = {name: np.array(values) for name, values in zip(names, zip(*bars, strict=True), strict=True)}
    columns["ts"] = START + np.arange(len(bars)) * HOUR
    if all(sound(*bar) for bar in bars):
        check_columns(columns, Timeframe("1h"))
    else:
        with pytest.raises(DataError):
            check_columns(columns, Timeframe("1h"))


def test_bars_of_another_timeframe_than_stated_are_refused() -> None:
    ts = START + np.arange(5) * 4 * HOUR
    with pytest.raises(DataError, match="stated to be 1h, but no two are closer than 4h"):
        check_spacing(ts, Timeframe("1h"))
    with pytest.raises(DataError, match="no two are closer than 120 minutes"):
        check_spacing(START + np.arange(5) * 2 * HOUR, Timeframe("1h"))


def test_holes_do_not_make_another_timeframe() -> None:
    check_spacing(START + np.array([0, 4, 8, 9]) * HOUR, Timeframe("1h"))
    check_spacing(START + np.array([0, 4]) * HOUR, Timeframe("1h"))  # two bars and a hole: anything goes


def test_holes_are_told_by_first_missing_bar_and_length() -> None:
    ts = START + np.array([0, 1, 4, 5, 7]) * HOUR
    assert holes(ts, Timeframe("1h")).tolist() == [[START + 2 * HOUR, 2], [START + 6 * HOUR, 1]]
    assert holes(ts[:0], Timeframe("1h")).tolist() == []
    assert holes(ts[:1], Timeframe("1h")).tolist() == []


@pytest.mark.parametrize(("now", "closed"), [(5 * HOUR, 5), (5 * HOUR - 1, 4), (100 * HOUR, 5), (0, 0)])
def test_bars_that_are_not_closed_yet_are_refused(now: int, closed: int) -> None:
    ts = START + np.arange(5) * HOUR
    check_closed(ts[:closed], Timeframe("1h"), START + now)
    if closed < 5:
        with pytest.raises(DataError, match=rf"Row {closed} .* is not closed yet by this machine's clock"):
            check_closed(ts, Timeframe("1h"), START + now)
