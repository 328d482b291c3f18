"""The company a strategy keeps on the bench: other markets beside the one under test, and funding.

All of it is made of the bars under test and their times, row by row: what the first n bars have for company
is what the whole history had for company then. So a replay at every cut also finds out who reads another
market's next bar, or funding that was not paid yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.funding import Funding, perpetual_of
from cryptai.research.worlds import walk
from cryptai.strategies.strategy import needs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.strategies.strategy import Strategy

    Floats = NDArray[np.float64]

_EVERY_MS: Final = 8 * 3_600_000
_SEED: Final = 2
_RATE: Final = 0.0004
# The others' ratio to the market under test swings by about so much, and forgets a sixth of it a bar.
_SWING: Final = 0.02
_STAYS: Final = 5 / 6
_BACK: Final = 24
_HOLES: Final = 41
_PRICES: Final = ("open", "high", "low", "close")


def company(strategy: Strategy, candles: Candles) -> list[Candles]:
    """Return the market under test and what the strategy sees beside it, each with its funding if needed."""
    markets = [candles]
    if hasattr(strategy, "signals_many"):
        markets += [_cointegrated(candles, 2), _cointegrated(candles, 3, root=True)]
    return [_paying(strategy, one, number) for number, one in enumerate(markets, start=1)]


def beside(strategy: Strategy, world: Candles, number: int) -> list[Candles]:
    """Return a world in which nothing can be won and what the strategy sees beside it: as fair, its own.

    Two walks for a strategy over several markets, which no other world has, so that what is won in one world
    says nothing of what is won in the next; and fair funding where it is needed.
    """
    markets = [world]
    for place in (2, 3) if hasattr(strategy, "signals_many") else ():
        made = walk(_SEED, 2 * number + place, len(world), str(world.timeframe))
        columns = {name: getattr(made, name) for name in COLUMNS} | {"ts": world.ts}
        markets.append(_named(columns, world, place))
    return [_paying(strategy, one, place) for place, one in enumerate(markets, start=1)]


def _paying(strategy: Strategy, candles: Candles, number: int) -> Candles:
    # With funding where the strategy needs it: rates of which none tells the next.
    if "funding" not in needs_of(type(strategy)) or not len(candles):
        return candles
    first, last = int(candles.ts[0]) // _EVERY_MS + 1, int(candles.close_ts[-1]) // _EVERY_MS
    ts = np.arange(first, last + 1, dtype=np.int64) * _EVERY_MS
    name = perpetual_of(candles.symbol)
    return candles.with_funding(Funding(name, ts, _RATE * _noise(ts, -number)))


def _cointegrated(candles: Candles, number: int, *, root: bool = False) -> Candles:
    # A price that keeps returning to the market's own, or to its square root: pairs are found at once.
    ratio = np.ones(len(candles))
    share = _SWING
    for back in range(_BACK):
        ratio += share * _noise(candles.ts - back * candles.timeframe.ms, number)
        share *= _STAYS
    ratio = np.maximum(ratio, 0.2)
    prices = {name: getattr(candles, name) for name in _PRICES}
    columns: dict[str, Any] = {name: (np.sqrt(one) if root else one) * ratio for name, one in prices.items()}
    columns |= {"ts": candles.ts, "volume": candles.volume}
    there = _mixed(candles.ts, number) % np.uint64(_HOLES) != 0
    return _named({name: column[there] for name, column in columns.items()}, candles, number)


def _named(columns: dict[str, Any], candles: Candles, number: int) -> Candles:
    # After the market itself in any order by name.
    base, _, quote = candles.symbol.partition("/")
    return Candles(**columns, symbol=f"{base}{number}/{quote}", timeframe=candles.timeframe)


def _noise(ts: NDArray[np.int64], number: int) -> Floats:
    """Return numbers about 0 with a deviation of 1, each of its time and nothing else: four dice added."""
    dice = _mixed(ts, number)[:, None] >> np.array([0, 16, 32, 48], np.uint64) & np.uint64(0xFFFF)
    total = dice[:, 0] + dice[:, 1] + dice[:, 2] + dice[:, 3]
    return np.asarray((total.astype(np.float64) - 131_070.0) * (np.sqrt(3.0) / 65_536.0))


def _mixed(ts: NDArray[np.int64], number: int) -> NDArray[np.uint64]:
    # SplitMix64 (Steele, Lea and Flood 2014): neighbouring times have nothing in common.
    with np.errstate(over="ignore"):
        z = ts.astype(np.uint64) + np.uint64(number * 0x9E3779B97F4A7C15 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
