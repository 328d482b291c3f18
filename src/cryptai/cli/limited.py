"""A user's strategy in a process of its own: what it may take of time and memory, on the command too."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cryptai.cli.apart import apart

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_LATE: Final = "The strategy took more than {seconds} seconds and was stopped; --time-limit allows more."


def within_limits(work: Callable[[], T], seconds: int, megabytes: int) -> T:
    """Return what `work` returns, computed in a child that is stopped at these limits; 0 is no limit.

    The engine's own machine code is loaded before, so that its compilation takes nothing of the time.

    Raises
    ------
    LimitExceeded
        After `seconds` of time, or over `megabytes` of memory.
    InputError, CryptaiError
        As `apart`.
    """
    # Its clock is ours; the limit of the processor is for when we were killed.
    most = 2 * seconds + 1 if seconds else 0
    found: T = apart(
        partial(_quietly, work), _nobody, seconds=seconds, megabytes=megabytes, cpu_seconds=most, late=_LATE
    )
    return found


def _quietly(work: Callable[[], T], _tell: Any) -> T:
    return work()


def _nobody(_news: object) -> None:
    """Hear nothing: the work has no news."""
