"""Candles: one market's closed bars as read-only columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.errors import DataError, InputError
from cryptai.market.quality import check_columns
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cryptai.market.funding import Funding

COLUMNS = ("ts", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, eq=False)
class Candles:
    """One market's closed bars: open time and five columns of equal length.

    Arrays of the right dtype are kept without a copy, behind read-only views; whoever hands one in
    must not write to it afterwards. The bars are checked once, here: times strictly rising and on
    the timeframe's grid, prices finite and positive, high and low around open and close, volume not
    negative. Holes between bars are allowed and kept.

    Parameters
    ----------
    ts
        Open time of each bar, int64 milliseconds UTC.
    open, high, low, close
        Prices in the quote currency, float64.
    volume
        Amount of the base currency, float64.
    symbol, timeframe
        `"BTC/USDT"` (other spellings are understood) and `"1h"`.

    Attributes
    ----------
    funding
        What a perpetual's holders paid each other after the first bar's open and up to the last one's close,
        for strategies that need it; None unless it was given by `with_funding`. It is no part of the digest.

    Raises
    ------
    DataError
        With the row, the column and the value that cannot be.
    """

    ts: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    symbol: str
    timeframe: Timeframe
    funding: Funding | None = field(default=None, init=False)

    def __init__(
        self,
        ts: ArrayLike,
        open: ArrayLike,  # noqa: A002 (the field's word for it)
        high: ArrayLike,
        low: ArrayLike,
        close: ArrayLike,
        volume: ArrayLike,
        symbol: str,
        timeframe: str,
    ) -> None:
        columns: dict[str, Any] = {"ts": _column(ts, np.int64, "ts")}
        for name, values in zip(COLUMNS[1:], (open, high, low, close, volume), strict=True):
            columns[name] = _column(values, np.float64, name)
        frame = Timeframe(timeframe)
        check_columns(columns, frame)
        self._fill(columns, parse_symbol(symbol), frame)

    def _fill(self, columns: dict[str, Any], symbol: str, timeframe: Timeframe) -> None:
        for name, values in columns.items():
            object.__setattr__(self, name, values)
        object.__setattr__(self, "symbol", symbol)
        object.__setattr__(self, "timeframe", timeframe)

    @classmethod
    def _trusted(cls, columns: dict[str, Any], symbol: str, timeframe: Timeframe) -> Candles:
        # Parts and aggregates of checked bars are bars: they are not checked again.
        self = object.__new__(cls)
        for values in columns.values():
            values.flags.writeable = False
        self._fill(columns, symbol, timeframe)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # A copy, here or in another process, lies elsewhere: an address of these would lead a kernel astray.
        return {name: value for name, value in vars(self).items() if name != "addresses"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for name in COLUMNS:
            state[name].flags.writeable = False  # which is not carried along

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, rows: slice) -> Candles:
        """Return some of the bars, as views: `candles[-500:]`."""
        if not isinstance(rows, slice):
            raise TypeError(f"Candles are cut by slices, such as candles[-500:]; was {rows!r}.")
        if rows.step not in (None, 1):
            raise InputError(f"Candles are cut in time order without a step, was {rows.step}.")
        return self._trusted(
            {c: getattr(self, c)[rows] for c in COLUMNS}, self.symbol, self.timeframe
        ).with_funding(self.funding)

    def with_funding(self, funding: Funding | None) -> Candles:
        """Return the same bars with the funding that was paid in them: no part of them knows of a later one.

        A payment belongs to the bar after whose open it was made, a close included: it is known by then, and
        whoever enters at the next open has no part in it.

        Raises
        ------
        DataError
            For the funding of another market's perpetual.
        """
        if funding is None:
            return self
        if funding.symbol.partition(":")[0] != self.symbol.partition(":")[0]:
            raise DataError(f"The funding is of {funding.symbol}, not of {self.symbol}.", field="funding")
        made = self._trusted({c: getattr(self, c) for c in COLUMNS}, self.symbol, self.timeframe)
        start, end = (int(self.ts[0]), int(self.ts[-1]) + self.timeframe.ms) if len(self) else (0, 0)
        object.__setattr__(made, "funding", funding.between(start + 1, end + 1))
        return made

    def __repr__(self) -> str:
        if not len(self):
            return f"Candles({self.symbol} {self.timeframe}, no bars)"
        first, last = np.datetime_as_string(self.ts[[0, -1]].astype("M8[ms]"), unit="m")
        return f"Candles({self.symbol} {self.timeframe}, {len(self)} bars, {first} to {last} UTC)"

    @property
    def close_ts(self) -> NDArray[np.int64]:
        """Close time of each bar (ms UTC): the instant its values are known."""
        return self.ts + self.timeframe.ms

    @cached_property
    def digest(self) -> str:
        """SHA-256 over timeframe and columns, hex: equal digests are equal bars, wherever they lay."""
        h = hashlib.sha256(f"cryptai.candles.1 {self.timeframe} {len(self)}\n".encode())
        for name in COLUMNS:
            h.update(np.ascontiguousarray(getattr(self, name)).data)
        return h.hexdigest()

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Where each column lies in memory, for compiled code; they stay there as long as these bars do."""
        return tuple(getattr(self, name).ctypes.data for name in COLUMNS)

    def between(self, start_ms: int | None = None, end_ms: int | None = None) -> Candles:
        """Return the bars that open in the half-open range `[start_ms, end_ms)`; None is open-ended."""
        lo = 0 if start_ms is None else int(np.searchsorted(self.ts, start_ms))
        hi = len(self) if end_ms is None else int(np.searchsorted(self.ts, end_ms))
        return self if lo == 0 and hi == len(self) else self[lo : max(lo, hi)]

    def resample(self, timeframe: str) -> Candles:
        """Return coarser bars, made of these, that are closed at the close of the last one here.

        A coarse bar whose end lies beyond the last bar's close is unfinished and left out. A hole inside a
        coarse bar is simply not in it; a coarse bar with no bar at all stays a hole.

        Raises
        ------
        InputError
            If the coarser bars are not made of whole bars of this timeframe.
        """
        coarse = Timeframe(timeframe)
        if coarse == self.timeframe:
            return self
        if not self.timeframe.divides(coarse):
            raise InputError(
                f"{coarse} bars cannot be made of {self.timeframe} bars; choose a coarser timeframe.",
                field="timeframe",
            )
        if not len(self):
            none = self._trusted({c: getattr(self, c)[:0] for c in COLUMNS}, self.symbol, coarse)
            return none.with_funding(self.funding)
        opens = self.ts - (self.ts - coarse.origin_ms) % coarse.ms
        starts = np.flatnonzero(np.r_[True, opens[1:] != opens[:-1]])
        columns = {
            "ts": opens[starts],
            "open": self.open[starts],
            "high": np.maximum.reduceat(self.high, starts),
            "low": np.minimum.reduceat(self.low, starts),
            "close": self.close[np.r_[starts[1:] - 1, len(self) - 1]],
            "volume": np.add.reduceat(self.volume, starts),
        }
        closed = int(np.searchsorted(columns["ts"], self.ts[-1] + self.timeframe.ms - coarse.ms, "right"))
        made = self._trusted({c: v[:closed] for c, v in columns.items()}, self.symbol, coarse)
        return made.with_funding(self.funding)

    def align(self, coarser: Candles) -> NDArray[np.int64]:
        """Return, for each bar here, the row of the newest bar of `coarser` known at its close; -1 for none.

        Known means closed: an hourly bar that closes at 12:00 sees the four-hour bar that opened at
        08:00, and no later one.
        """
        return np.searchsorted(coarser.close_ts, self.close_ts, side="right") - 1

    def at(self, timeframe: str) -> tuple[Candles, NDArray[np.int64]]:
        """Return the coarser bars made of these and, for each bar here, which of them it may know."""
        coarser = self.resample(timeframe)
        return coarser, self.align(coarser)


def _column(values: ArrayLike, dtype: type, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"The column {name!r} must be a one-dimensional array of numbers, but its rows differ in length.",
            field=name,
        ) from error
    wrong = _unfit(array, dtype)
    if wrong:
        raise InputError(
            f"The column {name!r} must be a one-dimensional array of numbers, but is {wrong}.", field=name
        )
    column: NDArray[Any] = np.ascontiguousarray(array, dtype=dtype).view()
    column.flags.writeable = False
    return column


def _unfit(array: NDArray[Any], dtype: type) -> str | None:
    if array.ndim != 1:
        return f"of {array.ndim} dimensions"
    if array.dtype.kind not in "iuf":
        # Python integers past 64 bits come as objects.
        return f"of type {array.dtype}"
    if dtype is np.int64 and array.dtype != np.int64:
        if array.dtype.kind == "f" and not np.all(array == np.floor(array)):
            return "not whole milliseconds"
        # Beyond, they would wrap around silently.
        if not np.all(np.abs(array) < 2**62):
            return "beyond any time"
    return None
