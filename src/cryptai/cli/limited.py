"""A user's strategy in a process of its own: what it may take of time and memory, on the command too."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import select
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from cryptai import seams
from cryptai.errors import CryptaiError, InputError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_CHUNK = 1 << 20
_PATIENCE = 200  # hundredths of a second


def within_limits(work: Callable[[], T], seconds: int, megabytes: int) -> T:
    """Return what `work` returns, computed in a forked child that is stopped at these limits.

    Whatever the child does to itself, this process goes on; nothing that the child holds in memory is
    kept. To be called before there are threads. What is returned must be picklable. 0 is no limit. The
    engine's own machine code is loaded before, so that its compilation takes nothing of the time.

    Raises
    ------
    LimitExceeded
        After `seconds` of time, or over `megabytes` of memory.
    InputError
        If the child ends without an answer: a strategy that ends its process.
    CryptaiError
        What `work` raises.
    """
    from cryptai.trading.outcome import make_ready

    make_ready()
    inner, outer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(inner)
        _answer(work, outer, seconds, megabytes)
    os.close(outer)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    status = None
    try:
        answer = _hear(inner, seconds)
        status = _ended(child) if answer is not None else None
    finally:
        os.close(inner)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # and whatever it has started
        if status is None:
            os.waitpid(child, 0)
    if answer is None:
        raise LimitExceeded(_too_long(seconds))
    return _understood(answer, status, seconds, megabytes)  # type: ignore[no-any-return]


def _answer(work: Callable[[], Any], pipe: int, seconds: int, megabytes: int) -> None:
    """Do the work in the child, write the answer, and end it: nothing of the parent's goes on here."""
    try:
        os.setpgid(0, 0)  # here and in the parent: whichever comes first
        if megabytes:
            resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
        if seconds:  # the parent's clock is the limit; this one is for a parent that was killed
            resource.setrlimit(resource.RLIMIT_CPU, (2 * seconds + 1, 2 * seconds + 2))
        told: tuple[str, Any]
        try:
            told = "found", work()
        except CryptaiError as error:
            told = ("memory", None) if isinstance(error.__cause__, MemoryError) else ("refused", error)
        except MemoryError:
            told = "memory", None
        with os.fdopen(pipe, "wb") as answers:
            pickle.dump(told, answers, protocol=pickle.HIGHEST_PROTOCOL)
    except KeyboardInterrupt:
        pass
    except BaseException:  # noqa: BLE001 (told in the log, as a mistake in the parent would be)
        _tell_crash(pipe)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(0)


def _tell_crash(pipe: int) -> None:
    import traceback

    with contextlib.suppress(OSError), os.fdopen(pipe, "wb") as answers:
        pickle.dump(("crashed", traceback.format_exc()), answers)


def _hear(pipe: int, seconds: int) -> bytes | None:
    """Return all that the child wrote, None if it did not end in time."""
    until = seams.monotonic() + seconds
    heard = bytearray()
    while True:
        left = max(until - seams.monotonic(), 0.0) if seconds else None
        ready, _, _ = select.select([pipe], [], [], left)
        if not ready:
            return None
        chunk = os.read(pipe, _CHUNK)
        if not chunk:
            return bytes(heard)
        heard += chunk


def _ended(child: int) -> int | None:
    """Return the exit status of a child that has said all; None for one that lives on all the same."""
    for _ in range(_PATIENCE):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        seams.sleep(0.01)
    return None


def _understood(answer: bytes, status: int | None, seconds: int, megabytes: int) -> Any:
    try:
        kind, told = pickle.loads(answer)  # noqa: S301 (from our own child, of the same user)
    except Exception as error:
        if status == -signal.SIGXCPU:
            raise LimitExceeded(_too_long(seconds)) from error
        raise InputError(
            f"The strategy ended its process (status {status}) without a result.", field="strategy"
        ) from error
    if kind == "found":
        return told
    if kind == "refused":
        raise told
    if kind == "memory":
        raise LimitExceeded(
            f"The strategy used more than {megabytes:,} MB of memory and was stopped; --memory-limit allows "
            "more."
        )
    raise RuntimeError(told)


def _too_long(seconds: int) -> str:
    return f"The strategy took more than {seconds} seconds and was stopped; --time-limit allows more."
