"""Runs on the disk: `runs/<id>/` with all that a run was made of and gave, whole or not there at all.

==============  =======================================================================================
manifest.json   identity: data, code, configuration, seed, engine; digests of the numbers and the files
metrics.json    the metrics
trades.csv      one row a trade
equity.csv      one row a bar (an hour, beyond 200,000 bars)
report.json     months, years, groups, drawdowns, exposure: what report.html shows
report.html     to read and to print; it needs nothing else
strategy.py     the user's own strategy, as it was run
==============  =======================================================================================

The manifest is written last: a folder without one is no run.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import InputError
from cryptai.folders import sync_folder
from cryptai.market.durable import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
FILES: Final = (
    MANIFEST, "metrics.json", "trades.csv", "equity.csv", "report.json", "report.html", "strategy.py"
)  # fmt: skip
"""Every name that a run's folder may offer to someone who asks for a file by its name."""
_ID: Final = re.compile(r"[0-9a-f]{8,64}")
_NEEDED: Final = (
    "format", "run", "engine", "strategy", "timeframe", "data", "code", "digests", "files", "made_at_ms",
)  # fmt: skip


def run_files(runs: Path, run: str) -> dict[str, Path]:
    """Return the files of a run by name, only those that are there; none for what is no run's id."""
    if not _ID.fullmatch(run) or not (runs / run / MANIFEST).is_file():
        return {}
    return {name: path for name in FILES if (path := runs / run / name).is_file()}


def list_runs(runs: Path) -> list[dict[str, Any]]:
    """Return the manifests of all runs, the newest first; folders without one are passed over."""
    found = []
    for path in runs.glob(f"*/{MANIFEST}"):
        if not _ID.fullmatch(path.parent.name):
            continue
        try:
            one = json.loads(path.read_bytes())
            found.append({**one, "id": path.parent.name, "made_at_ms": int(one["made_at_ms"])})
        except (OSError, ValueError, TypeError, KeyError):
            continue  # told by `read_manifest` to whoever asks for this one
    return sorted(found, key=lambda one: (-one["made_at_ms"], one["id"]))


def find_run(runs: Path, name: str) -> Path:
    """Return the folder of a run by its id, by the first letters of one, or by the folder's own path.

    Raises
    ------
    InputError
        If there is none, or several begin so.
    """
    if (Path(name) / MANIFEST).is_file():
        return Path(name)
    if not re.fullmatch(r"[0-9a-f]{4,64}", name):
        raise InputError(
            f"{name[:80]!r} is no run: give an id of `cryptai runs list`, or a run's folder.", field="run"
        )
    near = sorted(path.parent for path in runs.glob(f"{name}*/{MANIFEST}"))
    exact = [one for one in near if one.name == name]
    if len(exact or near) == 1:
        return (exact or near)[0]
    if near:
        raise InputError(f"{len(near)} runs begin with {name!r}; give more of its id.", field="run")
    raise InputError(f"There is no run {name!r}; `cryptai runs list` shows all.", field="run")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a run's manifest.

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or is of a newer CryptAI.
    """
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_bytes())
        missing = [name for name in _NEEDED if name not in found]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}); the run cannot be told.", field="run") from error
    if not isinstance(found, dict) or missing:
        raise InputError(f"{path} is no manifest: it lacks {', '.join(missing)}.", field="run")
    if found["format"] > FORMAT:
        raise InputError(
            f"{path} is of form {found['format']}, newer than this CryptAI reads ({FORMAT}); update it.",
            field="run",
        )
    return found


def changed_files(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Return the names of a run's files that are not there, or not as they were written."""
    return [
        name
        for name, told in manifest["files"].items()
        if Path(name).name != name or _sha256(folder / name) != told["sha256"]
    ]


def check_new(file: Path) -> None:
    """Refuse a file that exists already, or has no folder: nothing of a person's is written over."""
    if file.exists() or not file.parent.is_dir():
        why = "exists already; name a new file" if file.exists() else "has no folder; make it first"
        raise InputError(f"{file} {why}.", field="file")


def zip_run(folder: Path, file: Path) -> int:
    """Write a run's files into the new zip `file`, and return how many; the same run gives the same bytes.

    Raises
    ------
    InputError
        If `file` exists already, or has no folder.
    """
    check_new(file)
    names = [name for name in FILES if (folder / name).is_file()]

    def write(draft: Path) -> None:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                # No time of this machine: 1980 is the earliest that the form knows.
                entry = zipfile.ZipInfo(f"{folder.name}/{name}", (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, (folder / name).read_bytes())

    write_whole(file, write)
    sync_folder(file.absolute().parent)
    return len(names)


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
