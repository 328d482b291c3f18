"""Parameters: declared once, with type, range and meaning; read from text or numbers, always checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Final

from cryptai.errors import InputError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = float | bool | str
_BOOLEANS: Final = {
    "true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "on": True, "off": False,
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: from it come the constructor, the JSON, the form and the checks.

    A number lies from `low` to `high`, both included; a text is one of `choices`.
    """

    name: str
    type: type
    default: Value
    low: float = -math.inf
    high: float = math.inf
    meaning: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()

    def read(self, value: object, *, field: str | None = None) -> Value:
        """Return the value in the declared type, or raise `InputError` that names `field`."""
        if type(value) is int is self.type and self.low <= value <= self.high:
            return value  # nothing to read: a search brings thousands of these
        named = field or self.name
        if self.type is bool:
            return self._boolean(value, named)
        if self.type is str:
            text = str(value)
            if text not in self.choices:
                raise UnknownName(f"choice of {self.name}", text, self.choices, field=named)
            return text
        number = self._number(value, named)
        if not self.low <= number <= self.high:
            raise InputError(
                f"{self.name} must be from {self.low:g} to {self.high:g}, was {number:g}.", field=named
            )
        return int(number) if self.type is int else number

    def _boolean(self, value: object, field: str) -> bool:
        text = str(value).strip().lower()
        if text not in _BOOLEANS:
            raise InputError(f"{self.name} must be true or false, was {str(value)[:40]!r}.", field=field)
        return _BOOLEANS[text]

    def _number(self, value: object, field: str) -> float:
        number = _finite(value)
        if number is None or (self.type is int and number != int(number)):
            what = "a whole number" if self.type is int else "a number"
            raise InputError(f"{self.name} must be {what}, was {str(value)[:40]!r}.", field=field)
        return number


def _finite(value: object) -> float | None:
    # The usual types first: a search reads thousands of numbers.
    if type(value) not in (int, float) and (isinstance(value, bool) or not isinstance(value, Real | str)):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_all(
    declared: Mapping[str, Parameter], given: Mapping[str, object], *, of: str, prefix: str = "param."
) -> dict[str, Value]:
    """Return what was given, each value in its declared type; `declared` are the parameters by name.

    Raises
    ------
    UnknownName
        For a parameter that `of` (such as "ema_trend") has not, with the near ones.
    InputError
        For a value of another type, or out of its range; `field` is `param.<name>`.
    """
    values: dict[str, Value] = {}
    for name, value in given.items():
        field, one = f"{prefix}{name}", declared.get(name)
        if one is None:
            raise UnknownName(f"parameter of {of}", str(name), declared, field=field)
        values[name] = one.read(value, field=field)
    return values
