"""How much to buy or sell, as compiled scalars that backtest, paper and a form's preview share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.jit import njit

if TYPE_CHECKING:
    from cryptai.portfolio.rules import Rules

# Trades that must have ended before Kelly's fraction is looked at.
KELLY_TRADES: Final = 30
# How far a number may lie from a multiple of the step by rounding alone.
_TOLERANCE: Final = 1e-9


@njit(inline=True)
def amount(
    equity: float, price: float, fee: float, size: float, leverage: float, risk: float, distance: float
) -> float:
    """Return the quantity that costs `equity × size` at `price`, its margin and fee together.

    With `risk`, no more than loses that share of the equity over `distance`, a difference of prices. NaN
    switches either off.
    """
    most = equity * size / (price * (1.0 / leverage + fee))
    if risk > 0.0 and distance > 0.0:  # false for NaN: off
        return min(most, equity * risk / distance)
    return most


@njit
def quantity(equity: float, price: float, fee: float, rules: Rules) -> float:
    """Return the amount of the base currency for a new position filled at `price`.

    `equity × size / (price × (1 + fee))`, so that price and fee together cost that share; with `risk`, no
    more than loses that share of the equity between the fill and the stop. Zero if there is no equity.
    """
    if not equity > 0.0:
        return 0.0
    return amount(equity, price, fee, rules.size, 1.0, rules.risk, price * rules.stop)


@njit
def kelly_fraction(wins: int, losses: int, closed: int, won: float, lost: float) -> float:
    """Return the fraction that Kelly's criterion stakes, `W - (1 - W) / R`; NaN under 30 closed trades.

    W is the share of trades that won, R the mean gain over the mean loss (Kelly 1956). Without a loss
    it is W, without a win 0. `won` and `lost` are sums, both above zero.
    """
    if closed < KELLY_TRADES:
        return math.nan
    rate = wins / closed
    if losses == 0 or wins == 0:
        return rate
    return rate - (1.0 - rate) / ((won / wins) / (lost / losses))


@njit
def round_down(value: float, step: float) -> float:
    """Return the multiple of `step` at or below `value`; the value itself for a step of 0 or NaN."""
    if not step > 0.0:
        return value
    return np.floor(value / step + _TOLERANCE) * step  # type: ignore[no-any-return]


@njit
def round_up(value: float, step: float) -> float:
    """Return the multiple of `step` at or above `value`; the value itself for a step of 0 or NaN."""
    if not step > 0.0:
        return value
    return np.ceil(value / step - _TOLERANCE) * step  # type: ignore[no-any-return]
