"""Candles: read-only columns, exact parts, coarser bars that do not look ahead."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.errors import DataError, InputError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.files import read_candles
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600_000
MONDAY = 1_609_718_400_000  # 2021-01-04


def series(bars: list[int] | int, timeframe: str = "1h", seed: int = 0, start: int = MONDAY) -> Candles:
    """Random bars at these places of the grid."""
    places = np.arange(bars) if isinstance(bars, int) else np.array(bars, np.int64)
    rng = np.random.default_rng(seed)
    o, c = rng.uniform(9, 11, (2, len(places)))
    return Candles(
        start + places * Timeframe(timeframe).ms, o, np.maximum(o, c) + 1, np.minimum(o, c) - 1, c,
        rng.uniform(0, 5, len(places)), symbol="BTC/USDT", timeframe=timeframe,
    )  # fmt: skip


def rows(candles: Candles) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(candles, name).tolist() for name in COLUMNS), strict=True))


def test_arrays_are_kept_without_a_copy_and_cannot_be_written_to() -> None:
    close = np.array([10.0, 11.0])
    made = Candles(MONDAY + np.arange(2) * HOUR, close, close, close, close, close, "BTCUSDT", "1h")
    assert np.shares_memory(made.close, close)
    assert made.symbol == "BTC/USDT"
    with pytest.raises(ValueError, match="read-only"):
        made.close[0] = 1.0
    close[0] = 10.5  # the caller's own array is not locked


def test_lists_and_whole_floats_are_numbers_too() -> None:
    made = Candles([float(MONDAY)], [10], [10], [10], [10], [0], "BTCUSDT", "1h")
    assert (made.ts.dtype, made.close.dtype) == (np.int64, np.float64)


@pytest.mark.parametrize(
    ("ts", "sentence"),
    [
        (["2021-01-01"], "'ts' must be a one-dimensional array of numbers, but is of type"),
        ([MONDAY + 0.5], "'ts' .* is not whole milliseconds"),
        ([np.nan], "'ts' .* is not whole milliseconds"),
        ([np.inf], "'ts' .* is beyond any time"),
        ([1e30], "'ts' .* is beyond any time"),
        (np.array([2**64 - 1], np.uint64), "'ts' .* is beyond any time"),
        ([10**30], "'ts' .* is of type object"),
        ([[MONDAY]], "'ts' .* is of 2 dimensions"),
        ([[1, 2], [3]], "'ts' .*, but its rows differ in length"),
        ([True], "'ts' .* is of type bool"),
    ],
)
def test_a_column_that_is_no_column_is_named(ts: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Candles(ts, [10], [10], [10], [10], [0], "BTCUSDT", "1h")  # type: ignore[arg-type]


def test_what_is_no_candle_is_refused() -> None:
    with pytest.raises(DataError, match=r"high 9\.0 is below low 10\.0"):
        Candles([MONDAY], [10], [9], [10], [10], [0], "BTCUSDT", "1h")


def test_no_bars_are_candles_too() -> None:
    none = series(0)
    assert len(none) == 0
    assert repr(none) == "Candles(BTC/USDT 1h, no bars)"
    assert len(none.resample("4h")) == 0
    assert len(none.between(0, 5)) == 0


def test_the_repr_tells_what_and_when() -> None:
    assert repr(series(25)) == "Candles(BTC/USDT 1h, 25 bars, 2021-01-04T00:00 to 2021-01-05T00:00 UTC)"


@given(st.integers(0, 20), st.slices(20))
def test_a_slice_is_the_same_rows(n: int, cut: slice) -> None:
    candles = series(n)
    if cut.step in (None, 1):
        assert rows(candles[cut]) == rows(candles)[cut]
    else:
        with pytest.raises(InputError, match="without a step"):
            candles[cut]


def test_one_bar_is_not_picked_by_number() -> None:
    with pytest.raises(TypeError, match="cut by slices"):
        series(3)[1]  # type: ignore[index]


@given(st.integers(-3, 12), st.integers(-3, 12))
def test_a_range_holds_its_start_and_not_its_end(first: int, last: int) -> None:
    candles = series([0, 1, 2, 5, 6, 9])
    lo, hi = MONDAY + first * HOUR, MONDAY + last * HOUR
    assert rows(candles.between(lo, hi)) == [row for row in rows(candles) if lo <= row[0] < hi]


def test_an_open_range_holds_everything() -> None:
    assert rows(series(5).between()) == rows(series(5))


def test_equal_bars_have_one_digest_wherever_they_lie() -> None:
    candles = series(50)
    again = Candles(*(getattr(candles, name).copy() for name in COLUMNS), "ETH/USDT", "1h")
    assert again.digest == candles.digest
    assert candles[10:20].digest == series(50)[10:20].digest


def test_any_other_bit_is_another_digest() -> None:
    candles = series(50)
    digests = {candles.digest, candles[1:].digest, candles[:0].digest, series(0, "4h").digest}
    for name in COLUMNS[1:]:
        columns = {c: getattr(candles, c).copy() for c in COLUMNS}
        bits = columns[name].view(np.int64)
        bits[49] ^= 1
        digests.add(Candles(**columns, symbol="BTC/USDT", timeframe="1h").digest)
    assert len(digests) == 9


def slow_resample(candles: Candles, coarse: str) -> list[tuple[float, ...]]:
    """Bar by bar, closed bars only."""
    frame = Timeframe(coarse)
    made: dict[int, list[float]] = {}
    for ts, o, h, low, c, v in rows(candles):
        bar = made.setdefault(frame.floor(int(ts)), [o, h, low, c, 0.0])
        bar[1], bar[2], bar[3], bar[4] = max(bar[1], h), min(bar[2], low), c, bar[4] + v
    end = candles.ts[-1] + candles.timeframe.ms
    return [(ts, *bar) for ts, bar in made.items() if ts + frame.ms <= end]


places = st.lists(st.integers(0, 400), min_size=1, max_size=80, unique=True).map(sorted)


@given(places, st.sampled_from(["4h", "1d", "1w"]))
def test_resampling_gives_what_a_slow_loop_gives(bars: list[int], coarse: str) -> None:
    candles = series(bars)
    made, slow = rows(candles.resample(coarse)), slow_resample(candles, coarse)
    assert [bar[:5] for bar in made] == [bar[:5] for bar in slow]
    assert [bar[5] for bar in made] == pytest.approx([bar[5] for bar in slow])


def test_the_unfinished_bar_is_left_out_until_its_last_part_is_there() -> None:
    assert len(series(7).resample("4h")) == 1
    assert len(series(8).resample("4h")) == 2


def test_weeks_are_made_from_monday_to_sunday() -> None:
    weeks = series(24 * 15, start=MONDAY + 24 * HOUR).resample("1w")  # begins on a Tuesday
    assert weeks.ts.tolist() == [MONDAY, MONDAY + 7 * 24 * HOUR]


def test_bars_of_the_same_length_are_the_same_bars() -> None:
    candles = series(5)
    assert candles.resample("1h") is candles


def test_finer_bars_cannot_be_made_of_coarser_ones() -> None:
    with pytest.raises(InputError, match="1h bars cannot be made of 4h bars; choose a coarser timeframe"):
        series(5, "4h").resample("1h")


def slow_align(fine: Candles, coarse: Candles) -> list[int]:
    ends = [ts + coarse.timeframe.ms for ts in coarse.ts.tolist()]
    known = [[i for i, end in enumerate(ends) if end <= ts + fine.timeframe.ms] for ts in fine.ts.tolist()]
    return [rows[-1] if rows else -1 for rows in known]


@given(places, st.lists(st.integers(0, 100), min_size=1, max_size=30, unique=True).map(sorted))
def test_a_bar_knows_the_newest_coarser_bar_closed_by_its_close(fine: list[int], coarse: list[int]) -> None:
    hours, quarters = series(fine), series(coarse, "4h")
    assert hours.align(quarters).tolist() == slow_align(hours, quarters)


@given(places)
def test_what_a_bar_knows_does_not_change_when_later_bars_come(bars: list[int]) -> None:
    candles = series(bars)
    coarse, at = candles.at("4h")
    for cut in range(1, len(candles) + 1):
        seen, seen_at = candles[:cut].at("4h")
        assert seen_at.tolist() == at[:cut].tolist()
        assert rows(seen) == rows(coarse)[: len(seen)]


def test_the_check_above_catches_an_alignment_that_leaks() -> None:
    hours, quarters = series(9), series(3, "4h")
    leaking = np.searchsorted(quarters.ts, hours.ts, side="right") - 1  # the bar it stands in, unfinished
    assert leaking.tolist() != slow_align(hours, quarters)


@pytest.mark.shared
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize("coarse", ["15m", "1h", "4h", "1d"])
def test_five_minutes_of_the_exchange_make_its_own_coarser_bars(
    shared: Path, symbol: str, coarse: str
) -> None:
    folder = shared / "data" / "candles" / "spot_2024q1"
    made = read_candles(folder / f"{symbol}_5m.parquet").resample(coarse)
    theirs = read_candles(folder / f"{symbol}_{coarse}.parquet")
    assert [bar[:5] for bar in rows(made)] == [bar[:5] for bar in rows(theirs)]
    # The exchange counts volume in units of 1e-8; a sum of doubles is off by far less.
    assert np.round(made.volume, 8).tolist() == np.round(theirs.volume, 8).tolist()


@pytest.mark.shared
def test_whole_days_of_hours_are_the_exchange_s_days(shared: Path) -> None:
    folder = shared / "data" / "candles" / "spot"
    hours, days = read_candles(folder / "BTCUSDT_1h.parquet"), read_candles(folder / "BTCUSDT_1d.parquet")
    made = hours.resample("1d")
    whole = {
        int(day)
        for day, n in zip(*np.unique(hours.ts // (24 * HOUR), return_counts=True), strict=True)
        if n == 24
    }
    theirs = {row[0]: row for row in rows(days)}
    compared = [
        (row, theirs[row[0]]) for row in rows(made) if row[0] // (24 * HOUR) in whole and row[0] in theirs
    ]
    assert len(compared) > 1_500
    assert [ours[:5] for ours, _ in compared] == [other[:5] for _, other in compared]
    assert [ours[5] for ours, _ in compared] == pytest.approx([other[5] for _, other in compared], rel=1e-9)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],  # noqa: S301 (our own)
)
def test_a_copy_is_read_where_it_lies_and_stays_read_only(copied):
    candles = series(9)
    assert candles.addresses  # asked for, and so kept
    other = copied(candles)
    assert other.addresses == tuple(getattr(other, name).ctypes.data for name in COLUMNS)
    assert set(other.addresses).isdisjoint(candles.addresses)
    assert not any(getattr(other, name).flags.writeable for name in COLUMNS)
    assert other.digest == candles.digest
