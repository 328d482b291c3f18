"""Round trips as columns: what a report reads, whoever's engine traded them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.features.regimes import REGIMES, regime
from cryptai.market.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

UNKNOWN: Final = "unknown"
"""The label of what cannot be told: a regime before its warm-up, or of a market without candles."""


@dataclass(frozen=True, eq=False)
class RoundTrips:
    """Trades, one row each, in the order they were given; all columns of one length.

    Attributes
    ----------
    symbol, entry_reason, exit_reason
        Text.
    side
        1 for long, -1 for short.
    entry_ms, exit_ms
        When they began and ended, ms UTC: opens of bars for trades of ours.
    entry_price, exit_price, quantity
        Fill prices, and the amount, which is positive for both sides.
    fees, funding, pnl
        In the quote currency; `pnl` is net of fees and funding.
    mae, mfe
        How far it went against and for it, fractions of the entry price; NaN where not known.
    bars_held
        Bars between entry and exit; NaN where not known.
    """

    symbol: NDArray[np.str_]
    side: NDArray[np.int64]
    entry_ms: NDArray[np.int64]
    exit_ms: NDArray[np.int64]
    entry_price: NDArray[np.float64]
    exit_price: NDArray[np.float64]
    quantity: NDArray[np.float64]
    fees: NDArray[np.float64]
    funding: NDArray[np.float64]
    pnl: NDArray[np.float64]
    mae: NDArray[np.float64]
    mfe: NDArray[np.float64]
    bars_held: NDArray[np.float64]
    entry_reason: NDArray[np.str_]
    exit_reason: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.pnl)

    @property
    def cost(self) -> NDArray[np.float64]:
        """Return what each entry was worth, in the quote currency."""
        return self.quantity * self.entry_price

    @property
    def returns(self) -> NDArray[np.float64]:
        """Return each trade's `pnl` over what its entry was worth; NaN of an entry worth nothing."""
        cost = self.cost
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(cost > 0.0, self.pnl / cost, np.nan)


def of_rows(rows: Sequence[Mapping[str, Any]], symbol: str) -> RoundTrips:
    """Return the columns of the `trades` of `backtest --json`; `symbol` is theirs where a row names none."""

    def floats(name: str, absent: float) -> NDArray[np.float64]:
        values = (row.get(name) for row in rows)
        return np.array([absent if one is None else one for one in values], np.float64)

    def texts(name: str, absent: str) -> NDArray[np.str_]:
        return np.array([str(row.get(name) or absent) for row in rows], np.str_)

    return RoundTrips(
        symbol=texts("symbol", symbol),
        side=np.array([1 if row["side"] == "long" else -1 for row in rows], np.int64),
        entry_ms=_times(row["entry_time"] for row in rows),
        exit_ms=_times(row["exit_time"] for row in rows),
        entry_price=floats("entry_price", np.nan),
        exit_price=floats("exit_price", np.nan),
        quantity=np.abs(floats("quantity", np.nan)),
        fees=floats("fees", 0.0),
        funding=floats("funding", 0.0),
        pnl=floats("pnl", np.nan),
        mae=floats("mae", np.nan),
        mfe=floats("mfe", np.nan),
        bars_held=floats("bars_held", np.nan),
        entry_reason=texts("entry_reason", UNKNOWN),
        exit_reason=texts("exit_reason", UNKNOWN),
    )


def regimes_at_entry(trips: RoundTrips, markets: Mapping[str, Candles]) -> list[str]:
    """Return the regime by rules (`cryptai.features.regimes.regime`) that was known at each entry.

    That is the one of the last bar that had closed when the entry filled, with the feature's own defaults;
    `unknown` before its warm-up and for a market whose candles are not given.
    """
    found = np.full(len(trips), UNKNOWN, dtype="U16")
    for name in np.unique(trips.symbol):
        candles = markets.get(str(name))
        if candles is None or not len(candles):
            continue
        rows = np.flatnonzero(trips.symbol == name)
        codes = regime(candles.close)[0]
        # A bar that opens at the entry's time has not closed by then: the one before it is the last known.
        closed = candles.ts + candles.timeframe.ms
        at = np.searchsorted(closed, trips.entry_ms[rows], side="right") - 1
        known = np.where(at >= 0, codes[np.maximum(at, 0)], np.nan)
        found[rows] = [UNKNOWN if np.isnan(one) else REGIMES[int(one)] for one in known]
    return [str(one) for one in found]


def _times(texts: Iterable[str]) -> NDArray[np.int64]:
    # Our own form has 20 letters or 24, and NumPy reads it at once; anything else goes letter by letter.
    given = list(texts)
    if all(len(one) in (20, 24) and one.endswith("Z") for one in given):
        return np.array([one[:-1] for one in given], "M8[ms]").astype(np.int64)
    return np.array([parse_time(one) for one in given], np.int64)
