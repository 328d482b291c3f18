"""How much to buy or sell, as one compiled scalar that backtest, paper and a form's preview share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.jit import njit

if TYPE_CHECKING:
    from cryptai.portfolio.rules import Rules


@njit
def quantity(equity: float, price: float, fee: float, rules: Rules) -> float:
    """Return the amount of the base currency for a new position filled at `price`.

    `equity × size / (price × (1 + fee))`, so that price and fee together cost that share; with `risk`, no
    more than loses that share of the equity between the fill and the stop. Zero if there is no equity.
    """
    if not equity > 0.0:
        return 0.0
    most = equity * rules.size / (price * (1.0 + fee))
    if rules.risk > 0.0:  # false for NaN: off
        at_risk = equity * rules.risk / (price * rules.stop)
        return min(most, at_risk)
    return most
