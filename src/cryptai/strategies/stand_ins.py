"""What a freqtrade-style file imports: small modules of our own in place of freqtrade, while it is read.

Written from freqtrade's public documentation (freqtrade.io: strategy customization, callbacks, hyperopt);
none of its code is here. What these modules cannot do is refused by name when it is used.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import numpy as np

from cryptai.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAY_OUT: Final = "write it as `cryptai strategy new` shows, or leave it out"
# One file is read at a time: what is stood in is seen by the whole process.
_lock = threading.RLock()


class PlainParameter:
    """A declared parameter of a freqtrade-style class; code reads its `value`.

    `kind` is int, float or bool; None for a category, which is kept at its default.
    """

    kind: type | None = None

    def __init__(self, low: Any, high: Any = None, *, default: Any = None, **_hyperopt: object) -> None:
        if high is None:
            low, high = low
        self._take(low, high, default)

    def _take(self, low: Any, high: Any, default: Any) -> None:
        if default is None:
            raise InputError(f"A {type(self).__name__} needs a default; write default=….")
        self.low, self.high, self.value = low, high, default

    @property
    def range(self) -> list[Any]:
        """Return what an optimisation goes through; a backtest has the one value."""
        return [self.value]

    def at(self, value: Any) -> Self:
        """Return the same parameter at another value."""
        other = object.__new__(type(self))
        other.low, other.high, other.value = self.low, self.high, value
        return other


class IntParameter(PlainParameter):
    """A whole number."""

    kind = int


class DecimalParameter(PlainParameter):
    """A number of so many decimals."""

    kind = float


class RealParameter(PlainParameter):
    """A number."""

    kind = float


class BooleanParameter(PlainParameter):
    """Yes or no."""

    kind = bool

    def __init__(self, *, default: Any = None, **_hyperopt: object) -> None:
        self._take(-np.inf, np.inf, default)


class CategoricalParameter(PlainParameter):
    """One of several; a backtest keeps the default."""

    def __init__(self, categories: Any, *, default: Any = None, **_hyperopt: object) -> None:
        self._take(None, None, next(iter(categories)) if default is None else default)


class _Absent:
    """What a bot gives its strategies and a backtest here does not: each use is refused by name."""

    def __init__(self, name: str) -> None:
        self.__dict__["_called"] = name

    def _refused(self) -> InputError:
        return InputError(
            f"self.{self._called} is the bot's and is not here: a strategy sees the candles of its own "
            f"market; {WAY_OUT}.",
            field="strategy",
        )

    def __getattr__(self, name: str) -> NoReturn:
        raise self._refused()

    def __len__(self) -> int:  # asked by `if self.dp:`
        raise self._refused()


class IStrategy:
    """The base that freqtrade-style classes name; it brings nothing but what a bot would set."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.config = config or {}
        self.dp, self.wallets = _Absent("dp"), _Absent("wallets")


@contextmanager
def stood_in() -> Iterator[None]:
    """Put the stand-ins where imports look, and afterwards whatever was there before."""
    modules = _modules()
    with _lock:
        before = {name: sys.modules.get(name) for name in modules}
        sys.modules.update(modules)
        try:
            yield
        finally:
            for name, module in before.items():
                if module is None:
                    sys.modules.pop(name, None)
                else:
                    sys.modules[name] = module


def _modules() -> dict[str, ModuleType]:
    crosses = {one.__name__: one for one in (crossed, crossed_above, crossed_below, typical_price)}
    strategy: dict[str, Any] = {
        one.__name__: one
        for one in (
            IStrategy, IntParameter, DecimalParameter, RealParameter, BooleanParameter, CategoricalParameter,
        )
    }  # fmt: skip
    for name in ("merge_informative_pair", "informative", "stoploss_from_open", "stoploss_from_absolute"):
        strategy[name] = _refusing(name)
    # Imported for annotations only.
    strategy |= {name: type(name, (), {}) for name in ("Trade", "Order", "PairLocks")}
    made = [
        _module("freqtrade", {}),
        _module("freqtrade.strategy", strategy),
        _module("freqtrade.strategy.interface", {"IStrategy": IStrategy}),
        _module("freqtrade.persistence", {"Trade": strategy["Trade"], "Order": strategy["Order"]}),
        _module("freqtrade.vendor", {}),
        _module("freqtrade.vendor.qtpylib", {}),
        _module("freqtrade.vendor.qtpylib.indicators", crosses),
        _Talib("talib"),
        _Talib("talib.abstract"),
    ]
    if importlib.util.find_spec("technical") is None:
        made += [_module("technical", {}), _module("technical.qtpylib", crosses)]
    found = {one.__name__: one for one in made}
    for name, module in found.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(found[parent], child, module)
    return found


def _module(name: str, holds: dict[str, Any]) -> ModuleType:
    module = ModuleType(name)
    module.__path__ = []
    module.__dict__.update(holds)

    def missing(wanted: str) -> NoReturn:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        raise InputError(f"{name}.{wanted} is freqtrade's and is not here; {WAY_OUT}.", field="strategy")

    module.__dict__["__getattr__"] = missing
    return module


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise InputError(
            f"{name} cannot be kept: a strategy sees the candles of its own market and timeframe; {WAY_OUT}.",
            field="strategy",
        )

    return refuse


class _Talib(ModuleType):
    """TA-Lib over pandas: the installed one is loaded without pandas, whatever the process needs it for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        from cryptai.features._talib import talib as compiled  # noqa: PLC0415 (waits until it is asked for)

        thing = getattr(compiled, name)
        if name not in compiled.__TA_FUNCTION_NAMES__:
            return thing
        return lambda *given, **options: _asked(name, given, options)


def _asked(name: str, given: tuple[Any, ...], options: dict[str, Any]) -> Any:
    import pandas as pd  # noqa: PLC0415 (an extra's, and slow)

    from cryptai.features._talib import talib as compiled  # noqa: PLC0415 (waits until it is asked for)

    if given and isinstance(given[0], pd.DataFrame):
        frame = given[0]
        columns = {
            str(one): np.ascontiguousarray(frame[one], np.float64)
            for one in frame.columns
            if frame[one].dtype.kind in "fiu"
        }
        function = compiled.Function(name, getattr(compiled, name))
        out = function(columns, *given[1:], **options)
        if isinstance(out, list | tuple):
            return pd.DataFrame(dict(zip(function.output_names, out, strict=True)), index=frame.index)
        return pd.Series(out, index=frame.index)
    index = next((one.index for one in given if isinstance(one, pd.Series)), None)
    arrays = [np.ascontiguousarray(one, np.float64) if isinstance(one, pd.Series) else one for one in given]
    out = getattr(compiled, name)(*arrays, **options)
    if index is None:
        return out
    if isinstance(out, tuple):
        return tuple(pd.Series(one, index=index) for one in out)
    return pd.Series(out, index=index)


def crossed_above(one: Any, other: Any) -> Any:
    """Return where `one` is above `other` and was not on the row before; `other` may be a number."""
    before = other.shift(1) if hasattr(other, "shift") else other
    return (one > other) & (one.shift(1) <= before)


def crossed_below(one: Any, other: Any) -> Any:
    """Return where `one` is below `other` and was not on the row before; `other` may be a number."""
    before = other.shift(1) if hasattr(other, "shift") else other
    return (one < other) & (one.shift(1) >= before)


def crossed(one: Any, other: Any, direction: str | None = None) -> Any:
    """Return where `one` crosses `other`: `above`, `below`, or None for both."""
    if direction is None:
        return crossed_above(one, other) | crossed_below(one, other)
    return crossed_above(one, other) if direction == "above" else crossed_below(one, other)


def typical_price(bars: Any) -> Any:
    """Return the mean of high, low and close."""
    return (bars["high"] + bars["low"] + bars["close"]) / 3.0
