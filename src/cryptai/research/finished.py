"""The sets that a search has finished, kept in the workspace: whoever kills it loses hardly any work.

One file for each digest of data, code and configuration, and only ever added to; one JSON object a line.
Another search of the same finds there what it needs not run again. A line that a kill or a power cut left
torn is no line.
"""

from __future__ import annotations

import fcntl
import json
import os
from base64 import b64decode, b64encode
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics.metrics import Metrics
from cryptai.errors import WorkspaceError
from cryptai.market.durable import make_folder, sync_folder
from cryptai.research.measured import Measured
from cryptai.research.overfit import BlockSums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cryptai.parameters import Value
    from cryptai.research.measured import Bench
    from cryptai.workspace import Workspace

_METRICS: Final = {field.name for field in fields(Metrics)}


class Finished:
    """The finished sets of a bench, found by their parameters.

    Nothing is kept where there is no workspace.

    Raises
    ------
    WorkspaceError
        If the file cannot be read, or (from `add`) written.
    """

    def __init__(self, workspace: Workspace, bench: Bench) -> None:
        made = (workspace.root / "version").is_file()
        self._path = workspace.root / "sweeps" / f"{bench.key}.jsonl" if made else None
        self._known = {} if self._path is None else _read(self._path, bench.blocks)

    def get(self, params: Mapping[str, Value]) -> Measured | None:
        """Return the set if it was finished before."""
        return self._known.get(_key(params))

    def add(self, sets: Iterable[Measured]) -> None:
        """Add sets; they are on the disk when this returns."""
        rows = list(sets)
        self._known.update((_key(one.params), one) for one in rows)
        if self._path is None or not rows:
            return
        text = "".join(f"{json.dumps(_row(one), allow_nan=False)}\n" for one in rows)
        try:
            _append(self._path, text.encode())
        except OSError as error:
            raise _unusable(self._path, error) from error


def _append(path: Path, data: bytes) -> None:
    make_folder(path.parent)
    new = not path.exists()
    with path.open("ab") as file:
        # Two searches of the same may run at once.
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.tell() and not _ends_whole(path):
            file.write(b"\n")
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync_folder(path.parent)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _read(path: Path, blocks: int) -> dict[str, Measured]:
    try:
        lines = path.read_bytes().split(b"\n") if path.is_file() else []
    except OSError as error:
        raise _unusable(path, error) from error
    found: dict[str, Measured] = {}
    for line in lines:
        one = _of_row(line, blocks)
        if one is not None:
            found[_key(one.params)] = one
    return found


def _unusable(path: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"The finished sets in {path} cannot be used ({error.strerror}); check the folder's permissions and "
        "the room on the disk."
    )


def _key(params: Mapping[str, Value]) -> str:
    return json.dumps(params, sort_keys=True)


def _row(one: Measured) -> dict[str, Any]:
    blocks = one.blocks
    kept = None if blocks is None else [blocks.rows, _text(blocks.sums), _text(blocks.squares)]
    return {
        "run": one.run, "params": one.params, "metrics": one.metrics, "sharpe": one.sharpe, "blocks": kept,
    }  # fmt: skip


def _of_row(line: bytes, blocks: int) -> Measured | None:
    try:
        row = json.loads(line)
        kept = row["blocks"]
        sums = None if kept is None else BlockSums(kept[0], _column(kept[1]), _column(kept[2]))
        if (0 if sums is None else len(sums.sums)) != blocks or set(row["metrics"]) != _METRICS:
            return None  # of another version
        return Measured(row["run"], row["params"], row["metrics"], row["sharpe"], sums)
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _text(values: np.ndarray[Any, Any]) -> str:
    return b64encode(values.astype("<f8").tobytes()).decode()


def _column(text: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.frombuffer(b64decode(text, validate=True), "<f8").astype(np.float64)[:, None]
