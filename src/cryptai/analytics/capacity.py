"""Capacity: the size of a trade at which its own weight on the market has eaten the edge.

An order of worth Q moves the price against itself by about s √(Q / V), with s the volatility and V the worth
traded of a day: the square-root law (Tóth et al. 2011, "Anomalous price impact and the critical nature of
liquidity in financial markets"; for Bitcoin Donier and Bonart 2015, "A million metaorder analysis of market
impact on the Bitcoin"). The factor before it is about 1 and taken as 1. Both sides of a trade pay it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.analytics.logarithm import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.analytics.round_trips import RoundTrips
    from cryptai.market.candles import Candles

DAYS: Final = 30
"""Volatility and volume are those of so many days before an entry."""
_DAY_MS: Final = 86_400_000


def capacity(trips: RoundTrips, markets: Mapping[str, Candles]) -> float | None:
    """Return the worth of each entry, in the quote currency, at which the mean trade earns nothing.

    The mean trade is that of the run, after its costs. None where it earns nothing as it is, and where volume
    or volatility are not known for any entry: the market's candles are not given, or tell no volume.
    """
    weights = _weights(trips, markets)
    known = np.isfinite(weights) & np.isfinite(trips.returns)
    if not known.any():
        return None
    earned, weight = float(trips.returns[known].mean()), float(weights[known].mean())
    if earned <= 0.0 or weight <= 0.0:
        return None
    # The mean of r - 2 √Q s / √V is zero.
    return (earned / (2.0 * weight)) ** 2


def impact(trips: RoundTrips, markets: Mapping[str, Candles], worth: float) -> NDArray[np.float64]:
    """Return what each trade would lose to its own weight at that worth of its entry, a fraction."""
    lost: NDArray[np.float64] = 2.0 * np.sqrt(worth) * _weights(trips, markets)
    return lost


def _weights(trips: RoundTrips, markets: Mapping[str, Candles]) -> NDArray[np.float64]:
    """Return s / √V of a day before each entry; NaN where it is not known."""
    found = np.full(len(trips), np.nan)
    for name in np.unique(trips.symbol):
        candles = markets.get(str(name))
        if candles is None or len(candles) < 2:
            continue
        rows = np.flatnonzero(trips.symbol == name)
        squares = np.concatenate([[0.0, 0.0], np.cumsum(np.diff(log(candles.close)) ** 2)])
        traded = np.concatenate([[0.0], np.cumsum(candles.volume * candles.close)])
        # Bars that had closed by the entry, of the last 30 days.
        end = np.searchsorted(candles.ts + candles.timeframe.ms, trips.entry_ms[rows], side="right")
        start = np.minimum(np.searchsorted(candles.ts, trips.entry_ms[rows] - DAYS * _DAY_MS), end)
        days = (end - start) * (candles.timeframe.ms / _DAY_MS)
        with np.errstate(divide="ignore", invalid="ignore"):
            variance, volume = (squares[end] - squares[start]) / days, (traded[end] - traded[start]) / days
            weight = np.sqrt(np.maximum(variance, 0.0) / volume)
        found[rows] = np.where((days >= 1.0) & (volume > 0.0), weight, np.nan)
    return found
