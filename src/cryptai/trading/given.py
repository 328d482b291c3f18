"""What a run is given of each of its markets, and the columns that are computed before the loop."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics.logarithm import log
from cryptai.errors import InputError
from cryptai.market.times import iso

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.market.filters import Filters
    from cryptai.market.funding import Funding
    from cryptai.signals import Signals

# Bars whose log returns a volatility is taken from, and how many rows are taken together.
_BARS: Final = 30
_ROWS: Final = 65_536
_YEAR_MS: Final = 365.0 * 86_400_000.0


@dataclass(frozen=True, eq=False)
class Given:
    """One market of a run.

    Attributes
    ----------
    candles
        Every bar the run could see, those that only warmed included.
    bars
        Those of the range.
    reasons
        What its long and its short entries mean.
    signals
        The strategy's columns, one row for each of `candles`.
    funding, filters, finer
        What was paid between holders, what the venue asks of orders, and finer candles; None: not asked for.
    group
        Markets of one group move together; -1 is a group of its own.
    """

    candles: Candles
    bars: Candles
    signals: Signals
    funding: Funding | None = None
    filters: Filters | None = None
    finer: Candles | None = None
    group: int = -1

    @property
    def reasons(self) -> tuple[str, str]:
        """Return what an entry long, and one short, means."""
        return self.signals.long_reason, self.signals.short_reason

    @property
    def first(self) -> int:
        """Return the row of `candles` with which the range begins."""
        return len(self.candles) - len(self.bars)

    @property
    def digest(self) -> str:
        """Return the digest of all data the run could see of it: the candles' own where they are all."""
        parts = [
            (name, one.digest)
            for name, one in (("funding", self.funding), ("filters", self.filters), ("finer", self.finer))
            if one is not None
        ]
        if not parts:
            return self.candles.digest
        told = "".join(f"{name} {digest}\n" for name, digest in [("candles", self.candles.digest), *parts])
        return hashlib.sha256(f"cryptai.given.1\n{told}".encode()).hexdigest()

    def told(self) -> dict[str, Any]:
        """Return what a reader of a result is told of it, as JSON takes it."""
        knows: dict[str, Any] = {}
        if self.funding is not None:
            ends = [iso(int(one)) for one in self.funding.ts[[0, -1]]] if len(self.funding) else [None, None]
            knows["funding"] = {
                "symbol": self.funding.symbol, "rates": len(self.funding), "from": ends[0], "to": ends[1],
            }  # fmt: skip
        if self.filters is not None:
            since = iso(int(self.filters.from_ms[0])) if len(self.filters) else None
            knows["filters"] = {"changes": len(self.filters), "since": since}
        if self.finer is not None:
            offsets, _ = paths(self.bars, self.finer)
            share = float(np.count_nonzero(np.diff(offsets))) / len(self.bars)
            knows["finer"] = {"timeframe": str(self.finer.timeframe), "bars_with_path": share}
        return {
            "symbol": self.candles.symbol,
            "bars": len(self.bars),
            "from": iso(int(self.bars.ts[0])),
            "to": iso(int(self.bars.ts[-1])),
            "data_digest": self.digest,
            "knows": knows,
        }


def volatility(candles: Candles) -> NDArray[np.float64]:
    """Return the yearly volatility at each close: the sample deviation of the last 30 bars' log returns.

    NaN on the first 30 rows. A year has 365 days, and a hole is one return: what happened in it is in that.
    """
    found = np.full(len(candles), np.nan)
    if len(candles) > _BARS:
        returns = np.diff(log(candles.close))  # NumPy's own depends on the processor
        windows = np.lib.stride_tricks.sliding_window_view(returns, _BARS)
        for begin in range(0, len(windows), _ROWS):  # a window a row: not all of them at once
            rows = windows[begin : begin + _ROWS].std(axis=1, ddof=1)
            found[_BARS + begin : _BARS + begin + len(rows)] = rows
    return found * math.sqrt(_YEAR_MS / candles.timeframe.ms)


def paths(bars: Candles, finer: Candles) -> tuple[NDArray[np.int64], Candles]:
    """Return where each bar's finer ones begin, one entry more than bars, and those finer bars.

    Only a bar all of whose finer bars are there has a path; any other is its own. Finer bars that belong
    to no bar are left out.

    Raises
    ------
    InputError
        For finer bars of another symbol, or of a timeframe that the bars are not made of.
    """
    if not finer.timeframe.divides(bars.timeframe):
        raise InputError(
            f"Bars of {bars.timeframe} are not made of whole bars of {finer.timeframe}.", field="finer"
        )
    if finer.symbol != bars.symbol:
        raise InputError(f"The finer bars are of {finer.symbol}, not of {bars.symbol}.", field="finer")
    whole = bars.timeframe.ms // finer.timeframe.ms
    begins = np.searchsorted(finer.ts, bars.ts)
    counts = np.searchsorted(finer.ts, bars.ts + bars.timeframe.ms) - begins
    counts = np.where(counts == whole, counts, 0)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
    columns = {name: getattr(finer, name)[rows] for name in ("ts", "open", "high", "low", "close", "volume")}
    return offsets, type(finer)(**columns, symbol=finer.symbol, timeframe=finer.timeframe)
