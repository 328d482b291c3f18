"""What a strategy is: a frozen dataclass of parameters with one pure function of history."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast, get_type_hints

from cryptai.errors import InputError, UnknownName
from cryptai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.signals import Signals

USER_MODULES = "cryptai_user_strategies"


class Strategy(Protocol):
    """A pure, causal function of history; its fields are its parameters.

    `signals` gives the decisions and `score` the conviction, -1 (short) to 1 (long), NaN where unknown: each
    one row a bar, and row t from rows up to t only. A user's own may leave `score` out. Tests replay every
    registered strategy at every cut. `stop` and `target`, where a class states them, replace the default
    bracket; NaN is none.
    """

    name: ClassVar[str]

    def signals(self, candles: Candles) -> Signals:
        """Return the decisions, one row a bar."""
        ...

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the conviction, one row a bar."""
        ...


strategies: Registry[type[Strategy]] = Registry("strategy", "cryptai.strategies")
S = TypeVar("S", bound=type)


def strategy(cls: S) -> S:
    """Register a strategy class under its name in snake case: `EmaTrend` is `ema_trend`.

    A user's own file is found by its file name instead, and never enters the registry.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
    cls.name = name  # type: ignore[attr-defined]
    if not cls.__module__.startswith(USER_MODULES):
        strategies.add(name, cls)
    return cls


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: from it come the constructor, the JSON, the form and the checks."""

    name: str
    type: type
    default: float | bool
    low: float
    high: float
    meaning: str
    unit: str


def param(
    default: float | bool,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    meaning: str = "",
    unit: str = "",
) -> Any:
    """Declare a parameter as a dataclass field: `period: int = param(14, low=2, high=50, meaning="…")`."""
    return dataclasses.field(
        default=default, metadata={"low": low, "high": high, "meaning": meaning, "unit": unit}
    )


def parameters(cls: type[Strategy]) -> list[Parameter]:
    """Return a strategy's declared parameters, in the order they are written."""
    declared: Any = cls  # mypy cannot see that a protocol's class is a dataclass too
    if not dataclasses.is_dataclass(declared):
        return []
    types = get_type_hints(declared)
    return [
        Parameter(
            name=field.name,
            type=types[field.name],
            default=cast("float | bool", field.default),
            low=field.metadata.get("low", -math.inf),
            high=field.metadata.get("high", math.inf),
            meaning=field.metadata.get("meaning", ""),
            unit=field.metadata.get("unit", ""),
        )
        for field in dataclasses.fields(declared)
    ]


def build(cls: type[Strategy], given: Mapping[str, object]) -> Strategy:
    """Make a strategy from parameters as a person gave them (text or numbers), all checked.

    A class may add a method `check(self)` that raises `InputError` for values that do not go together.

    Raises
    ------
    UnknownName
        For a parameter the strategy has not, with the near ones.
    InputError
        For a value of another type, or out of its range; `field` is `param.<name>`.
    """
    declared = {p.name: p for p in parameters(cls)}
    values: dict[str, float | bool] = {}
    for name, value in given.items():
        if name not in declared:
            raise UnknownName(f"parameter of {cls.name}", str(name), declared, field=f"param.{name}")
        values[name] = _typed(declared[name], value)
    made = cls(**values)
    check = getattr(made, "check", None)
    if check is not None:
        check()
    return made


def values_of(made: Strategy) -> dict[str, float | bool]:
    """Return the parameters of a strategy by name, for JSON."""
    return {p.name: getattr(made, p.name) for p in parameters(type(made))}


def _typed(declared: Parameter, value: object) -> float | bool:
    field = f"param.{declared.name}"
    if declared.type is bool:
        known = {
            "true": True,
            "false": False,
            "1": True,
            "0": False,
            "yes": True,
            "no": False,
            "on": True,
            "off": False,
        }
        text = str(value).strip().lower()
        if text not in known:
            raise InputError(f"{declared.name} must be true or false, was {str(value)[:40]!r}.", field=field)
        return known[text]
    what = "a whole number" if declared.type is int else "a number"
    if isinstance(value, bool) or not isinstance(value, Real | str):
        raise InputError(f"{declared.name} must be {what}, was {str(value)[:40]!r}.", field=field)
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{declared.name} must be {what}, was {str(value)[:40]!r}.", field=field) from error
    if not math.isfinite(number) or (declared.type is int and number != int(number)):
        raise InputError(f"{declared.name} must be {what}, was {str(value)[:40]!r}.", field=field)
    if not declared.low <= number <= declared.high:
        raise InputError(
            f"{declared.name} must be from {declared.low:g} to {declared.high:g}, was {number:g}.",
            field=field,
        )
    return int(number) if declared.type is int else number
