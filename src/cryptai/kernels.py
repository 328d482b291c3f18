"""`@kernel`: a plain Python loop over arrays, run as machine code, at the cost of one call by address.

A kernel stands directly above the function that calls it. It is plain Python, so its module imports without
Numba; at its first call the object code kept by an earlier process is loaded (see `cryptai.jit`), or it is
compiled once and kept. What several kernels share is a `@part`.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np

from cryptai.jit import NativeKernel, address
from cryptai.written import written

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Codes: TypeAlias = NDArray[np.int8]
else:
    # A kernel needs their names only; a person's own file may import them.
    Floats, Ints, Codes = "Floats", "Ints", "Codes"

F = TypeVar("F", bound="Callable[..., Any]")
_ARRAYS: Final[dict[str, np.dtype[Any]]] = {
    "Floats": np.dtype(np.float64), "Ints": np.dtype(np.int64), "Codes": np.dtype(np.int8),
}  # fmt: skip
_NUMBERS = {"int": "i", "float": "d", "bool": "i"}
_parts: list[Callable[..., Any]] = []


def part(function: F) -> F:
    """Mark a plain function that kernels may call; by itself it stays plain Python."""
    _parts.append(function)
    return function


class Kernel:
    """A compiled loop: call it with arrays and numbers as its function is written.

    Arguments are annotated `Floats`, `Ints`, `Codes` (one-dimensional, C-contiguous arrays of float64, int64,
    int8), `int`, `float` or `bool`; it returns an int. It must not raise, and must not read or write outside
    its arrays: machine code checks neither.
    """

    def __init__(self, function: Callable[..., int]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        kinds = {
            name: getattr(one.annotation, "__name__", str(one.annotation)).rpartition(".")[2]
            for name, one in inspect.signature(function).parameters.items()
        }
        self._kinds = tuple(kinds.values())
        letters = "".join("pi" if kind in _ARRAYS else _NUMBERS[kind] for kind in self._kinds)
        self._native = NativeKernel(function.__module__, function.__name__ + "_entry", letters)
        self._native.function_of = lambda: _entry(function, kinds)
        self._native.words = lambda: written(function)
        self._dtypes = tuple(_ARRAYS.get(kind) for kind in self._kinds)
        # Step by step in plain Python, for debugging and coverage.
        self._plain = os.environ.get("NUMBA_DISABLE_JIT") == "1"

    def __call__(self, *arguments: Any) -> int:
        """Run it; raise `TypeError` for an array of another dtype or layout."""
        flat: list[Any] = []
        for value, dtype in zip(arguments, self._dtypes, strict=True):
            if dtype is None:
                flat.append(value)
                continue
            if value.dtype != dtype or not value.flags.c_contiguous or value.ndim != 1:
                raise TypeError(f"{self.__name__} takes contiguous arrays of {dtype}.")
            flat.append(address(value))
            flat.append(len(value))
        if self._plain:
            return self.function(*arguments)
        return self._native(*flat)


def kernel(function: Callable[..., int]) -> Kernel:
    """Make a kernel of a plain function; see `Kernel`."""
    return Kernel(function)


def _entry(function: Callable[..., int], kinds: dict[str, str]) -> Callable[..., int]:
    # The door by addresses is the same three lines for every kernel: written here, from its annotations.
    from numba import carray, njit  # type: ignore[attr-defined]  # noqa: PLC0415 (seconds to import: only who compiles pays)
    from numba.extending import register_jitable  # noqa: PLC0415

    from cryptai.prefetch import ask  # noqa: PLC0415

    for one in _parts:
        register_jitable(one)
    compiled = njit(function, nogil=True, error_model="numpy")
    arguments, handed, ahead = [], [], []
    for name, kind in kinds.items():
        if kind in _ARRAYS:
            arguments += [name, f"n_{name}"]
            ahead.append(f"ask({name}, n_{name} * {_ARRAYS[kind].itemsize})")
            handed.append(f"carray({name}, n_{name}, np.{_ARRAYS[kind].name})")
        else:
            arguments.append(name)
            handed.append(f"{name} != 0" if kind == "bool" else name)
    # Where each row waits for the one before, what is far away is read slowly: it is asked for at once.
    lines = [*ahead, f"return kernel({', '.join(handed)})"]
    source = f"def entry({', '.join(arguments)}):\n    " + "\n    ".join(lines)
    made: dict[str, Any] = {"kernel": compiled, "carray": carray, "np": np, "ask": ask}
    exec(source, made)  # noqa: S102 (of names and types written in this repository)
    entry: Callable[..., int] = made["entry"]
    return entry
