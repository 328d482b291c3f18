"""The space of a search: which values each parameter takes, and the sets that they make together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import CryptaiError, InputError, UnknownName
from cryptai.strategies.strategy import build, parameters
from cryptai.strategies.user import what_failed

if TYPE_CHECKING:
    from cryptai.parameters import Parameter, Value
    from cryptai.strategies.strategy import Strategy

MOST_VALUES: Final = 100_000
"""Values of one parameter; more is a slip of the step."""


@dataclass(frozen=True)
class Space:
    """Values by parameter, in the order in which they were given; every choice of one each is a set.

    Sets are numbered as an odometer counts: the last parameter turns fastest.
    """

    values: Mapping[str, tuple[Value, ...]]

    @property
    def combinations(self) -> int:
        """Return how many sets there are."""
        return math.prod(len(some) for some in self.values.values())

    def at(self, places: Sequence[int]) -> dict[str, Value]:
        """Return the set that takes the value of that place of each parameter."""
        return {name: some[place] for (name, some), place in zip(self.values.items(), places, strict=True)}

    def places(self, number: int) -> tuple[int, ...]:
        """Return the places of the set of that number."""
        found = []
        for some in reversed(list(self.values.values())):
            number, place = divmod(number, len(some))
            found.append(place)
        return tuple(reversed(found))

    def places_of(self, params: Mapping[str, Value]) -> tuple[int, ...]:
        """Return the places of a set; it must be one of the space."""
        return tuple(some.index(params[name]) for name, some in self.values.items())

    def varied(self) -> list[str]:
        """Return the parameters that take more than one value, those with the most first."""
        names = [name for name, some in self.values.items() if len(some) > 1]
        return sorted(names, key=lambda name: -len(self.values[name]))


def read_space(cls: type[Strategy], given: Mapping[str, Any]) -> Space:
    """Return the space that a person named.

    Parameters
    ----------
    given
        For each parameter one value; or several: `"5:30:5"` from, to, step (the step of a whole number is 1
        unless told), `"5,10,20"`, or a list. Both ends of a range are in it: an end that the steps miss
        is its last value. A value that comes twice counts once.

    Raises
    ------
    UnknownName
        For a parameter that the strategy has not.
    InputError
        For what cannot be read, a value outside the parameter's range, or over 100,000 values.
    """
    declared = {one.name: one for one in parameters(cls)}
    found: dict[str, tuple[Value, ...]] = {}
    for name, wanted in given.items():
        if name not in declared:
            raise UnknownName(f"parameter of {cls.name}", name, declared, field=f"param.{name}")
        read = [declared[name].read(one, field=f"param.{name}") for one in _named(declared[name], wanted)]
        found[name] = tuple(dict.fromkeys(read))
    return Space(found)


def made(cls: type[Strategy], params: Mapping[str, Value]) -> Strategy | None:
    """Return the strategy of a set; None where its own `check` says that the values do not go together.

    Raises
    ------
    InputError
        Where a person's `check` fails for another reason.
    """
    try:
        return build(cls, params)
    except InputError:
        return None
    except CryptaiError:
        raise
    except Exception as error:  # whatever a person's own code raises is told as theirs
        raise InputError(
            f"The strategy {cls.name} failed to check its parameters: {what_failed(error)}.", field="strategy"
        ) from error


def _named(parameter: Parameter, wanted: object) -> Iterable[object]:
    field = f"param.{parameter.name}"
    if isinstance(wanted, str):
        parts = [part.strip() for part in wanted.split(",")]
        if "" in parts:
            raise InputError(
                f"{parameter.name} must be a value, a list a,b or a range from:to:step, was {wanted[:40]!r}.",
                field=field,
            )
        return [one for part in parts for one in (_range(parameter, part) if ":" in part else [part])]
    if isinstance(wanted, Iterable) and not isinstance(wanted, Mapping):
        several: list[object] = []
        for one in wanted:
            several.append(one)
            _refuse_many(parameter, len(several))
        if not several:
            raise InputError(f"{parameter.name} has no value; name one at least.", field=field)
        return several
    return [wanted]


def _range(parameter: Parameter, text: str) -> list[object]:
    field, parts = f"param.{parameter.name}", text.split(":")
    whole = parameter.type is int
    if parameter.type is bool or len(parts) > 3 or (len(parts) == 2 and not whole):
        raise InputError(
            f"{parameter.name} must be written as "
            + ("true,false" if parameter.type is bool else "from:to:step, such as 5:30:5")
            + f", was {text[:40]!r}.",
            field=field,
        )
    try:
        # In decimals, 0.1:0.3:0.1 ends at 0.3.
        low, high, *rest = (Decimal(part.strip()) for part in parts)
    except InvalidOperation as error:
        raise InputError(
            f"{parameter.name} must be written as from:to:step in numbers, was {text[:40]!r}.", field=field
        ) from error
    step = rest[0] if rest else Decimal(1)
    if not (low.is_finite() and high.is_finite() and step.is_finite()) or step <= 0 or high < low:
        raise InputError(
            f"The range of {parameter.name} must go up, by a step above 0, was {text[:40]!r}.", field=field
        )
    # Before anything is laid out: the ends must be values, and not too many between.
    for end in (low, high):
        parameter.read(str(end), field=field)
    steps = int((high - low) / step)
    _refuse_many(parameter, steps + 1)
    values = [low + step * number for number in range(steps + 1)]
    if values[-1] != high:
        values.append(high)
    return [str(one) for one in values]


def _refuse_many(parameter: Parameter, count: int) -> None:
    if count > MOST_VALUES:
        raise InputError(
            f"{parameter.name} would take {count:,} values, and {MOST_VALUES:,} are the most; "
            "choose a coarser step.",
            field=f"param.{parameter.name}",
        )
