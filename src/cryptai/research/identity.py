"""What a run is known by: digests of its numbers and of the code, and the versions of what computed it."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_PACKAGE: Final = Path(__file__).resolve().parents[1]
# What numbers are made of. What shows, stores and asks for them is not.
_CODE: Final = (
    "analytics", "features", "ledger", "portfolio", "strategies", "trading", "jit.py", "kernels.py",
    "signals.py",
)  # fmt: skip
_LIBRARIES: Final = ("numpy", "numba", "llvmlite", "ta-lib", "polars")


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value as JSON: keys sorted, floats by their shortest exact digits.

    >>> digest_of({"b": 1.5, "a": [1]}) == digest_of({"a": [1], "b": 1.5})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digests(found: Mapping[str, Any], ts: NDArray[np.int64], equity: NDArray[np.float64]) -> dict[str, str]:
    """Return the digests of a run's numbers, to the bit: `trades`, `equity`, `metrics`, and `result` of all.

    `found` is the object of `backtest --json`; its evidence, which changes with what else was tried, is no
    part of them.
    """
    curve = hashlib.sha256(np.ascontiguousarray(ts, "<i8").tobytes())
    curve.update(np.ascontiguousarray(equity, "<f8").tobytes())
    told = {
        "trades": digest_of(found["trades"]),
        "equity": curve.hexdigest(),
        "metrics": digest_of(found["metrics"]),
    }
    return {**told, "result": digest_of(told)}


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the digest of CryptAI's own sources that numbers are made of."""
    found = hashlib.sha256()
    for name in _CODE:
        path = _PACKAGE / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(f"{file.relative_to(_PACKAGE).as_posix()}\n".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def versions() -> dict[str, str]:
    """Return what computed a run: this package, Python, the libraries, and the kind of machine."""
    found = {"cryptai": version("cryptai"), "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a core of its own may lack one
            found[name] = "none"
    return {**found, "system": platform.system(), "machine": platform.machine()}
