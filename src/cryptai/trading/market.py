"""One market of a run: its bars, the strategy's rows, and what its venue asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.signals import Signals


@dataclass(frozen=True, eq=False)
class Finer:
    """The finer bars inside a market's bars: flat columns, and where those of each row begin.

    `offsets` is int64 with one entry more than there are rows; a row without finer bars begins and ends at
    the same place.
    """

    offsets: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Filters:
    """What the venue asked of orders, as rows in time, each from its `ts` (ms UTC) on; 0 asks nothing."""

    ts: NDArray[np.int64]
    tick: NDArray[np.float64]
    step: NDArray[np.float64]
    min_quantity: NDArray[np.float64]
    min_notional: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Market:
    """One market of a run.

    Attributes
    ----------
    candles, signals
        Its bars in the range, and the strategy's row for each.
    funding
        Times (int64, ms UTC, ascending) and rates of a perpetual's funding.
    filters, finer
        The venue's steps and minimums; bars of a finer timeframe.
    group
        Markets of one number count together for `max_per_group`.
    volatility
        Yearly volatility known at each row, for `volatility_target`.
    """

    candles: Candles
    signals: Signals
    funding: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None
    filters: Filters | None = None
    finer: Finer | None = None
    group: int = 0
    volatility: NDArray[np.float64] | None = None
