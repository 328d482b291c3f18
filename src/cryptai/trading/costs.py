"""Costs: what the market takes."""

from __future__ import annotations

import math
from typing import NamedTuple

from cryptai.errors import InputError


class Costs(NamedTuple):
    """Fractions of the traded value. Slippage is always against us; a target, being a limit, has none."""

    fee: float = 0.001
    slippage: float = 0.0005


def check_costs(costs: Costs) -> Costs:
    """Return the costs, or refuse those outside [0, 1)."""
    for name, value in costs._asdict().items():
        if not (math.isfinite(value) and 0.0 <= value < 1.0):
            raise InputError(
                f"{name} must be 0 or more and below 1 (0.001 is 0.1 %), was {value:g}.", field=name
            )
    return costs
