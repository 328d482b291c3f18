"""Costs: what the market takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptai.errors import InputError

if TYPE_CHECKING:
    from cryptai.portfolio.rules import Rules


class Costs(NamedTuple):
    """Fractions of the traded value. Slippage is always against us; a target, being a limit, has none.

    How each acts on a fill stands in docs/guide/execution.md.

    fee, maker
        Fee of an order that takes from the book, and of one that rested in it (NaN: the same).
    slippage
        Share of the price by which each market fill is worse.
    spread
        Full spread; each market fill pays half of it.
    slippage_volatility
        Slippage as a multiple of the true range over the close of the bar before the fill.
    impact
        Slippage of the square root law: `impact × sqrt(quantity / volume)` of the bar before the fill.
    max_volume_share
        Most of the volume of the bar before the fill that an entry may take. NaN: any.
    borrow
        Yearly rate on what is borrowed: a short's worth, a leveraged long's part above its margin.
    """

    fee: float = 0.001
    slippage: float = 0.0005
    maker: float = math.nan
    spread: float = 0.0
    slippage_volatility: float = 0.0
    impact: float = 0.0
    max_volume_share: float = math.nan
    borrow: float = 0.0

    def told(self) -> dict[str, float]:
        """Return what a reader of a result is told: fee and slippage, and each other cost that is on."""
        off = Costs()
        return {
            name: value
            for i, (name, value) in enumerate(self._asdict().items())
            if i < FIRST or not (value == off[i] or (math.isnan(value) and math.isnan(off[i])))
        }

    def plain(self) -> bool:
        """Say whether only fee and slippage are on: what one market's fast road knows."""
        return len(self.told()) == FIRST


FIRST: Final = 2
_MAY_BE_OFF: Final = ("maker", "max_volume_share")
_MOST: Final = {"slippage_volatility": 10.0, "impact": 10.0, "max_volume_share": 1.0, "borrow": 10.0}


def check_costs(costs: Costs) -> Costs:
    """Return the costs, or refuse those outside [0, 1) or their own range; `field` is the cost's name."""
    for name, value in costs._asdict().items():
        if name in _MAY_BE_OFF and math.isnan(value):
            continue
        most = _MOST.get(name)
        if most is not None:
            if not 0.0 <= value <= most or (name == "max_volume_share" and value == 0.0):
                raise InputError(f"{name} must be from 0 to {most:g}, was {value:g}.", field=name)
        elif not (math.isfinite(value) and 0.0 <= value < 1.0):
            raise InputError(
                f"{name} must be 0 or more and below 1 (0.001 is 0.1 %), was {value:g}.", field=name
            )
    return costs


def check_target_pays(rules: Rules, costs: Costs, *, rests: bool = False) -> None:
    """Refuse a target that both fees eat: each trade that reaches it would lose.

    The target is measured from the fill, slippage included, and fills as a limit order: the entry pays `fee`
    (or the maker's, where `rests` says that entries may be limit orders), the exit the maker's fee on the
    higher worth.

    Raises
    ------
    InputError
        With the lowest target that pays; `field` is `target`.
    """
    maker = costs.fee if math.isnan(costs.maker) else costs.maker
    least = ((min(costs.fee, maker) if rests else costs.fee) + maker) / (1.0 - maker)
    if 0.0 < rules.target <= least and least > 0.0:
        raise InputError(
            f"A target of {rules.target:g} does not pay the fees of the round trip; it must be above "
            f"{least:.3g}.",
            field="target",
        )
