"""What makes a row of numbers a candle, and where a series of them has holes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.market.timeframe import Timeframe

_PRICES = ("open", "high", "low", "close")
# A bar before 1970 or after 2200 is a mistake in the unit of time, not a bar.
_LATEST_MS = 7_258_118_400_000


def check_columns(columns: Mapping[str, NDArray[Any]], timeframe: Timeframe) -> None:
    """Refuse columns that are not closed bars of that timeframe, naming the first row that shows it.

    Raises
    ------
    DataError
        For unequal lengths, times that are unsorted, doubled or off the timeframe's grid, prices that are
        not finite and positive, high or low that do not hold open and close between them, a volume
        that is negative or not finite.
    """
    ts = columns["ts"]
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise DataError(f"All columns must be of one length, but are: {told}.")
    _check_times(ts, timeframe)
    for name in _PRICES:
        values = columns[name]
        # One pass finds NaN, infinity, zero and below: all fail to be between tiny and huge.
        if len(values) and not (values.min() > 0.0 and values.max() < np.inf):
            row = int(np.argmax(~((values > 0.0) & (values < np.inf))))
            _refuse(ts, row, f"{name} must be a finite price above 0, was {values[row]}")
    opens, high, low, close = (columns[name] for name in _PRICES)
    wrong = (high < low) | (high < opens) | (high < close) | (low > opens) | (low > close)
    if wrong.any():
        row = int(np.argmax(wrong))
        if high[row] < low[row]:
            _refuse(ts, row, f"high {high[row]} is below low {low[row]}")
        _refuse(
            ts, row,
            f"open {opens[row]} and close {close[row]} must lie between low {low[row]} and high {high[row]}; "
            "are columns swapped?",
        )  # fmt: skip
    volume = columns["volume"]
    if len(volume) and not (volume.min() >= 0.0 and volume.max() < np.inf):
        row = int(np.argmax(~((volume >= 0.0) & (volume < np.inf))))
        _refuse(ts, row, f"volume must be finite and not negative, was {volume[row]}")


def check_spacing(ts: NDArray[np.int64], timeframe: Timeframe) -> None:
    """Refuse a series none of whose neighbours are one bar apart: it is of another timeframe.

    Needs three bars to say so; with fewer a hole explains everything.
    """
    if len(ts) < 3:
        return
    smallest = int(np.diff(ts).min())
    if smallest > timeframe.ms:
        raise DataError(
            f"These bars are stated to be {timeframe}, but no two are closer than "
            f"{smallest // 60_000} minutes; state the timeframe they have.",
            field="timeframe",
        )


def holes(ts: NDArray[np.int64], timeframe: Timeframe) -> NDArray[np.int64]:
    """Return the holes inside a series as rows of (first missing open time, number of missing bars)."""
    gaps = np.flatnonzero(np.diff(ts) > timeframe.ms)
    return np.stack([ts[gaps] + timeframe.ms, (ts[gaps + 1] - ts[gaps]) // timeframe.ms - 1], axis=1)


def _check_times(ts: NDArray[np.int64], timeframe: Timeframe) -> None:
    if not len(ts):
        return
    steps = np.diff(ts)
    if len(steps) and steps.min() <= 0:
        row = int(np.argmax(steps <= 0)) + 1
        what = "doubled" if steps[row - 1] == 0 else "earlier than the bar before it; sort by time"
        _refuse(ts, row, f"its time is {what}")
    if ts[0] < 0 or ts[-1] >= _LATEST_MS:
        row = 0 if ts[0] < 0 else len(ts) - 1
        raise DataError(f"Row {row}: the time {ts[row]} is not milliseconds UTC since 1970.", field="ts")
    off = (ts - timeframe.origin_ms) % timeframe.ms != 0
    if off.any():
        row = int(np.argmax(off))
        hint = " Are these seconds? Times are milliseconds." if ts[-1] < 10_000_000_000 else ""
        _refuse(ts, row, f"a {timeframe} bar cannot open at {ts[row]}: off the timeframe's grid.{hint}")


def _refuse(ts: NDArray[np.int64], row: int, what: str) -> None:
    when = np.datetime_as_string(np.datetime64(int(ts[row]), "ms"), unit="s")
    raise DataError(f"Row {row} ({when}Z): {what.rstrip('.')}.")
