"""`@indicator`: what an indicator is, declared once: columns in, one row a bar out."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar

import numpy as np

from cryptai.errors import InputError
from cryptai.features.feature import Feature, declared, features, group_of
from cryptai.features.remembered import recalled

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

P = ParamSpec("P")
R = TypeVar("R")
COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume")
# `open` as an argument would hide the builtin from whoever reads on.
_COLUMN_OF: Final = {name: name for name in COLUMNS} | {"open_": "open"}


class Output(NamedTuple):
    """One output of an indicator.

    `unit` is `price`, `percent` (0 to 100), `ratio`, `volume`, `flag` (0, or +-100 as TA-Lib's patterns),
    `bars`, `code` (`codes` says what each number means); `draw` is how a chart shows it: `line`, `histogram`,
    `dots`, `markers`, `none`.
    """

    name: str
    unit: str = "price"
    draw: str = "line"
    codes: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Indicator(Feature):
    """One indicator: a function of candle columns and a few parameters, one row a bar.

    `inputs` are its array arguments (columns of `Candles`; `ts` in int64 ms UTC, the others float64),
    `outputs` what it returns, `pane` where a chart shows it: on the `price`, or `below` on a scale of its own
    with the levels of `guides`.
    """

    inputs: tuple[str, ...]
    outputs: tuple[Output, ...]
    pane: str
    guides: tuple[float, ...]

    def of(self, candles: Candles, **parameters: Any) -> dict[str, NDArray[np.float64]]:
        """Compute it over candles; return its outputs by name, each as long as the candles."""
        found = self.function(*(getattr(candles, name) for name in self.inputs), **parameters)
        arrays = found if isinstance(found, tuple) else (found,)
        return {output.name: array for output, array in zip(self.outputs, arrays, strict=True)}


def indicator(
    *,
    outputs: tuple[Output, ...] | None = None,
    unit: str = "price",
    draw: str = "line",
    pane: str = "price",
    guides: tuple[float, ...] = (),
    warmup: int | Callable[..., int | None] | None,
    exact: int | Callable[..., int | None] | None,
    name: str = "",
    **ranges: Any,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function to be an indicator; the keywords are those of `Indicator` and `Feature`.

    Arguments named like candle columns (`open_` for open) are its inputs, the others its parameters, each
    with `within`, `one_of` or `flag`: `@indicator(period=within(2, 10_000, "bars in the window"), …)`.
    With one output, `unit` and `draw` say what it is, and its name is the indicator's.

    The function must be causal (row t from rows up to t), return float64 arrays of its inputs' length with
    NaN where there is no value, and leave its inputs alone; tests over the registry hold it to that. What is
    handed to it is float64 and contiguous (converted if need be), of one length.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        named = name or function.__name__
        arguments = tuple(inspect.signature(function).parameters)
        inputs = tuple(one for one in arguments if one in _COLUMN_OF)
        if arguments[: len(inputs)] != inputs:
            raise TypeError(f"{named} must take its columns first.")
        parameters = declared(function, ranges, inputs)
        by_name = {one.name: one for one in parameters}
        count = len(inputs)

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if len(args) < count or len(args) > len(arguments):
                bound = inspect.signature(function).bind(*args, **kwargs)
                args, kwargs = bound.args, bound.kwargs  # type: ignore[assignment]
            columns = _columns(inputs, args[:count])
            given = {**dict(zip((one.name for one in parameters), args[count:], strict=False)), **kwargs}
            values = {
                key: by_name[key].read(value, field=key) if key in by_name else value
                for key, value in given.items()
            }
            return recalled(named, columns, values, lambda: function(*columns, **values))  # type: ignore[arg-type]

        features.add(
            named,
            Indicator(
                named, group_of(function), checked, parameters, warmup, exact,
                tuple(_COLUMN_OF[one] for one in inputs), outputs or (Output(named, unit, draw),),
                pane, guides,
            ),
        )  # fmt: skip
        return checked

    return declare


def _columns(names: tuple[str, ...], given: tuple[Any, ...]) -> list[NDArray[Any]]:
    columns: list[NDArray[Any]] = []
    for name, values in zip(names, given, strict=True):
        dtype = np.int64 if name == "ts" else np.float64
        column = values
        if type(values) is not np.ndarray or values.dtype != dtype or not values.flags.c_contiguous:
            try:
                column = np.asarray(values, dtype, order="C")
            except (TypeError, ValueError) as error:
                raise InputError(f"{name} must be an array of numbers: {error}.", field=name) from error
        if column.ndim != 1:
            raise InputError(f"{name} must have one dimension, has {column.ndim}.", field=name)
        if columns and len(column) != len(columns[0]):
            raise InputError(
                f"All columns must be of one length: {names[0]} has {len(columns[0])} rows, "
                f"{name} {len(column)}.",
                field=name,
            )
        columns.append(column)
    return columns
