"""Long work in a process of its own: what a person's strategy does there, Ctrl-C or a limit can end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final

from cryptai.cli.child import begun
from cryptai.errors import InputError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

_SET: Final = "A set took more than {seconds} seconds and was stopped; --time-limit allows more."


def apart(
    work: Callable[[Callable[[Any], object]], Any],
    hear: Callable[[Any], object],
    *,
    seconds: int,
    megabytes: int,
    cpu_seconds: int = 0,
    late: str = _SET,
) -> Any:
    """Return what `work(tell)` returns, computed in a child; each `tell(news)` arrives at `hear`.

    Whatever the child does to itself, this process goes on; nothing that the child holds in memory, and
    nothing that it has started, is kept. Work, answer and news must be picklable.

    Raises
    ------
    LimitExceeded
        When the child says nothing for `seconds` (in the words of `late`), or takes over `megabytes` of
        memory; 0 is no limit.
    InputError
        If the child ends without an answer: a strategy that ends its process.
    CryptaiError
        What `work` raises.
    """
    with begun(work, megabytes=megabytes, cpu_seconds=cpu_seconds) as child:
        heard = child.hear(None)  # it is ready: the time before is not the strategy's
        while heard is not None and heard[0] in {"ready", "news"}:
            if heard[0] == "news":
                hear(heard[1])
            heard = child.hear(seconds or None)
    too_late = late.format(seconds=seconds)
    return _understood(heard, too_late, megabytes, cpu_seconds)


def _understood(heard: tuple[str, Any] | None, late: str, megabytes: int, cpu_seconds: int) -> Any:
    if heard is None:
        raise LimitExceeded(late)
    kind, told = heard
    if kind == "found":
        return told
    if kind == "refused":
        raise told
    if kind == "memory":
        raise LimitExceeded(
            f"The strategy used more than {megabytes:,} MB of memory and was stopped; --memory-limit allows "
            "more."
        )
    if kind == "gone":
        if cpu_seconds and told == -signal.SIGXCPU:
            raise LimitExceeded(late)
        raise InputError(
            f"The strategy ended its process (status {told}) without a result.", field="strategy"
        )
    raise RuntimeError(told)
