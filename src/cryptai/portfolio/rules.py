"""Rules: every limit a run obeys, read by Python and by the kernel."""

from __future__ import annotations

import math
from typing import NamedTuple

from cryptai.errors import InputError

STOP = 0.08
TARGET = 0.15
MIN_REWARD_RISK = 1.5


class Rules(NamedTuple):
    """What a position may risk and how it ends. NaN switches a rule off (all fields stay floats).

    stop, target
        Distance of the bracket from the fill price, as a fraction of it: 0.08 is 8 %.
    size
        Share of the equity a new position costs, fee included: 1.0 is all of it.
    risk
        Share of the equity lost if the stop fills at its level, before costs; never more than `size`.
    """

    stop: float = STOP
    target: float = TARGET
    size: float = 1.0
    risk: float = math.nan


def check_rules(rules: Rules, *, min_reward_risk: float = MIN_REWARD_RISK, shorts: bool = False) -> Rules:
    """Return the rules, or refuse those that cannot be kept.

    Raises
    ------
    InputError
        For a stop or size outside (0, 1), a target not above 0 (nor below 1 where shorts are allowed: a price
        does not fall below zero), risk without a stop, or a target under `min_reward_risk` × stop.
    """
    if not (math.isnan(rules.stop) or 0.0 < rules.stop < 1.0):
        raise InputError(f"stop must be above 0 and below 1 (0.08 is 8 %), was {rules.stop:g}.", field="stop")
    if not (math.isnan(rules.target) or 0.0 < rules.target < (1.0 if shorts else 1000.0)):
        top = "1, since shorts are allowed and no price falls below zero" if shorts else "1000"
        raise InputError(
            f"target must be above 0 and below {top} (0.15 is 15 %), was {rules.target:g}.", field="target"
        )
    if not 0.0 < rules.size <= 1.0:
        raise InputError(
            f"size must be above 0 and at most 1 (1 is all equity), was {rules.size:g}.", field="size"
        )
    if not math.isnan(rules.risk):
        if not 0.0 < rules.risk < 1.0:
            raise InputError(
                f"risk must be above 0 and below 1 (0.01 is 1 %), was {rules.risk:g}.", field="risk"
            )
        if math.isnan(rules.stop):
            raise InputError(
                "risk is measured to the stop, and there is none; give a stop too.", field="risk"
            )
    if not (math.isfinite(min_reward_risk) and min_reward_risk >= 0.0):
        raise InputError(
            f"min_reward_risk must be 0 or more, was {min_reward_risk:g}.", field="min_reward_risk"
        )
    # The tolerance lets 0.06 over 0.04 be the 1.5 that it is on paper.
    if rules.target / rules.stop < min_reward_risk * (1 - 1e-12):
        raise InputError(
            f"A target of {rules.target:g} over a stop of {rules.stop:g} is a reward:risk of "
            f"{rules.target / rules.stop:.3g}, below the minimum of {min_reward_risk:g}; raise the target to "
            f"{rules.stop * min_reward_risk:g}, lower the stop, or set another min_reward_risk.",
            field="target",
        )
    return rules
