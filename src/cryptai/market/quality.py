"""What makes a row of numbers a candle, and where a series of them has holes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

import numpy as np

from cryptai.errors import DataError
from cryptai.market.timeframe import LATEST_MS, MINUTE_MS, TIMEFRAMES, Timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_PRICES: Final = ("open", "high", "low", "close")
# Rows checked at a time: their columns and what is computed from them fit in the processor's cache.
_BLOCK: Final = 8_192


def check_columns(columns: Mapping[str, NDArray[Any]], timeframe: Timeframe) -> None:
    """Refuse columns that are not closed bars of that timeframe, naming the first row that shows it.

    Raises
    ------
    DataError
        For unequal lengths, times that are absurd, unsorted, doubled or off the timeframe's grid, prices
        that are not finite and positive, high or low that do not hold open and close between them, a
        volume that is negative or not finite.
    """
    ts = columns["ts"]
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise DataError(f"All columns must be of one length, but are: {told}.")
    _check_times(ts, timeframe)
    for start in range(0, len(ts), _BLOCK):
        block = {name: columns[name][start : start + _BLOCK] for name in columns}
        if not _sound(block):
            _refuse_values(block, start)


def _sound(columns: Mapping[str, NDArray[Any]]) -> bool:
    # With NaN anywhere one of these comparisons fails, since minimum and maximum hand it on.
    opens, high, low, close = (columns[name] for name in _PRICES)
    volume = columns["volume"]
    return bool(
        (low <= np.minimum(opens, close)).all()
        and (high >= np.maximum(opens, close)).all()
        and low.min() > 0.0
        and high.max() < np.inf
        and volume.min() >= 0.0
        and volume.max() < np.inf
    )


def _refuse_values(columns: Mapping[str, NDArray[Any]], start: int) -> None:
    ts = columns["ts"]
    for name in _PRICES:
        values = columns[name]
        wrong = ~((values > 0.0) & (values < np.inf))
        if wrong.any():
            row = int(np.argmax(wrong))
            _refuse(ts, row, f"{name} must be a finite price above 0, was {values[row]}", start)
    opens, high, low, close = (columns[name] for name in _PRICES)
    wrong = (high < low) | (high < opens) | (high < close) | (low > opens) | (low > close)
    if wrong.any():
        row = int(np.argmax(wrong))
        if high[row] < low[row]:
            _refuse(ts, row, f"high {high[row]} is below low {low[row]}", start)
        _refuse(
            ts, row,
            f"open {opens[row]} and close {close[row]} must lie between low {low[row]} and high {high[row]}; "
            "are columns swapped?", start,
        )  # fmt: skip
    volume = columns["volume"]
    row = int(np.argmax(~((volume >= 0.0) & (volume < np.inf))))
    _refuse(ts, row, f"volume must be finite and not negative, was {volume[row]}", start)


def check_spacing(ts: NDArray[np.int64], timeframe: Timeframe) -> None:
    """Refuse a series none of whose neighbours are one bar apart: it is of another timeframe.

    Needs three bars to say so; with fewer a hole explains everything.
    """
    if len(ts) < 3:
        return
    smallest = int(np.diff(ts).min())
    if smallest > timeframe.ms:
        same = (name for name in TIMEFRAMES if Timeframe(name).ms == smallest)
        apart = next(same, f"{smallest // MINUTE_MS} minutes")
        raise DataError(
            f"These bars are stated to be {timeframe}, but no two are closer than {apart}; "
            "state the timeframe they have.",
            field="timeframe",
        )


def check_closed(ts: NDArray[np.int64], timeframe: Timeframe, now_ms: int) -> None:
    """Refuse bars that are not closed at `now_ms`: their numbers will change, or nobody can know them yet.

    Raises
    ------
    DataError
        With the first such row. An exchange's own export often ends in one.
    """
    row = int(np.searchsorted(ts, timeframe.last_closed(now_ms), "right"))
    if row < len(ts):
        _refuse(ts, row, f"this {timeframe} bar is not closed yet by this machine's clock; leave it out")


def holes(ts: NDArray[np.int64], timeframe: Timeframe) -> NDArray[np.int64]:
    """Return the holes inside a series as rows of (first missing open time, number of missing bars)."""
    gaps = np.flatnonzero(np.diff(ts) > timeframe.ms)
    return np.stack([ts[gaps] + timeframe.ms, (ts[gaps + 1] - ts[gaps]) // timeframe.ms - 1], axis=1)


def freshness(last_ts: int, timeframe: Timeframe, now_ms: int) -> Literal["fresh", "late", "stale"]:
    """Return one word for how new the newest bar (it opens at `last_ts`) is.

    `fresh`: no closed bar is missing after it; `late`: one or two are; `stale`: more are.
    """
    missing = (timeframe.last_closed(now_ms) - last_ts) // timeframe.ms
    return "fresh" if missing <= 0 else "late" if missing <= 2 else "stale"


def _check_times(ts: NDArray[np.int64], timeframe: Timeframe) -> None:
    if not len(ts):
        return
    steps = ts[1:] - ts[:-1]
    first, last = int(ts[0]), int(ts[-1])
    if first >= 0 and last < LATEST_MS and first == timeframe.floor(first) and (steps == timeframe.ms).all():
        return
    earliest, latest = ts.min(), ts.max()
    if earliest < 0 or latest >= LATEST_MS:
        row = int(ts.argmin() if earliest < 0 else ts.argmax())
        raise DataError(
            f"Row {row}: the time {ts[row]} is not milliseconds UTC between 1970 and 2200.",
            field="ts",
        )
    # Most steps are one bar long; only the others need a closer look, and the division.
    odd = np.flatnonzero(steps != timeframe.ms)
    back = odd[steps[odd] <= 0]
    if len(back):
        row = int(back[0]) + 1
        what = "doubled" if steps[row - 1] == 0 else "earlier than the bar before it; sort by time"
        _refuse(ts, row, f"its time is {what}")
    heads = np.concatenate(([0], odd + 1))
    off = heads[(ts[heads] - timeframe.origin_ms) % timeframe.ms != 0]
    if len(off):
        row = int(off[0])
        hint = "; are these seconds (times are milliseconds)?" if ts[-1] < 10_000_000_000 else ""
        _refuse(ts, row, f"a {timeframe} bar cannot open at {ts[row]}: off the timeframe's grid{hint}")


def _refuse(ts: NDArray[np.int64], row: int, what: str, start: int = 0) -> NoReturn:
    when = np.datetime_as_string(np.datetime64(int(ts[row]), "ms"), unit="s")
    raise DataError(f"Row {start + row} ({when}Z): {what}{'' if what.endswith('?') else '.'}")
