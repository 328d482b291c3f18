"""Long work in a process of its own: what a person's strategy does there, Ctrl-C or a limit can end."""

from __future__ import annotations

import os
import resource
import signal
import traceback
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from cryptai.errors import CryptaiError, InputError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection


def apart(
    work: Callable[[Callable[[Any], object]], Any],
    hear: Callable[[Any], object],
    *,
    seconds: int,
    megabytes: int,
) -> Any:
    """Return what `work(tell)` returns, computed in a forked child; each `tell(news)` arrives at `hear`.

    To be called before there are threads. Answer and news must be picklable.

    Raises
    ------
    LimitExceeded
        When the child says nothing for `seconds`, or takes over `megabytes` of memory; 0 is no limit.
    InputError
        If the child ends without an answer.
    CryptaiError
        What `work` raises.
    """
    context = get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(work, there, megabytes), daemon=True)
    child.start()
    there.close()
    try:
        while True:
            if not here.poll(seconds or None):
                raise LimitExceeded(
                    f"A set took more than {seconds} seconds and was stopped; --time-limit allows more."
                )
            kind, told = here.recv()
            if kind == "news":
                hear(told)
            else:
                return _understood(kind, told, megabytes)
    except EOFError as error:
        child.join(5)
        raise InputError(
            f"The strategy ended its process (status {child.exitcode}) without a result.", field="strategy"
        ) from error
    finally:
        child.kill()
        child.join()


def _answer(work: Callable[[Callable[[Any], object]], Any], pipe: Connection, megabytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
    if megabytes:
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    told: tuple[str, Any]
    try:
        told = "found", work(lambda news: pipe.send(("news", news)))
    except CryptaiError as error:
        told = ("memory", None) if isinstance(error.__cause__, MemoryError) else ("refused", error)
    except MemoryError:
        told = "memory", None
    except Exception:  # noqa: BLE001 (told in the log, as a mistake in the parent would be)
        told = "crashed", traceback.format_exc()
    pipe.send(told)
    pipe.close()
    os._exit(0)


def _understood(kind: str, told: Any, megabytes: int) -> Any:
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
