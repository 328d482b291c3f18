"""Whoever reads the store while it is written: each closed candle it sees must have been the venue's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptai.errors import DataError
from cryptai.market.candles import COLUMNS
from cryptai.market.quality import holes
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from testbeds.truth import Truth

_SHOWN = 5


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
        self._clock = clock
        self._series = [(symbol, Timeframe(name)) for symbol in truth.symbols for name in frames]
        self._known: dict[tuple[str, str, int], tuple[float, ...]] = {}
        self.untrue: list[str] = []
        self.wrong = 0

    @property
    def seen(self) -> int:
        """How many different candles were seen."""
        return len(self._known)

    def look(self, last: int | None = None) -> None:
        """Read the newest `last` bars of every series (None: all), and judge those not judged before."""
        for symbol, frame in self._series:
            candles = self.read(symbol, frame, last)
            if candles is not None:
                for row in zip(*(getattr(candles, name).tolist() for name in COLUMNS), strict=True):
                    self.judge(symbol, frame, row)

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
        if row[1:] not in self._truth.versions(symbol, frame, int(row[0]), self._clock()):
            self.wrong += 1
            if len(self.untrue) < _SHOWN:
                self.untrue.append(f"{symbol} {frame} at {int(row[0])}: {row[1:]}")

    def read(self, symbol: str, frame: Timeframe, last: int | None = None) -> Candles | None:
        """Return what is stored, None for nothing."""
        try:
            return self._store.read("binance", symbol, frame, last=last)
        except DataError:
            return None

    def differences(self, start_ms: int) -> tuple[int, int]:
        """Return how many series differ from the truth in any bit, and how many in where their holes are."""
        bits = gaps = 0
        for symbol, frame in self._series:
            true = self._truth.candles(symbol, frame, start_ms, self._clock())
            stored = self.read(symbol, frame)
            if stored is None:
                bits, gaps = bits + 1, gaps + 1
                continue
            bits += stored.digest != true.digest
            gaps += holes(stored.ts, frame).tolist() != holes(true.ts, frame).tolist()
        return bits, gaps
