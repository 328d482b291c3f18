"""Take the funding that a perpetual's holders pay, hedged by its spot market where that is there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cryptai.errors import InputError
from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.market.symbol import is_perpetual
from cryptai.market.timeframe import DAY_MS, Timeframe
from cryptai.signals import Signals
from cryptai.strategies.strategy import param, strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

_YEAR_MS: Final = 365 * DAY_MS
# The longest interval between payments of the venues that are read.
_INTERVAL_MS: Final = 8 * 3_600_000


@strategy
@dataclass(frozen=True)
class FundingCarry:
    """Be short a perpetual while its longs pay more than `enter` a year, long while its shorts do.

    What is paid is the mean rate of the last `payments` that had been made by the bar's close, as a rate a
    year; a position is left where that falls below `leave`. Where the spot market of a perpetual is in the
    same run, the short is half of the market's part and spot is bought with the other half: price then
    moves nothing but the difference of the two, and shorts that pay are left alone, since spot cannot be
    sold short without borrowing. Without it a spot market's bars stand for its perpetual. Each has an equal
    part of the equity. Carry as in Koijen, Moskowitz, Pedersen and Vrugt (2018), of crypto in Schmeling,
    Schrimpf and Todorov (2023).
    """

    payments: int = param(9, low=1, high=1000, meaning="payments whose mean is the carry")
    enter: float = param(0.2, low=0, high=10, meaning="mean rate a year that is worth a position")
    leave: float = param(0.05, low=0, high=10, meaning="mean rate a year below which it is left")

    needs: ClassVar[tuple[str, ...]] = ("funding",)
    allow_short: ClassVar[bool] = True
    # It ends with the carry, not at a price.
    stop: ClassVar[float] = math.nan
    target: ClassVar[float] = math.nan
    unscanned: ClassVar[str] = "its gain is what is paid while it is held, so no price is its target"

    def check(self) -> None:
        """Refuse levels that do not go together."""
        if not self.leave < self.enter:
            raise InputError(
                f"leave ({self.leave:g}) must be below enter ({self.enter:g}).", field="param.leave"
            )

    def memory(self, timeframe: str) -> int:
        """Return the bars after which the newest decision is that of the whole history."""
        return math.ceil((self.payments + 2) * _INTERVAL_MS / Timeframe(timeframe).ms) + 2

    def signals(self, candles: Candles) -> Signals:
        """Decide for one perpetual alone."""
        return self.signals_many({candles.symbol: candles})[candles.symbol]

    def signals_many(self, markets: Mapping[str, Candles]) -> dict[str, Signals]:
        """Decide for each market that pays funding, and for the spot of a perpetual as for the perpetual."""
        paying = {symbol: candles for symbol, candles in markets.items() if candles.funding is not None}
        spot_of = {
            symbol: spot
            for symbol in paying
            if is_perpetual(symbol) and (spot := symbol.partition(":")[0]) in markets and spot not in paying
        }
        part = 1.0 / max(1, len(paying))
        said = {symbol: _nothing(candles) for symbol, candles in markets.items()}
        for symbol, candles in paying.items():
            if symbol not in spot_of:
                said[symbol] = _told(self._weight(candles, part, hedged=False), candles, "")
                continue
            spot = spot_of[symbol]
            weight = self._weight(candles, part / 2.0, hedged=True)
            said[symbol] = _told(weight, candles, f", against {spot}")
            said[spot] = _told(_on(markets[spot], candles, -weight), markets[spot], f", against {symbol}")
        return said

    def carry(self, candles: Candles) -> NDArray[np.float64]:
        """Return the mean rate a year at each close; NaN before so many payments, or a day after the last."""
        found = np.full(len(candles), np.nan)
        funding = candles.funding
        if funding is None or len(funding) <= self.payments:
            return found
        total = np.zeros(len(funding) - self.payments)
        # One after another: how NumPy adds along an axis may depend on where the rows lie.
        for back in range(self.payments):
            total += funding.rate[self.payments - back : len(funding) - back]
        took = funding.ts[self.payments :] - funding.ts[: -self.payments]
        yearly = total * (_YEAR_MS / took)
        newest = np.searchsorted(funding.ts, candles.close_ts, side="right") - 1
        known = newest >= self.payments
        known[known] = candles.close_ts[known] - funding.ts[newest[known]] <= DAY_MS
        found[known] = yearly[newest[known] - self.payments]
        return found

    def _weight(self, candles: Candles, part: float, *, hedged: bool) -> NDArray[np.float64]:
        carry = self.carry(candles)
        weight = np.full(len(candles), np.nan)
        weight[crosses_below(carry, self.leave) | crosses_above(carry, -self.leave)] = 0.0
        weight[crosses_above(carry, self.enter)] = -part
        if not hedged:
            weight[crosses_below(carry, -self.enter)] = part
        return weight


def _on(candles: Candles, other: Candles, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    # What one market says, on the bars of another: where that has a hole, on its next bar.
    found = np.full(len(candles), np.nan)
    said = np.flatnonzero(~np.isnan(weight))
    rows = np.searchsorted(candles.ts, other.ts[said])
    there = rows < len(candles)
    found[rows[there]] = weight[said[there]] + 0.0  # of two for one bar, the later one
    return found


def _nothing(candles: Candles) -> Signals:
    return _told(np.full(len(candles), np.nan), candles, "")


def _told(weight: NDArray[np.float64], candles: Candles, against: str) -> Signals:
    none = np.zeros(len(candles), np.int8)
    short = f"longs pay shorts{against}"
    long = f"bought{against}" if against else "shorts pay longs"
    return Signals(none, none, long, short, weight=weight)
