"""When the bars of a venue's series open: read once, and then only where something was written since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptai.market.kept import Market
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.market.store import CandleStore

    Times = dict[tuple[str, str], NDArray[np.int64]]


class Opens:
    """The open times of the series of one venue, for whoever asks the store for them again and again.

    A feed asks at each of its connections, for everything it follows.
    """

    def __init__(self, store: CandleStore, exchange: str) -> None:
        self._store = store
        self._exchange = exchange
        self._written = 0
        self._times: Times = {}
        self._since: dict[tuple[str, str], int] = {}

    def read(self, since: Mapping[tuple[str, str], int]) -> Times:
        """Return when the bars of these series open, as `CandleStore.opens` does."""
        # What is written between the two looks is looked at once more next time.
        written, changed = self._store.changed(self._exchange, self._written)
        if written < self._written:
            # Another store lies here than before, such as one brought back from a backup.
            self._times.clear()
        self._written = written
        wanted = {}
        for series, start in since.items():
            if series not in self._times or start < self._since[series]:
                wanted[series] = start
                self._times.pop(series, None)
            elif (first := changed.get(Market(self._exchange, series[0], Timeframe(series[1])))) is not None:
                wanted[series] = max(first, start)
            self._since[series] = start
        for series, new in self._store.opens(self._exchange, wanted).items():
            old = self._times.get(series, new[:0])
            self._times[series] = (
                np.concatenate([old[: np.searchsorted(old, new[0])], new]) if len(new) else old
            )
        return {series: self._from(series, start) for series, start in since.items() if series in self._times}

    def _from(self, series: tuple[str, str], start: int) -> NDArray[np.int64]:
        times = self._times[series]
        # Of a series whose bars all open before it, the newest one.
        self._times[series] = times[min(int(np.searchsorted(times, start)), max(len(times) - 1, 0)) :]
        return self._times[series]
