"""Rules at their edges: the last value that is allowed, and the first that is not."""

from __future__ import annotations

import math

import pytest

from cryptai.errors import InputError
from cryptai.portfolio.rules import Rules, check_rules

NAN = math.nan
LEAST = 5e-324


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(stop=NAN, target=NAN),
        Rules(stop=NAN, target=LEAST),
        Rules(stop=LEAST, target=999.0),
        Rules(stop=0.5, target=0.75),  # 1.5 to the bit
        Rules(stop=0.04, target=0.06),  # 1.5 on paper, a little less in floats
        Rules(size=1.0, risk=0.999),
        Rules(stop=math.nextafter(1.0, 0.0), target=NAN),
    ],
)
def test_what_can_be_kept_comes_back(rules: Rules) -> None:
    assert check_rules(rules) is rules


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (Rules(stop=0.0), "stop"),
        (Rules(stop=1.0), "stop"),
        (Rules(stop=-0.1), "stop"),
        (Rules(stop=math.inf), "stop"),
        (Rules(target=0.0), "target"),
        (Rules(target=1000.0), "target"),
        (Rules(target=0.119), "target"),
        (Rules(size=0.0), "size"),
        (Rules(size=math.nextafter(1.0, 2.0)), "size"),
        (Rules(size=NAN), "size"),
        (Rules(risk=0.0), "risk"),
        (Rules(risk=1.0), "risk"),
        (Rules(stop=NAN, target=NAN, risk=0.01), "risk"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(rules: Rules, field: str) -> None:
    with pytest.raises(InputError) as told:
        check_rules(rules)
    assert told.value.field == field


def test_a_short_cannot_gain_more_than_the_whole_price() -> None:
    wide = Rules(stop=0.5, target=1.5)
    assert check_rules(wide) is wide
    with pytest.raises(InputError, match="no price falls below zero"):
        check_rules(wide, shorts=True)


@pytest.mark.parametrize("least", [-0.1, NAN, math.inf])
def test_a_least_reward_that_is_none_is_refused(least: float) -> None:
    with pytest.raises(InputError) as told:
        check_rules(Rules(), min_reward_risk=least)
    assert told.value.field == "min_reward_risk"


def test_the_way_out_of_too_little_reward_is_one() -> None:
    with pytest.raises(InputError, match=r"raise the target to 0\.12") as told:
        check_rules(Rules(stop=0.08, target=0.1))
    assert told.value.field == "target"
    assert check_rules(Rules(stop=0.08, target=0.12))
