"""A search in a process of its own, from outside: started, listened to, and stopped when it is not wanted."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, Final

from cryptai.errors import CryptaiError, InputError, LimitExceeded
from cryptai.seams import monotonic
from cryptai.trading.isolated import catalog_of, environment_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

MEGABYTES: Final = 4096
# A strategy that loops for ever finishes no set; the slowest honest one finishes some in this.
SILENCE_S: Final = 900.0
_LOOK_S: Final = 0.5
_TO_END_S: Final = 5.0


class WorkerDied(CryptaiError):
    """The process of a search ended without a word: it was killed, or the strategy ended it."""


def searched(
    task: Mapping[str, Any], home: Path, *, megabytes: int = MEGABYTES, silence_s: float = SILENCE_S
) -> Generator[dict[str, Any] | None]:
    """Run a task of `cryptai.web.research.worker`; yield what it tells, and None while it tells nothing.

    The last that is yielded has `end`. Whoever closes the generator before stops the process, and with it
    whatever it has started.

    Raises
    ------
    InputError
        What the search itself would raise.
    LimitExceeded
        For too much memory, or when no set was finished for `silence_s`.
    WorkerDied
        When the process ended without an answer.
    """
    options = task["options"]
    # Of several markets the whole exchange's catalog is given.
    with catalog_of(home, str(options.get("exchange") or "binance"), options.get("symbol")) as catalog:
        child = subprocess.Popen(
            [sys.executable, "-m", "cryptai.web.research.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment_of(home), start_new_session=True,
        )  # fmt: skip
        lines: queue.Queue[bytes | None] = queue.Queue()
        reader = Thread(target=_read, args=(child.stdout, lines), daemon=True)
        reader.start()
        try:
            _write(child, {**task, "catalog": catalog, "megabytes": megabytes})
            yield from _heard(child, lines, silence_s)
        finally:
            _end(child)
            reader.join(_TO_END_S)


def _write(child: subprocess.Popen[bytes], task: Mapping[str, Any]) -> None:
    assert child.stdin is not None  # noqa: S101 (a pipe was asked for)
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(task).encode() + b"\n")
        child.stdin.flush()


def _heard(
    child: subprocess.Popen[bytes], lines: queue.Queue[bytes | None], silence_s: float
) -> Iterator[dict[str, Any] | None]:
    since = monotonic()
    while True:
        try:
            line = lines.get(timeout=_LOOK_S)
        except queue.Empty:
            if monotonic() - since > silence_s:
                raise LimitExceeded(
                    f"No set was finished for {silence_s / 60:g} minutes, and the search was stopped; the "
                    "strategy may loop for ever."
                ) from None
            yield None
            continue
        if line is None:
            raise _died(child)
        since = monotonic()
        told = json.loads(line)
        if "failed" in told:
            raise _refused(told)
        yield told
        if "end" in told:
            return


def _read(pipe: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put(None)


def _refused(told: Mapping[str, Any]) -> CryptaiError:
    if "field" not in told:
        return LimitExceeded(told["failed"])
    return InputError(told["failed"], field=told["field"])


def _died(child: subprocess.Popen[bytes]) -> WorkerDied:
    code = child.wait()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    return WorkerDied(
        f"The process of the search {how} before it was done. The sets it had finished are kept: the same "
        "search, started again, goes on from there."
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    # Closing its input asks it to stop, so that it keeps what it has just finished; then it has no choice.
    assert child.stdin is not None  # noqa: S101
    with contextlib.suppress(OSError):
        child.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_TO_END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # and whatever it has started
    child.wait()
