"""A strategy as a machine with a state: one plain Python call a bar, its answers the kernel's columns."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import numpy as np

from cryptai.errors import InputError
from cryptai.signals import EXIT_LONG, EXIT_SHORT, Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

# What `on_bar` may return: 0, one of these, or several added.
ENTER_LONG: Final = 1
ENTER_SHORT: Final = 2
LEAVE_LONG: Final = 4
LEAVE_SHORT: Final = 8
_ENTRIES: Final = ENTER_LONG | ENTER_SHORT
_ALL: Final = ENTER_LONG | ENTER_SHORT | LEAVE_LONG | LEAVE_SHORT
_COLUMN_OF: Final = {
    "ts": "ts", "open": "open", "open_": "open", "high": "high", "low": "low", "close": "close",
    "volume": "volume",
}  # fmt: skip
# Bars turned into Python's numbers at a time: few enough to stay in the processor's cache.
_BARS: Final = 4_096


class Machine(Protocol):
    """What `start` returns: an object whose `on_bar` is called once a bar, in order.

    Its arguments are named after the columns it wants (`ts` in ms UTC, `open` or `open_`, `high`, `low`,
    `close`, `volume`), in any order and number; it returns a sum of the decisions above, 0 for nothing.
    """

    on_bar: Callable[..., int]


class Starting(Protocol):
    """A frozen dataclass of parameters whose `start` returns a machine in its first state."""

    def start(self) -> Machine:
        """Return a new machine: two runs share no state, so the strategy stays a pure function."""
        ...


S = TypeVar("S", bound=type)


def streamed(cls: S) -> S:
    """Give a class with a `start` method the `signals` of a strategy; written under `@strategy`.

    A run starts one machine and shows it each closed bar once, so that a decision cannot depend on a later
    bar. `long_reason` and `short_reason`, where the class states them, say what an entry means.

    Raises
    ------
    TypeError
        For a class without `start`: a mistake in the strategy's file.
    """
    if not callable(getattr(cls, "start", None)):
        raise TypeError(f"{cls.__name__} needs a method start() that returns an object with on_bar().")

    def signals(self: Starting, candles: Candles) -> Signals:
        """Decide at each bar's close."""
        said = decisions(self, candles)
        entry = np.asarray(said & ENTER_LONG != 0, np.int8) - np.asarray(said & ENTER_SHORT != 0, np.int8)
        exits = np.where(said & LEAVE_LONG, EXIT_LONG, 0) | np.where(said & LEAVE_SHORT, EXIT_SHORT, 0)
        reasons = (getattr(self, "long_reason", "long"), getattr(self, "short_reason", "short"))
        return Signals(entry, exits.astype(np.int8), *reasons)

    cls.signals = signals  # type: ignore[attr-defined]
    return cls


def decisions(made: Starting, candles: Candles) -> NDArray[np.int8]:
    """Return what a new machine says at each bar.

    Raises
    ------
    InputError
        For arguments that are no columns, or a bar at which it says no whole number, a number that is no sum
        of decisions, or long and short at once.
    """
    on_bar = made.start().on_bar
    wanted = list(inspect.signature(on_bar).parameters)
    unknown = [name for name in wanted if name not in _COLUMN_OF]
    if unknown or not wanted:
        raise InputError(
            f"on_bar takes columns by name ({', '.join(_COLUMN_OF)}), not {', '.join(unknown) or 'nothing'}.",
            field="strategy",
        )
    columns = [getattr(candles, _COLUMN_OF[name]) for name in wanted]
    said = np.empty(len(candles), np.int8)
    for begin in range(0, len(candles), _BARS):
        rows = slice(begin, min(begin + _BARS, len(candles)))
        answers = list(map(on_bar, *(column[rows].tolist() for column in columns)))
        said[rows] = _read(answers, candles, begin)
    return said


def _read(answers: list[Any], candles: Candles, begin: int) -> NDArray[np.int8]:
    # A list of small whole numbers is a string of bytes, and their types a set of one.
    if set(map(type, answers)) == {int} and min(answers) >= 0 and max(answers) <= _ALL:
        read = np.frombuffer(bytes(answers), np.int8)
        if not ((read & _ENTRIES) == _ENTRIES).any():
            return read
    row = next(at for at, one in enumerate(answers) if not _fits(one))
    moment = np.datetime_as_string(candles.ts[begin + row].astype("M8[ms]"), unit="m")
    raise InputError(
        f"on_bar said {str(answers[row])[:40]!r} at bar {begin + row} ({moment} UTC); it returns 0, or a sum "
        "of ENTER_LONG or ENTER_SHORT, LEAVE_LONG and LEAVE_SHORT.",
        field="strategy",
    )


def _fits(answer: Any) -> bool:
    return type(answer) is int and 0 <= answer <= _ALL and answer & _ENTRIES != _ENTRIES
