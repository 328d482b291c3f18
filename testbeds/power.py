"""B3: the power goes at any moment, or the disk fails at any call; what was acknowledged is kept, whole."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from testbeds.acting import ACKNOWLEDGED
from testbeds.calls import build, noting, read_calls
from testbeds.disk import Disk
from testbeds.home import a_folder
from testbeds.scene import judge, states, steps

if TYPE_CHECKING:
    import numpy as np

    from testbeds.calls import Call

_HERE: Final = Path(__file__).resolve().parent
_SHOWN: Final = 5
_CALLS_A_STEP: Final = 20
_DEAD: Final = 137
# Calls after which something may just have become safe, or been said to be.
_TURNS: Final = "SRLU"


def cuts(seed: int, count: int, length: int, deaths: int, bug: str = "none") -> dict[str, Any]:
    """Let a process play a scene of so many steps, cut the power so often, and judge what is left.

    So many `deaths` befall the process, and another goes on with what it finds: what the first had not yet
    synced must not be taken for safe by the second.
    """
    random = seams.rng([seed, 43])
    known = states(steps(seed, length))
    with a_folder() as folder:
        last = random.integers(10, 2 * _CALLS_A_STEP * length // max(deaths, 1), deaths).tolist()
        calls = _noted(folder, [str(seed), str(length), bug], last)
        disk = Disk(folder / "disk")
        chosen = moments(calls, count, random)
        acknowledged, told, judged, wrong = 0, -1, 0, []
        for i, call in enumerate(calls, 1):
            disk.take(call)
            if call.kind == "C" and call.data.endswith(ACKNOWLEDGED.encode()):
                told = call.inode
            acknowledged += call.kind == "W" and call.inode == told
            for _ in range(chosen.count(i)):
                with tempfile.TemporaryDirectory(dir=folder) as left:
                    disk.after_cut(random, Path(left))
                    found = judge(Path(left) / "workspace", known, acknowledged, random)
                judged += 1
                if found:
                    wrong.append(f"after call {i}, {acknowledged} steps: {found}")
        whole = disk.is_as(folder / "disk")
    return {
        "seed": seed, "cuts": judged, "deaths": deaths, "calls": len(calls), "steps": acknowledged,
        "wrong": len(wrong), "examples": wrong[:_SHOWN],
        "fell_short": [
            words for words, broken in {
                "not every step was acknowledged": acknowledged != length,
                "calls were missed: the disk is another than its notes say": not whole,
                "no segment was written": not any(c.more.endswith(b".arrow") for c in calls),
                "after a cut something acknowledged was lost, torn or unreadable": bool(wrong),
            }.items() if broken
        ],
    }  # fmt: skip


def failures(seed: int, length: int, every: int, bug: str = "none") -> dict[str, Any]:
    """Let a disk fail at every so-manieth call with EIO and, from there on, ENOSPC; judge what is left."""
    with a_folder() as folder:
        library = build(folder, _HERE)
        told = _child([str(folder), str(seed), str(length), bug, str(every)], noting(library, folder / "-"))
    figures: dict[str, Any] = json.loads(told)
    broken = {
        "no call failed": figures["stopped"] == 0,
        "a failure was not loud, or something acknowledged was lost": figures["wrong"] > 0,
    }
    return {"seed": seed, **figures, "fell_short": [words for words, is_so in broken.items() if is_so]}


def _noted(folder: Path, scene: list[str], deaths: list[int]) -> list[Call]:
    root, notes = folder / "disk", folder / "notes"
    root.mkdir()
    environment = noting(build(folder, _HERE), root, notes)
    for last in deaths:
        _child([str(root), *scene], environment | {"CRYPTAI_DISK_DIE": str(last)}, dies=True)
    _child([str(root), *scene], environment)
    return list(read_calls(notes))


def _child(words: list[str], environment: dict[str, str], *, dies: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "testbeds.acting", *words],
        env=environment, cwd=_HERE.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and not (dies and done.returncode == _DEAD):
        raise RuntimeError(f"The process on the disk ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def moments(calls: list[Call], count: int, random: np.random.Generator) -> list[int]:
    """Choose after which calls the power goes: half of them right after a sync or a change of a name."""
    turns = [i for i, call in enumerate(calls, 1) if call.kind in _TURNS]
    after = [turns[k] for k in random.integers(0, len(turns), count // 2).tolist()]
    return sorted([*after, *random.integers(1, len(calls) + 1, count - count // 2).tolist()])
