"""`@indicator`: what an indicator is, declared once, and the registry of all of them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cryptai.errors import InputError
from cryptai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")
COLUMNS = frozenset({"open", "high", "low", "close", "volume"})


@dataclass(frozen=True)
class Indicator:
    """One indicator: a function of candle columns and a few numbers.

    `inputs` are the names of its array arguments (columns of `Candles`), `outputs` the names of what it
    returns, `ranges` the allowed values of each parameter, `defaults` their values where none is given.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ranges: dict[str, tuple[float, float]]
    defaults: dict[str, float]

    def of(self, candles: Any, **parameters: float) -> dict[str, NDArray[np.float64]]:
        """Compute it over candles; return its outputs by name, each as long as the candles."""
        found = self.function(*(getattr(candles, name) for name in self.inputs), **parameters)
        return dict(zip(self.outputs, found if isinstance(found, tuple) else (found,), strict=True))


indicators: Registry[Indicator] = Registry("indicator", "cryptai.features")


def indicator(
    *, outputs: tuple[str, ...] | None = None, **ranges: tuple[float, float]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function to be an indicator.

    Arguments named like candle columns are its inputs, the others are its parameters, each with a range
    given here: `@indicator(period=(2, 10_000))`. The function must be causal (row t from rows up to t),
    return arrays of its inputs' length with NaN before the first value, and leave its inputs alone;
    tests over the registry hold it to that.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        arguments = inspect.signature(function).parameters
        inputs = tuple(name for name in arguments if name in COLUMNS)
        defaults = {name: a.default for name, a in arguments.items() if name not in COLUMNS}
        if set(defaults) != set(ranges):
            raise TypeError(f"{function.__name__} must state a range for each of its parameters.")

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given = inspect.signature(function).bind(*args, **kwargs).arguments
            for name, (low, high) in ranges.items():
                value = given.get(name, defaults[name])
                if not low <= value <= high:
                    raise InputError(f"{name} must be from {low:g} to {high:g}, was {value}.", field=name)
            return function(*args, **kwargs)

        name = function.__name__
        indicators.add(
            name, Indicator(name, checked, inputs, outputs or (name,), dict(ranges), dict(defaults))
        )
        return checked

    return declare
