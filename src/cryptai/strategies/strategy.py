"""What a strategy is: a frozen dataclass of parameters with one pure function of history."""

from __future__ import annotations

import dataclasses
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar, cast, get_type_hints

from cryptai.errors import InputError
from cryptai.features.feature import features
from cryptai.market.timeframe import MINUTE_MS, Timeframe
from cryptai.parameters import Parameter, Value, read_all
from cryptai.registry import Registry
from cryptai.written import written

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.signals import Signals

USER_MODULES = "cryptai_user_strategies"


NEEDS: Final = ("funding", "others")


class Strategy(Protocol):
    """A pure, causal function of history; its fields are its parameters.

    `signals` gives the decisions and `score` the conviction, -1 (short) to 1 (long), NaN where unknown: each
    one row a bar, and row t from rows up to t only. A user's own may leave `score` out. Tests replay every
    registered strategy at every cut. `stop` and `target`, where a class states them, replace the default
    bracket; NaN is none.

    What a strategy may say besides: `memory(timeframe)`, after how many bars the newest row is that of the
    whole history (who follows the market reads no more than that); `used(candles)`, the events that the
    newest decision rests on; `factors(candles)`, what its parts say at the newest bar. A strategy over
    several markets together has `signals_many(markets)` in place of `signals` or beside it: candles by symbol
    in, the columns of each out, row t from what had closed by then.

    `needs` names what it cannot do without: `funding`, which is then at `candles.funding` and is paid in a
    backtest; `others`, at least one more market beside it. `unscanned` says in a sentence why its decisions
    are no setups for the scan.
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


def code_of(made: Strategy) -> str | None:
    """Return the digest of the code of a strategy that stands in no file of the workspace; None: built-in."""
    return None if type(made).__module__.startswith("cryptai.") else written(_without_fields(made))


def _without_fields(made: Strategy) -> object:
    # Its fields are its parameters, which a run tells; another class keeps what it is made of in itself.
    return type(made) if dataclasses.is_dataclass(made) else made


def parameters(cls: type[Strategy]) -> list[Parameter]:
    """Return a strategy's declared parameters, in the order they are written."""
    return list(_declared(cls).values())


@lru_cache(maxsize=256)
def _declared(cls: type[Strategy]) -> Mapping[str, Parameter]:
    # By name. Kept, since types are looked up by evaluating what is written, and a search makes thousands.
    declared: Any = cls  # mypy cannot see that a protocol's class is a dataclass too
    if not dataclasses.is_dataclass(declared):
        return {}
    types = get_type_hints(declared)
    return {
        field.name: Parameter(
            name=field.name,
            type=types[field.name],
            default=cast("Value", field.default),
            low=field.metadata.get("low", -math.inf),
            high=field.metadata.get("high", math.inf),
            meaning=field.metadata.get("meaning", ""),
            unit=field.metadata.get("unit", ""),
        )
        for field in dataclasses.fields(declared)
    }


def needs_of(cls: type[Strategy]) -> tuple[str, ...]:
    """Return what a strategy cannot do without besides the candles of its market.

    Raises
    ------
    InputError
        For a need that nothing meets.
    """
    needs: object = getattr(cls, "needs", ())
    if not isinstance(needs, tuple) or any(one not in NEEDS for one in needs):
        raise InputError(
            f"The strategy {cls.name} needs {needs!r}; what can be met is a tuple of {', '.join(NEEDS)}.",
            field="strategy",
        )
    return needs


def bars_of(feature: str, *, on: str = "", **parameters: Any) -> int:
    """Return the bars of history a feature's newest value needs: to the bit where it can be, else to 1e-9.

    `on` is the timeframe of the bars where the feature is of a coarser one: `bars_of(
    "higher_timeframe_trend", timeframe="4h", on="1h")`; else features count the finest there is.

    Raises
    ------
    TypeError
        For a feature that needs the whole history: a mistake in the strategy's file.
    """
    found = features.get(feature)
    bars = found.warmup_bars(bitwise=True, **parameters) or found.warmup_bars(**parameters)
    if bars is None:
        raise TypeError(f"{feature} needs the whole history; say how many bars are enough.")
    return bars * MINUTE_MS // Timeframe(on).ms if on else bars


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
    values = read_all(_declared(cls), given, of=cls.name)
    made = cls(**values)
    check = getattr(made, "check", None)
    if check is not None:
        check()
    return made


def values_of(made: Strategy) -> dict[str, Value]:
    """Return the parameters of a strategy by name, for JSON."""
    fields: Any = made  # mypy cannot see that a protocol's class is a dataclass too
    if not dataclasses.is_dataclass(fields):
        return {}
    return {field.name: getattr(made, field.name) for field in dataclasses.fields(fields)}
