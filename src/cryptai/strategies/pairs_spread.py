"""Trade the spread of two markets back to its mean: long what is cheap, short what is dear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np

from cryptai.errors import InputError
from cryptai.signals import Signals
from cryptai.strategies.strategy import param, strategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

# The share of the bars of a window that both markets must have.
_WHOLE: Final = 0.9
# MacKinnon (2010), table 2: two series, a constant, 5 %; the value for n residuals is a + b / n + c / n².
_CRITICAL: Final = (-3.33613, -6.1101, -6.823)


class Pair(NamedTuple):
    """Two markets that are traded against each other from one choice to the next.

    Attributes
    ----------
    from_ms, until_ms
        When its bars open: it was found in those before.
    first, second
        Symbols; the spread is log(first) - `hedge` log(second) - `mean`.
    hedge, mean, deviation
        Slope and constant of the regression, and the standard deviation of what it leaves.
    half_life
        Bars after which half of a deviation is gone.
    statistic
        Of the Dickey-Fuller test of what the regression leaves; the lower, the surer it returns.
    """

    from_ms: int
    until_ms: int
    first: str
    second: str
    hedge: float
    mean: float
    deviation: float
    half_life: float
    statistic: float


@strategy
@dataclass(frozen=True)
class PairsSpread:
    """Trade up to `hold` pairs of markets whose spread kept coming back, until it is back or too far gone.

    Every `every` bars of the clock, counted from 1970, each two markets are looked at over the `lookback`
    bars before: the logarithm of one price is regressed on that of the other, and the pair is taken if what
    is left returns to its mean (the test of Engle and Granger 1987 at 5 %) by half within `half_life` bars
    (Ornstein and Uhlenbeck's, from a regression on the value before) and the two move the same way. The
    surest come first, and a market is in one pair. Until the next choice hedge ratio, mean and deviation stay
    as they were found: the spread is sold `enter` deviations above its mean, bought as far below, left within
    `leave`, and given up beyond `give_up`. Pairs found in one period and traded in the next are those of
    Gatev, Goetzmann and Rouwenhorst (2006). Each pair has an equal part of the equity, shared by the hedge
    ratio.
    """

    lookback: int = param(180, low=30, high=5000, meaning="bars in which pairs are looked for", unit="bars")
    every: int = param(60, low=2, high=2000, meaning="bars a choice of pairs is traded", unit="bars")
    enter: float = param(2.0, low=0.5, high=10, meaning="deviations from the mean that are worth a position")
    leave: float = param(0.5, low=0, high=5, meaning="deviations from the mean at which it is left")
    give_up: float = param(4.0, low=1, high=20, meaning="deviations at which the pair is no pair any more")
    half_life: float = param(30, low=1, high=1000, meaning="longest half-life of the spread", unit="bars")
    hold: int = param(3, low=1, high=50, meaning="pairs held at most")
    cointegrated: bool = param(True, meaning="pairs must pass the test of Engle and Granger")

    needs: ClassVar[tuple[str, ...]] = ("others",)
    allow_short: ClassVar[bool] = True
    # Positions end with the spread, not at a price of one leg.
    stop: ClassVar[float] = math.nan
    target: ClassVar[float] = math.nan
    unscanned: ClassVar[str] = (
        "its stop and its target are of the spread of two markets, so a leg has neither"
    )

    def check(self) -> None:
        """Refuse levels that do not go together."""
        if not self.leave < self.enter < self.give_up:
            raise InputError(
                f"leave ({self.leave:g}) must be below enter ({self.enter:g}), and that below give_up "
                f"({self.give_up:g}).",
                field="param.leave",
            )

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        del timeframe
        return self.lookback + self.every + 1

    def signals_many(self, markets: Mapping[str, Candles]) -> dict[str, Signals]:
        """Say what share of the equity each leg should have, where a spread is entered or left."""
        weights = {symbol: self._ends(candles) for symbol, candles in markets.items()}
        part = 1.0 / min(self.hold, max(1, len(markets) // 2))
        for pair in self.pairs(markets):
            one, other = (
                markets[name].between(pair.from_ms, pair.until_ms) for name in (pair.first, pair.second)
            )
            ts, rows, others = np.intersect1d(one.ts, other.ts, assume_unique=True, return_indices=True)
            spread = np.log(one.close[rows]) - pair.hedge * np.log(other.close[others]) - pair.mean
            held = part / (1.0 + pair.hedge)
            for at, side in self._turns(spread / pair.deviation):
                for name, weight in ((pair.first, side * held), (pair.second, -side * held * pair.hedge)):
                    weights[name][np.searchsorted(markets[name].ts, ts[at])] = weight + 0.0
        return {
            symbol: _told(weights[symbol], [name for name in markets if name != symbol]) for symbol in markets
        }

    def pairs(self, markets: Mapping[str, Candles]) -> list[Pair]:
        """Return the pairs that were chosen over these bars, in the order of time."""
        frames = {candles.timeframe.ms for candles in markets.values() if len(candles)}
        if not frames:
            return []
        bar = frames.pop()
        logs = {symbol: np.log(candles.close) for symbol, candles in markets.items()}
        chosen: list[Pair] = []
        for start in _periods(list(markets.values()), bar * self.every):
            rows = {
                symbol: slice(*np.searchsorted(candles.ts, (start - bar * self.lookback, start)))
                for symbol, candles in markets.items()
            }
            found = []
            for first, second in combinations(sorted(markets), 2):
                one, other = rows[first], rows[second]
                if min(one.stop - one.start, other.stop - other.start) < _WHOLE * self.lookback:
                    continue
                pair = self._pair(
                    (start, start + bar * self.every, first, second),
                    (markets[first].ts[one], logs[first][one]),
                    (markets[second].ts[other], logs[second][other]),
                )
                if pair is not None:
                    found.append(pair)
            taken: set[str] = set()
            for pair in sorted(found, key=lambda one: (one.statistic, one.first, one.second)):
                if len(taken) < 2 * self.hold and not taken & {pair.first, pair.second}:
                    taken |= {pair.first, pair.second}
                    chosen.append(pair)
        return chosen

    def _pair(
        self,
        named: tuple[int, int, str, str],
        first: tuple[NDArray[np.int64], NDArray[np.float64]],
        second: tuple[NDArray[np.int64], NDArray[np.float64]],
    ) -> Pair | None:
        _, rows, others = np.intersect1d(first[0], second[0], assume_unique=True, return_indices=True)
        if len(rows) < _WHOLE * self.lookback:
            return None
        fitted = _line(second[1][others], first[1][rows])
        if fitted is None or not fitted[0] > 0.0:
            return None
        hedge, mean, rest = fitted
        deviation = math.sqrt(_sum(rest * rest) / (len(rest) - 2))
        returning = _returning(rest)
        if returning is None or not deviation > 0.0:
            return None
        half_life, statistic = returning
        if half_life > self.half_life or (self.cointegrated and statistic > _critical(len(rest) - 1)):
            return None
        return Pair(*named, hedge, mean, deviation, half_life, statistic)

    def _turns(self, away: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
        """Yield where a spread, in deviations, is entered (1 bought, -1 sold) and left (0), by its values."""
        side = 0
        for at, value in enumerate(away.tolist()):
            if abs(value) >= self.give_up:
                if side:
                    yield at, 0
                return
            if side == 0 and abs(value) >= self.enter:
                side = -1 if value > 0.0 else 1
                yield at, side
            elif side and side * value >= -self.leave:
                side = 0
                yield at, 0

    def _ends(self, candles: Candles) -> NDArray[np.float64]:
        # What a choice left open ends with the next one.
        weight = np.full(len(candles), np.nan)
        period = candles.ts // (candles.timeframe.ms * self.every)
        weight[1:][period[1:] != period[:-1]] = 0.0
        return weight


def _periods(markets: Sequence[Candles], length: int) -> list[int]:
    # The times of choice from the first bar to the last one.
    known = [one.ts for one in markets if len(one)]
    first, last = min(int(ts[0]) for ts in known), max(int(ts[-1]) for ts in known)
    return list(range(first // length * length, last + 1, length))


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, NDArray[np.float64]] | None:
    """Return slope, constant and residuals of y on x by least squares; None where x stands still."""
    middle, level = _sum(x) / len(x), _sum(y) / len(y)
    x, y = x - middle, y - level
    spread = _sum(x * x)
    if not spread > 0.0:
        return None
    slope = _sum(x * y) / spread
    return slope, level - slope * middle, y - slope * x


def _returning(rest: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return half-life and Dickey-Fuller statistic of residuals; None for those that do not return at all.

    Their change is regressed on the value before, without a constant: their mean is 0. Without lagged
    changes, too.
    """
    before, change = rest[:-1], np.diff(rest)
    squares = _sum(before * before)
    if not squares > 0.0:
        return None
    pull = _sum(before * change) / squares
    left = change - pull * before
    error = math.sqrt(_sum(left * left) / (len(left) - 1) / squares)
    if not (-1.0 < pull < 0.0 and error > 0.0):
        return None
    return -math.log(2.0) / math.log1p(pull), pull / error


def _critical(n: int) -> float:
    level, first, second = _CRITICAL
    return level + first / n + second / n**2


def _sum(values: NDArray[np.float64]) -> float:
    # One after another: how NumPy's own sum adds may depend on where an array lies.
    return float(np.cumsum(values)[-1])


def _told(weight: NDArray[np.float64], others: Sequence[str]) -> Signals:
    none = np.zeros(len(weight), np.int8)
    other = others[0] if len(others) == 1 else "the other leg of its pair, entered at the same bar"
    return Signals(none, none, f"cheap against {other}", f"dear against {other}", weight=weight)
