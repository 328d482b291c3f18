"""The way a synthetic price goes through one hour, second by second, touching exactly its high and low."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai import seams
from cryptai.market.synthetic import COINS, hours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SECONDS: Final = 3600
# The range of a random walk of n steps is about 1.6 √n of its steps (Feller 1951).
_STEP: Final = 1 / (1.6 * SECONDS**0.5)


class Path(NamedTuple):
    """One hour: price at each whole second, 0 to 3600, and the volume traded since its open."""

    price: Floats
    volume: Floats


@lru_cache(maxsize=128)
def path(seed: int, symbol: str, hour: int) -> Path:
    """Return the path of a coin through an hour, counted from 1970.

    It begins at the hour's open, ends at its close and volume, has its high and low as extremes, and lies on
    the coin's tick; so bars made of it agree to the bit with the hour it fills.
    """
    bar = hours(seed, symbol, hour, hour + 1)
    opens, high, low, close, volume = (float(values[0]) for values in bar[:5])
    random = seams.rng([seed, 3, *symbol.encode(), hour])
    walk = np.append(0.0, np.cumsum(random.standard_normal(SECONDS))) * _STEP * (high - low)
    first, second = np.sort(random.choice(np.arange(1, SECONDS), 2, replace=False))
    # A rising hour mostly makes its low first.
    low_first = random.random() < (0.75 if close > opens else 0.25)
    turns = (low, high) if low_first else (high, low)
    at = np.array([0, first, second, SECONDS])
    level = np.array([opens, *turns, close])
    # A bridge between the four known points, folded back where it would leave the hour's range.
    bridge = walk + np.interp(np.arange(SECONDS + 1), at, level - walk[at])
    price = np.round(_fold(bridge, low, high), COINS[symbol].decimals)
    price[at] = level
    traded = np.append(0.0, np.cumsum(random.standard_exponential(SECONDS)))
    done = np.floor(traded / traded[-1] * volume * 8.0) / 8.0
    done[-1] = volume
    price.flags.writeable = done.flags.writeable = False
    return Path(price, done)


def _fold(values: Floats, low: float, high: float) -> Floats:
    width = high - low
    if width <= 0.0:
        return np.full_like(values, low)
    way = np.mod(values - low, 2.0 * width)
    return np.clip(low + np.minimum(way, 2.0 * width - way), low, high)
