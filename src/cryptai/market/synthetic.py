"""A synthetic market, hour by hour: what a price is follows from seed, symbol and time alone.

Two floors, drawn in blocks of 64 days that are seeded by (seed, floor, name, block):

- days, in sequence from `GENESIS_DAY` on: one factor of the market and one of each coin, with GARCH(1,1)
  volatility, a three-state trend (Markov), occasional jumps and a weak pull back to its anchor;
- hours: Gaussian bridges between the days, with a season of the day and short bursts of volatility. An
  hour's high and low have the law of a Brownian bridge's maximum, `(r + sqrt(r² - 2 σ² ln U)) / 2`.

The log price of a coin is `log(anchor) + beta * market + own`, so coins move together. Nothing here knows
what time it is now. Prices lie on the coin's tick, volumes on eighths: their sums are exact in any order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai import seams
from cryptai.market.timeframe import DAY_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GENESIS_DAY: Final = 17_168
"""2017-01-02, a Monday, in days since 1970: the first day of the synthetic market."""
GENESIS_MS: Final = GENESIS_DAY * DAY_MS
BLOCK_DAYS: Final = 64
_BLOCK_HOURS: Final = BLOCK_DAYS * 24
_STAGE: Final = 16  # blocks of days that are drawn at a time, some three years


class Coin(NamedTuple):
    """What is particular about a coin."""

    anchor: float  # the price it is pulled back to
    decimals: int  # of its prices
    beta: float  # how much of the market's moves it takes part in
    volatility: float  # daily standard deviation of its own factor
    turnover: float  # quote currency traded in an average hour


COINS: Final = {
    "BTC/USDT": Coin(62_000.0, 2, 1.00, 0.010, 70e6),
    "ETH/USDT": Coin(2_900.0, 2, 1.15, 0.016, 40e6),
    "BNB/USDT": Coin(560.0, 2, 0.90, 0.016, 9e6),
    "SOL/USDT": Coin(140.0, 2, 1.25, 0.028, 16e6),
    "XRP/USDT": Coin(0.75, 4, 1.00, 0.028, 12e6),
    "DOGE/USDT": Coin(0.16, 5, 1.10, 0.032, 9e6),
    "ADA/USDT": Coin(0.52, 4, 1.10, 0.024, 4e6),
    "TRX/USDT": Coin(0.17, 5, 0.70, 0.018, 3e6),
    "AVAX/USDT": Coin(30.0, 2, 1.20, 0.028, 3e6),
    "LINK/USDT": Coin(15.0, 3, 1.10, 0.024, 3e6),
    "DOT/USDT": Coin(6.5, 3, 1.10, 0.022, 2e6),
    "LTC/USDT": Coin(82.0, 2, 0.95, 0.020, 3e6),
}
_MARKET: Final = "market"
_MARKET_VOLATILITY: Final = 0.021
_NAMES: Final = (_MARKET, *COINS)

# A shock counts a tenth and is half forgotten after 17 days; a day has 0.45 to 2.8 of the usual volatility.
_ARCH, _GARCH, _LEAST, _MOST = 0.10, 0.86, 0.2, 8.0
_TREND_DAYS: Final = 40.0
_TREND: Final = 0.20  # drift of a trend, in standard deviations a day
_PULL: Final = 1 / 300.0
_JUMPS_A_DAY: Final = 0.015
_JUMP: Final = 2.5  # standard deviation of a jump, in usual days


class Hours(NamedTuple):
    """Whole hours of one coin: bar values, and the log standard deviation that each was drawn with."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    volatility: Floats


def hours(seed: int, symbol: str, first: int, end: int) -> Hours:
    """Return the hours `[first, end)` of a coin, counted from 1970; those before the genesis are left out."""
    origin = GENESIS_DAY * 24
    first, end = max(first - origin, 0), max(end - origin, 0)
    if end <= first:
        return Hours(*(np.empty(0) for _ in Hours._fields))
    blocks = range(first // _BLOCK_HOURS, (end - 1) // _BLOCK_HOURS + 1)
    parts = [_coin_hours(seed, symbol, block) for block in blocks]
    cut = slice(first - blocks[0] * _BLOCK_HOURS, end - blocks[0] * _BLOCK_HOURS)
    return Hours(*(np.concatenate(columns)[cut] for columns in zip(*parts, strict=True)))


@lru_cache(maxsize=256)
def _coin_hours(seed: int, symbol: str, block: int) -> Hours:
    coin = COINS[symbol]
    market, market_vol, _ = _factor_hours(seed, _MARKET, block)
    own, own_vol, random = _factor_hours(seed, symbol, block)
    level = np.log(coin.anchor) + coin.beta * market + own
    price = np.round(np.exp(level), coin.decimals)
    change = np.diff(level)
    vol = np.sqrt((coin.beta * market_vol) ** 2 + own_vol**2)
    up, down = -2.0 * vol**2 * np.log(1.0 - random[:2])
    top = np.exp(level[:-1] + 0.5 * (change + np.sqrt(change**2 + up)))
    bottom = np.exp(level[:-1] + 0.5 * (change - np.sqrt(change**2 + down)))
    opens, close = price[:-1], price[1:]
    high = np.maximum(np.round(top, coin.decimals), np.maximum(opens, close))
    low = np.minimum(np.round(bottom, coin.decimals), np.minimum(opens, close))
    usual = np.hypot(coin.beta * _MARKET_VOLATILITY, coin.volatility) / np.sqrt(24.0)
    # More is traded when prices move: with the hour's volatility, and with what it then came to.
    stir = 0.25 + 0.5 * vol / usual + 0.25 * np.abs(change) / usual
    spread = np.exp(0.7 * (random[2] - 0.5))
    volume = np.round(coin.turnover / close * stir * spread * 8.0) / 8.0
    return Hours(opens, high, low, close, volume, vol)


@lru_cache(maxsize=64)
def _factor_hours(seed: int, name: str, block: int) -> tuple[Floats, Floats, Floats]:
    # Log level at each hour's open and at the block's end, volatility of each hour, three uniforms an hour.
    days = _days(seed, block // _STAGE + 1)
    column = _NAMES.index(name)
    here = slice(block * BLOCK_DAYS, (block + 1) * BLOCK_DAYS)
    random = seams.rng([seed, 2, *name.encode(), block])
    shocks = random.standard_normal((BLOCK_DAYS, 24))
    knots = random.standard_normal(_BLOCK_HOURS // 4 + 1)
    uniforms = random.random((3, _BLOCK_HOURS))
    clock = np.arange(_BLOCK_HOURS)
    bursts = np.interp(clock, np.arange(len(knots)) * 4, knots)
    season = 1.0 + 0.35 * np.cos((clock % 24 - 15) * (np.pi / 12))
    share = (season * np.exp(0.45 * bursts)).reshape(BLOCK_DAYS, 24) ** 2
    share /= share.sum(axis=1, keepdims=True)
    vol = days.volatility[here, column, None] * np.sqrt(share)
    steps = vol * shocks
    steps += share * (days.drift[here, column, None] - steps.sum(axis=1, keepdims=True))
    steps[np.arange(BLOCK_DAYS), days.jump_hour[here, column]] += days.jump[here, column]
    # Each day is pinned to its level, so that a block ends to the bit where the next begins.
    starts = days.level[block * BLOCK_DAYS : (block + 1) * BLOCK_DAYS + 1, column]
    level = starts[:-1, None] + np.cumsum(steps, axis=1) - steps
    return np.append(level.ravel(), starts[-1]), vol.ravel(), uniforms


class _Days(NamedTuple):
    level: Floats  # at the opens, one more than there are days; columns are _NAMES
    drift: Floats  # what a day comes to without its jump
    volatility: Floats
    jump: Floats
    jump_hour: NDArray[np.int64]


@lru_cache(maxsize=4)
def _days(seed: int, stages: int) -> _Days:
    # A later stage begins with the very days of an earlier one: the recursion only ever goes on.
    normal, uniform = _day_draws(seed, stages * _STAGE)
    usual = np.array([_MARKET_VOLATILITY, *(coin.volatility for coin in COINS.values())])
    n = len(normal)
    level = np.zeros((n + 1, len(usual)))
    drift, vol = np.empty((n, len(usual))), np.empty((n, len(usual)))
    jump = np.where(uniform[..., 0] < _JUMPS_A_DAY, _JUMP * usual * normal[..., 1], 0.0)
    turns = uniform[..., 1] < 1.0 / _TREND_DAYS
    states = np.floor(uniform[..., 2] * 3.0) - 1.0
    variance, trend = np.ones(len(usual)), states[0]
    for day in range(n):
        trend = np.where(turns[day], states[day], trend)
        shock = np.sqrt(variance) * normal[day, :, 0]
        vol[day] = usual * np.sqrt(variance)
        drift[day] = usual * (shock + _TREND * trend) - _PULL * level[day]
        level[day + 1] = level[day] + drift[day] + jump[day]
        variance = (1.0 - _ARCH - _GARCH) + _ARCH * shock**2 + _GARCH * variance
        variance = np.minimum(np.maximum(variance, _LEAST), _MOST)
    return _Days(level, drift, vol, jump, np.floor(uniform[..., 3] * 24.0).astype(np.int64))


def _day_draws(seed: int, blocks: int) -> tuple[Floats, Floats]:
    normal = np.empty((blocks * BLOCK_DAYS, len(_NAMES), 2))
    uniform = np.empty((blocks * BLOCK_DAYS, len(_NAMES), 4))
    for column, name in enumerate(_NAMES):
        for block in range(blocks):
            here = slice(block * BLOCK_DAYS, (block + 1) * BLOCK_DAYS)
            random = seams.rng([seed, 1, *name.encode(), block])
            normal[here, column] = random.standard_normal((BLOCK_DAYS, 2))
            uniform[here, column] = random.random((BLOCK_DAYS, 4))
    return normal, uniform
