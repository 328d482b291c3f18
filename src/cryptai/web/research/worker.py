"""The process in which a search runs: `python -m cryptai.web.research.worker`, asked by `searching`.

It reads one line, the task, and writes one line whenever it is further, then one with the end. When its input
closes, because whoever asked has gone, it stops. It knows no Django, and no secret of the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptai.research.explore import Progress

RESULT: Final = "study.json"
SHOWN: Final = "shown.json"
MOST_SHOWN: Final = 200
"""Sets that a page lists; all of them are in the result."""
_FILE_MB: Final = 1024


def main() -> int:
    """Do the task on the first line of the input."""
    task = json.loads(sys.stdin.buffer.readline())
    # What a strategy prints is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _limit(task["megabytes"])
    stop = Event()
    Thread(target=_listen, args=(stop,), daemon=True).start()

    def tell(line: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):
            answers.write(json.dumps(line) + "\n")
            answers.flush()

    try:
        tell({"end": _work(task, stop, tell)})
    except MemoryError:
        tell({"failed": f"The search used more than {task['megabytes']:,} MB of memory and was stopped."})
    except CryptaiError as error:
        tell({"failed": str(error), "field": getattr(error, "field", None)})
    # A strategy's own threads must not keep the process.
    answers.flush()
    os._exit(0)


def _limit(megabytes: int) -> None:
    os.nice(5)  # pages first
    memory = megabytes << 20
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_MB << 20, _FILE_MB << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _listen(stop: Event) -> None:
    while sys.stdin.buffer.read(1):
        pass
    stop.set()


def _work(task: Mapping[str, Any], stop: Event, tell: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    from cryptai.market.catalog import Catalog  # noqa: PLC0415 (the limits come first)
    from cryptai.market.store import CandleStore  # noqa: PLC0415
    from cryptai.research.explore import Stopped  # noqa: PLC0415
    from cryptai.research.sweep import sweep  # noqa: PLC0415
    from cryptai.research.walkforward import walkforward  # noqa: PLC0415
    from cryptai.web.research.plans import read_study  # noqa: PLC0415
    from cryptai.workspace import open_workspace  # noqa: PLC0415

    workspace = open_workspace(create=False)
    store = CandleStore(workspace.candles, Catalog(Path(task["catalog"])) if task["catalog"] else None)
    asked, plan = read_study(task["kind"], task["options"])
    candles = [
        store.read(asked.exchange, symbol, str(asked.timeframe), end_ms=asked.end_ms)
        for symbol in asked.markets
    ]
    run: Any = sweep if task["kind"] == "sweep" else walkforward

    def further(now: Progress) -> None:
        tell({"done": now.done, "total": now.total, "best": now.best, "value": now.value})

    try:
        found = run(
            asked, plan, candles, workspace, exchange=asked.exchange, store=store, user=task["user"],
            progress=further, stop=stop,
        )  # fmt: skip
    except Stopped:
        os._exit(0)  # nobody is there to be told
    return kept(found.as_object(), Path(task["out"]))


def kept(found: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the result, and what a page shows of it; return its summary."""
    from cryptai.market.durable import make_folder, sync_file, sync_folder  # noqa: PLC0415
    from cryptai.web.research.summary import shown, summary  # noqa: PLC0415

    make_folder(out)
    for name, told in ((RESULT, found), (SHOWN, shown(found, MOST_SHOWN))):
        (out / name).write_text(json.dumps(told, allow_nan=False))
        sync_file(out / name)
    sync_folder(out)
    return summary(found)


if __name__ == "__main__":
    sys.exit(main())
