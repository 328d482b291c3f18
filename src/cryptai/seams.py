"""Clock, randomness and ids: the only doors to them.

Everything else asks here, so that a simulated world can put its own clock, seed and
ids in place (`replaced`). A lint rule (ruff's banned-api) holds the rest of the package to it.
"""

from __future__ import annotations

import secrets
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Seams:
    """One set of doors. The default is the real world."""

    now_ns: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    entropy: Callable[[int], bytes] = field(default=secrets.token_bytes)


_current = Seams()


def now_ms() -> int:
    """Return the time now in milliseconds UTC since 1970."""
    return _current.now_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds of a clock that never goes back; only differences mean something."""
    return _current.monotonic()


def sleep(seconds: float) -> None:
    """Wait, blocking this thread."""
    _current.sleep(seconds)


def rng(seed: int | list[int]) -> np.random.Generator:
    """Return a random generator; there is none without a seed."""
    return np.random.default_rng(seed)


def new_id() -> str:
    """Return a fresh 128-bit id as 32 hex digits (UUID version 4)."""
    return uuid.UUID(bytes=_current.entropy(16), version=4).hex


def new_secret(n_bytes: int = 24) -> bytes:
    """Return unpredictable bytes, for passwords, tokens and keys."""
    return _current.entropy(n_bytes)


@contextmanager
def replaced(**doors: Callable[..., object]) -> Iterator[Seams]:
    """Run a block in a simulated world: `with replaced(now_ns=lambda: 0): …`."""
    global _current  # noqa: PLW0603 (this is the one variable that a simulated world replaces)
    before = _current
    _current = replace(before, **doors)  # type: ignore[arg-type]
    try:
        yield _current
    finally:
        _current = before
