"""A child process for a person's code: forked where that is safe, begun anew where it is not."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE: Final = 200  # hundredths of a second
# What a child that is begun anew does first: it finds modules where its parent does.
_ANEW: Final = (
    "import sys; sys.path[:] = {path!r}; from cryptai.cli.child import begin_anew; begin_anew({end})"
)


class Child:
    """A child that says (kind, what): once "ready", "news" any number of times, and how it ended.

    The end is one of "found", "refused" (an error of ours), "memory", "crashed" (a traceback), and "gone":
    it ended without a word, with this status.
    """

    def __init__(self, pid: int, pipe: Connection) -> None:
        self._pid = pid
        self._pipe = pipe
        self._status: int | None = None

    def hear(self, seconds: float | None) -> tuple[str, Any] | None:
        """Return the next thing it says, None if it says nothing for so long."""
        if not self._pipe.poll(seconds):
            return None
        try:
            kind, told = self._pipe.recv()
        except Exception:  # noqa: BLE001 (the pipe's end, or what was not written whole)
            return "gone", self._ended()
        return kind, told

    def stop(self) -> None:
        """End it and whatever it has started, whatever they are doing."""
        self._pipe.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        if self._status is None:
            os.waitpid(self._pid, 0)

    def _ended(self) -> int | None:
        for _ in range(_PATIENCE):
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
                return self._status
            seams.sleep(0.01)
        return None  # it has said all, and lives on all the same


@contextlib.contextmanager
def begun(
    work: Callable[[Callable[[Any], object]], Any], *, megabytes: int, cpu_seconds: int = 0
) -> Iterator[Child]:
    """Have a child do `work(tell)`, each `tell(news)` of which is news; it is gone when the block ends.

    Over `megabytes` of memory it says "memory", over `cpu_seconds` it is gone; 0 is no limit. What is
    returned and told must be picklable, and where the child cannot be forked, `work` too. The engine's own
    machine code is loaded, and compiled if need be, before it is "ready".
    """
    limits = (megabytes, cpu_seconds)
    ours, theirs = Pipe()
    child = Child(
        _forked(work, limits, ours, theirs) if _alone() else _anew(work, limits, ours, theirs), ours
    )
    theirs.close()
    try:
        yield child
    finally:
        child.stop()


def _alone() -> bool:
    """Whether a copy of this process would find nothing locked that nobody in it can unlock.

    Threads do not live through a fork, and what they held stays held: a child of a process that has used
    Polars waits for ever at its first file. On the command nothing of the kind has begun by then, and a fork
    saves the third of a second that a new interpreter takes.
    """
    return "polars" not in sys.modules and threading.active_count() == 1


def _forked(work: Any, limits: tuple[int, int], ours: Connection, theirs: Connection) -> int:
    _load()
    pid = os.fork()
    if pid == 0:
        ours.close()
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)  # here and in the parent: whichever comes first
        _live(work, limits, theirs)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    return pid


def _anew(work: Any, limits: tuple[int, int], ours: Connection, theirs: Connection) -> int:
    code = _ANEW.format(path=sys.path, end=theirs.fileno())
    message = pickle.dumps((work, limits), pickle.HIGHEST_PROTOCOL)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code], pass_fds=[theirs.fileno()], process_group=0
    )
    # It is waited for by its id, like a fork.
    process.returncode = 0
    with contextlib.suppress(OSError):  # it died at once: whoever hears it is told
        ours.send_bytes(message)
    return process.pid


def begin_anew(end: int) -> None:
    """Do in a new interpreter what comes through the pipe's end of this number."""
    pipe = Connection(end)
    work, limits = pickle.loads(pipe.recv_bytes())  # noqa: S301 (from our own parent)
    _load()
    _live(work, limits, pipe)


def _load() -> None:
    from cryptai.trading.outcome import make_ready

    make_ready()


def _live(work: Any, limits: tuple[int, int], pipe: Connection) -> None:
    """Do the work, say what came of it, and end: nothing of the parent's goes on here."""
    megabytes, cpu_seconds = limits
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
        os.dup2(2, 1)  # what a strategy prints is not the answer
        if megabytes:
            resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
        if cpu_seconds:
            used = resource.getrusage(resource.RUSAGE_SELF)
            most = cpu_seconds + int(used.ru_utime + used.ru_stime)
            resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))
        pipe.send(("ready", None))
        pipe.send(_done(work, pipe))
    except BaseException:  # noqa: BLE001 (what came of it cannot be told, or could not be pickled)
        _tell_crash(pipe)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(0)


def _done(work: Any, pipe: Connection) -> tuple[str, Any]:
    try:
        return "found", work(lambda news: pipe.send(("news", news)))
    except CryptaiError as error:
        return ("memory", None) if isinstance(error.__cause__, MemoryError) else ("refused", error)
    except MemoryError:
        return "memory", None


def _tell_crash(pipe: Connection) -> None:
    import traceback

    with contextlib.suppress(OSError):
        pipe.send(("crashed", traceback.format_exc()))
