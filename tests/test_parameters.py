"""Parameters: read as a person writes them, refused by name."""

from __future__ import annotations

import pytest

from cryptai.errors import InputError, UnknownName
from cryptai.parameters import Parameter, read_all

PERIOD = Parameter("period", int, 14, 2, 100)
FACTOR = Parameter("factor", float, 2.0, 0.1, 20)
BY = Parameter("by", str, "close", choices=("close", "wick"))
DECLARED = {one.name: one for one in (PERIOD, BY)}
SHORT = Parameter("allow_short", bool, default=False)


@pytest.mark.parametrize(
    ("parameter", "given", "read"),
    [
        (PERIOD, "14", 14), (PERIOD, 14.0, 14), (PERIOD, 2, 2), (PERIOD, 100, 100),
        (FACTOR, "1e0", 1.0), (FACTOR, 3, 3.0), (BY, "wick", "wick"),
        (SHORT, "yes", True), (SHORT, " Off ", False), (SHORT, True, True), (SHORT, 1, True),
    ],
)  # fmt: skip
def test_it_is_read_in_its_type(parameter, given, read):
    found = parameter.read(given)
    assert found == read
    assert type(found) is parameter.type


@pytest.mark.parametrize(
    ("parameter", "given", "sentence"),
    [
        (PERIOD, "1", "period must be from 2 to 100, was 1."),
        (PERIOD, 101, "period must be from 2 to 100, was 101."),
        (PERIOD, "14.5", "period must be a whole number, was '14.5'."),
        (PERIOD, True, "period must be a whole number, was 'True'."),
        (PERIOD, None, "period must be a whole number, was 'None'."),
        (FACTOR, "nan", "factor must be a number, was 'nan'."),
        (FACTOR, "1e999", "factor must be a number, was '1e999'."),
        (FACTOR, "x" * 99, f"factor must be a number, was '{'x' * 40}'."),
        (SHORT, "perhaps", "allow_short must be true or false, was 'perhaps'."),
    ],
)
def test_what_cannot_be_is_refused_with_the_value(parameter, given, sentence):
    with pytest.raises(InputError) as refused:
        parameter.read(given, field="param.x")
    assert str(refused.value) == sentence
    assert refused.value.field == "param.x"


def test_another_choice_is_refused_with_the_near_ones():
    with pytest.raises(UnknownName, match="did you mean wick"):
        BY.read("wik")


def test_an_unknown_name_is_refused_with_the_near_ones():
    with pytest.raises(
        UnknownName, match="There is no parameter of rsi named 'perod'; did you mean period"
    ) as e:
        read_all(DECLARED, {"perod": 3}, of="rsi")
    assert e.value.field == "param.perod"
    assert read_all(DECLARED, {"by": "wick", "period": "3"}, of="rsi") == {"by": "wick", "period": 3}
