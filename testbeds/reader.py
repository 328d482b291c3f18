"""Whoever reads the store while it is written: each closed candle it sees must have been the venue's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.errors import DataError
from cryptai.market.candles import COLUMNS
from cryptai.market.quality import holes
from cryptai.market.spans import count, missing, without
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from testbeds.truth import Truth

_SHOWN = 5
_DERIVED = ("5m", "15m", "1h", "4h")


@dataclass
class Differences:
    """How many series differ from the truth, and how.

    Attributes
    ----------
    series
        Series that differ in any bit.
    holes
        Series whose holes are others than the venue's.
    derived
        Coarser series, made of stored bars, that are not those made of the truth.
    unrecorded
        Missing bars of which the store does not say that the venue was asked for them in vain.
    misrecorded
        Bars of which it says so, and that the venue has.
    """

    series: int = 0
    holes: int = 0
    derived: int = 0
    unrecorded: int = 0
    misrecorded: int = 0


class Reader:
    """Compares what the store shows with what the exchange has called true until now.

    Attributes
    ----------
    untrue
        Sentences about candles that were shown as closed and never were the venue's; the first few.
    seen
        How many candles were looked at, a corrected one once more.
    """

    def __init__(
        self, store: CandleStore, truth: Truth, clock: Callable[[], int], frames: Sequence[str]
    ) -> None:
        self._store = store
        self._truth = truth
        self.clock = clock
        self._series = deque((symbol, Timeframe(name)) for symbol in truth.symbols for name in frames)
        self._known: dict[tuple[str, str, int], tuple[float, ...]] = {}
        self._looked: dict[tuple[str, Timeframe], Candles] = {}
        self.untrue: list[str] = []
        self.wrong = 0

    @property
    def seen(self) -> int:
        """How many different candles were seen."""
        return len(self._known)

    def look(self, last: int | None = None, *, some: int | None = None) -> None:
        """Read the last so many bars' time (None: all) of the next `some` series (None: every one).

        What was not judged before is judged.
        """
        for _ in range(len(self._series) if some is None else min(some, len(self._series))):
            series = self._series[0]
            self._series.rotate(-1)
            candles = self.read(*series, last)
            if candles is not None:
                new = _unlike(candles, self._looked.get(series))
                self._looked[series] = candles
                columns = (getattr(candles, name)[new].tolist() for name in COLUMNS)
                for row in zip(*columns, strict=True):
                    self.judge(*series, row)

    def heard(self, event: dict[str, object]) -> None:
        """Judge what the product publishes as a closed candle."""
        if event.get("type") == "candle" and event.get("closed"):
            bar: Any = event["bar"]
            self.judge(str(event["symbol"]), Timeframe(str(event["timeframe"])), tuple(bar))

    def judge(self, symbol: str, frame: Timeframe, row: tuple[float, ...]) -> None:
        """Note a closed candle that the venue has not called so until now."""
        key = (symbol, str(frame), int(row[0]))
        if self._known.get(key) == row[1:]:
            return
        self._known[key] = row[1:]
        if row[1:] not in self._truth.versions(symbol, frame, int(row[0]), self.clock()):
            self.wrong += 1
            if len(self.untrue) < _SHOWN:
                self.untrue.append(f"{symbol} {frame} at {int(row[0])}: {row[1:]}")

    def read(self, symbol: str, frame: Timeframe, last: int | None = None) -> Candles | None:
        """Return what is stored of the last so many bars' time (None: all), None for nothing."""
        start = None if last is None else frame.floor(self.clock()) - last * frame.ms
        try:
            return self._store.read("binance", symbol, frame, start_ms=start, derived=False)
        except DataError:
            return None

    def differences(self, start_ms: int, at_ms: int | None = None) -> Differences:
        """Compare everything stored with the truth since `start_ms`.

        With `at_ms` only bars that were closed then: of a platform in real time the newest are under way.
        """
        found, at_ms = Differences(), self.clock() if at_ms is None else at_ms
        for symbol, frame in self._series:
            true = self._truth.candles(symbol, frame, start_ms, at_ms)
            stored = self.read(symbol, frame)
            if stored is None:
                found.series += 1
                continue
            stored = stored.between(None, frame.last_closed(at_ms) + 1)
            found.series += stored.digest != true.digest
            found.holes += holes(stored.ts, frame).tolist() != holes(true.ts, frame).tolist()
            found.derived += sum(not self._derives(stored, coarse) for coarse in _DERIVED)
            first, end = int(true.ts[0]), int(true.ts[-1])
            gaps = missing(true.ts, frame, first, end)
            asked = [(one.first_ts, one.end_ts) for one in self._store.absences.of("binance", symbol, frame)]
            found.unrecorded += count(without(gaps, asked), frame)
            found.misrecorded += int(sum(((true.ts >= a) & (true.ts < b)).sum() for a, b in asked))
        return found

    def _derives(self, stored: Candles, name: str) -> bool:
        """Whether coarser bars made of the stored ones are those made of the truth."""
        coarse = Timeframe(name)
        if coarse == stored.timeframe or not stored.timeframe.divides(coarse):
            return True
        made = stored.resample(coarse)
        # The first one may have begun before what is stored.
        made = made.between(int(stored.ts[0]))
        bars = [
            self._truth.bar(stored.symbol, coarse, ts, int(stored.ts[-1]) + stored.timeframe.ms)
            for ts in made.ts.tolist()
        ]
        true = np.array([bar.floats() if bar else (np.nan,) * 5 for bar in bars]).reshape(-1, 5).T
        same = all(np.array_equal(getattr(made, COLUMNS[i]), true[i - 1]) for i in range(1, 5))
        # A volume is a sum of many: in another order of addition its last digits differ.
        return same and np.allclose(made.volume, true[4], rtol=1e-9, atol=0.0)


def _unlike(candles: Candles, before: Candles | None) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the places of the bars that were not the same before."""
    same = np.zeros(len(candles), bool)
    if before is not None and len(before):
        at = np.minimum(np.searchsorted(before.ts, candles.ts), len(before) - 1)
        same = np.logical_and.reduce([
            getattr(before, name)[at] == getattr(candles, name) for name in COLUMNS
        ])  # fmt: skip
    return np.flatnonzero(~same)
