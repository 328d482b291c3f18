"""A user's own strategy, run in a process of its own with limits: how a server runs code it did not write.

The child sees no secret of the server's environment, and cannot take its memory, its processor or its files'
room. It is still the same user of the same machine: what a strategy file may do there is for the one who puts
it into the workspace to answer.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.errors import CryptaiError, InputError, LimitExceeded
from cryptai.market.opening import kept_elsewhere, open_store
from cryptai.market.symbol import parse_symbol
from cryptai.trading.outcome import make_ready
from cryptai.trading.request import BacktestRequest
from cryptai.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cryptai.market.store import CandleStore
    from cryptai.trading.result import Result

_log = logging.getLogger(__name__)
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "XDG_CACHE_HOME", "HOME", "CRYPTAI_NATIVE")
_FILE_MB = 256


def run_isolated(
    request: Mapping[str, Any], home: Path, out: Path, *, seconds: int = 60, megabytes: int = 2048
) -> dict[str, Any]:
    """Run a backtest (the command's options by name) in a child; return the command's object.

    Leaves `result.json` (the object) and `equity.npy` (float64 of shape (2, bars): open time in ms,
    equity) in the folder `out`.

    Raises
    ------
    InputError
        What the run itself would raise, or a strategy that ends its process.
    LimitExceeded
        After `seconds` of time or over `megabytes` of memory.
    """
    # The engine's own machine code is compiled here, if at all: the child's time is the strategy's.
    make_ready()
    out.mkdir(parents=True, exist_ok=True)
    task = {"task": "backtest", "request": dict(request), "out": str(out)}
    exchange, symbol = request.get("exchange") or "binance", request.get("symbol")
    with catalog_of(home, str(exchange), None if symbol is None else str(symbol)) as catalog:
        ask(__name__, {**task, "catalog": catalog}, home, seconds=seconds, megabytes=megabytes)
    found: dict[str, Any] = json.loads((out / "result.json").read_text())
    return found


def save(result: Result, out: Path) -> dict[str, Any]:
    """Write a result's object and equity into a folder, and return the object."""
    found = result.as_object()
    np.save(out / "equity.npy", np.stack([result.ts.astype(np.float64), result.equity]), allow_pickle=False)
    (out / "result.json").write_text(json.dumps(found, allow_nan=False))
    return found


@contextlib.contextmanager
def catalog_of(home: Path, exchange: str, symbol: str | None) -> Iterator[str | None]:
    """Give the child the catalog as a file where it lies in a database: it is not told that one's address."""
    if not kept_elsewhere():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="cryptai-catalog-") as folder:
        file = Path(folder, "catalog.sqlite3")
        known = None if symbol is None else parse_symbol(symbol)
        open_store(Workspace(home)).snapshot(file, exchange=exchange, symbol=known)
        yield str(file)


def environment_of(home: Path) -> dict[str, str]:
    """Return what a child may know of the server's environment: no secret, no address."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"CRYPTAI_HOME": str(home)}


def ask(module: str, task: dict[str, Any], home: Path, *, seconds: int, megabytes: int) -> Any:
    """Have a module do a task in a child (it calls `child` when it is run), and return its answer.

    Raises
    ------
    InputError, LimitExceeded
        As `run_isolated`.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment_of(home), start_new_session=True,
    )  # fmt: skip
    message = json.dumps({**task, "seconds": seconds, "megabytes": megabytes}).encode()
    try:
        answer, _ = child.communicate(message, timeout=seconds + 5)
    except subprocess.TimeoutExpired as error:
        raise LimitExceeded(f"The strategy took more than {seconds} seconds and was stopped.") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # and whatever it has started
        child.communicate()
    return _understood(child.returncode, answer, seconds, megabytes)


def _understood(code: int, answer: bytes, seconds: int, megabytes: int) -> Any:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise LimitExceeded(f"The strategy took more than {seconds} seconds and was stopped.")
    try:
        told = json.loads(answer)
    except ValueError as error:
        raise InputError(
            f"The strategy ended its process (status {code}) without a result.", field="strategy"
        ) from error
    for sentence in told.get("warned", ()):
        _log.warning("%s", sentence)
    if "answer" in told:
        return told["answer"]
    if told["kind"] == "MemoryError":
        raise LimitExceeded(f"The strategy used more than {megabytes} MB of memory and was stopped.")
    raise InputError(told["message"], field=told["field"])


def child(work: Callable[[dict[str, Any]], Any]) -> int:
    """Do the task that stands on the standard input, within its limits, and print the answer."""
    task = json.loads(sys.stdin.buffer.read())
    # What a strategy prints is not the answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    memory = task["megabytes"] * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (task["seconds"], task["seconds"] + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_MB << 20, _FILE_MB << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warned = _Warned()
    logging.getLogger("cryptai").addHandler(warned)
    try:
        told: dict[str, Any] = {"answer": work(task), "warned": warned.sentences}
    except MemoryError:
        told = {"kind": "MemoryError", "message": "", "field": None}
    except CryptaiError as error:
        kind = "MemoryError" if isinstance(error.__cause__, MemoryError) else "InputError"
        told = {"kind": kind, "message": str(error), "field": getattr(error, "field", None)}
    json.dump(told, answers)
    answers.flush()
    return 0


class _Warned(logging.Handler):
    """What the engine warns of in the child, for the log of the one who asked."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sentences.append(record.getMessage())


def store_of(task: Mapping[str, Any]) -> tuple[Workspace, CandleStore]:
    """Return the workspace and the candle store that a child works on."""
    from cryptai.market.catalog import Catalog  # noqa: PLC0415 (the child's work, not the parent's)
    from cryptai.market.store import CandleStore  # noqa: PLC0415
    from cryptai.workspace import open_workspace  # noqa: PLC0415

    workspace = open_workspace(create=False)
    catalog = Catalog(Path(task["catalog"])) if task["catalog"] else None
    return workspace, CandleStore(workspace.candles, catalog)


def _work(task: dict[str, Any]) -> Any:
    from cryptai.trading.run import run_request  # noqa: PLC0415 (the child's work, not the parent's)

    workspace, store = store_of(task)
    result = run_request(BacktestRequest.parse(task["request"]), store, workspace.strategies)
    save(result, Path(task["out"]))
    return None


if __name__ == "__main__":
    sys.exit(child(_work))
