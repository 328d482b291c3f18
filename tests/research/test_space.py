"""The space of a search: what a person may write for a parameter's values, and how the sets are numbered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.research.space import made, read_space
from cryptai.strategies.ema_trend import EmaTrend
from cryptai.strategies.strategy import param


@dataclass(frozen=True)
class Fractional:
    name: ClassVar[str] = "fractional"
    share: float = param(0.5, low=0.0, high=1.0)
    count: int = param(3, low=1, high=10**9)


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("5:30:5", (5, 10, 15, 20, 25, 30)), ("5:8", (5, 6, 7, 8)), ("7", (7,)), (7, (7,)),
        ("5,9,7", (5, 9, 7)), ([5, "9"], (5, 9)), (range(5, 8), (5, 6, 7)), ("5:30:20", (5, 25, 30)),
        ("5:5:1", (5,)), ("3,5:7:1,6", (3, 5, 6, 7)), (np.array([4, 8]), (4, 8)),
    ],
)  # fmt: skip
def test_both_ends_of_a_range_are_in_it(written, values):
    assert read_space(EmaTrend, {"fast": written}).values["fast"] == values


def test_decimal_steps_do_not_drift():
    values = read_space(Fractional, {"share": "0.1:0.7:0.1"}).values["share"]
    assert values == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def test_a_switch_takes_true_and_false():
    assert read_space(EmaTrend, {"allow_short": "true,false"}).values["allow_short"] == (True, False)


def test_sets_are_numbered_like_an_odometer():
    space = read_space(EmaTrend, {"fast": "5:7:1", "slow": "20,30"})
    assert space.combinations == 6
    sets = [space.at(space.places(number)) for number in range(6)]
    assert sets[:3] == [{"fast": 5, "slow": 20}, {"fast": 5, "slow": 30}, {"fast": 6, "slow": 20}]
    assert [space.places_of(one) for one in sets] == [space.places(number) for number in range(6)]
    assert space.varied() == ["fast", "slow"]


@pytest.mark.parametrize(
    ("name", "written", "says"),
    [
        ("fast", "5:30:0", "above 0"), ("fast", "30:5:5", "must go up"), ("fast", "5:30:5:2", "from:to:step"),
        ("fast", "a:b:c", "in numbers"), ("fast", "", "a value"), ("fast", "5,,6", "a value"),
        ("fast", "5.5", "whole number"), ("fast", "1:30:5", "from 2 to 1000"), ("fast", "5:2000:5", "2000"),
        ("fast", "nan:30:1", "must go up"), ("fast", [], "has no value"), ("fats", "5:30:5", "fast"),
        ("allow_short", "0:1:1", "true,false"), ("fast", "5:inf:1", "must go up"),
        ("fast", {"a": 1}, "whole"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(name, written, says):
    with pytest.raises(InputError, match=says) as refused:
        read_space(EmaTrend, {name: written})
    assert refused.value.field == f"param.{name}"


@pytest.mark.parametrize(("name", "written"), [("count", "1:1000000000:1"), ("share", "0:1:0.000001")])
def test_a_range_of_too_many_values_is_refused_before_it_is_laid_out(name, written):
    with pytest.raises(InputError, match=r"1,000,00\d(,000)? values, and 100,000 are the most"):
        read_space(Fractional, {name: written})


def test_a_set_that_the_strategy_refuses_is_none():
    assert made(EmaTrend, {"fast": 30, "slow": 20}) is None
    assert made(EmaTrend, {"fast": 10, "slow": 20}) == EmaTrend(10, 20)


def test_a_check_that_breaks_is_told_as_the_persons_own():
    class Broken(EmaTrend):
        name = "broken"

        def check(self):
            raise ZeroDivisionError("x")

    with pytest.raises(InputError, match="broken failed to check its parameters: ZeroDivisionError"):
        made(Broken, {"fast": 5})
