"""The child whose disk forgets, or fails: it plays a scene through the product, and tells what is kept.

`python -m testbeds.acting ROOT SEED STEPS BUG [EVERY]`; see testbeds/power.py.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Final

from cryptai import seams
from cryptai.errors import WorkspaceError
from testbeds import planted
from testbeds.scene import Stage, Step, judge, on_stage, states, steps

ACKNOWLEDGED: Final = "acknowledged"
"""The file in which the outside world notes what it was told; it is no file of the disk."""

_ERRORS: Final = ("EIO", "ENOSPC")


def cut(root: Path, seed: int, count: int) -> None:
    """Play what is left of the scene; its calls are noted by the library that was loaded before."""
    with (root / ACKNOWLEDGED).open("ab", buffering=0) as told:
        acknowledged = told.tell()
        with on_stage(acknowledged):
            stage = Stage(root / "workspace")
        for step in steps(seed, count)[acknowledged:]:
            with on_stage(step.number):
                stage.play(step)
                told.write(b".")
                if step.number % 3 == 0:
                    stage.store.finish()  # sometimes it folds beside the next steps, sometimes before
    with on_stage(count):
        stage.store.finish()
        stage.close()


def fail(root: Path, seed: int, count: int, every: int) -> None:
    """Play the scene again and again; the n-th call fails, for n = 1, 1 + every, … until there is none.

    EIO strikes once, ENOSPC from the n-th call on. After it some processes are started anew, and others go on
    once the disk is well again.
    """
    disk = ctypes.CDLL(None)
    disk.disk_calls.restype = ctypes.c_long
    scene = steps(seed, count)
    known = states(scene)
    runs = stopped = most = 0
    wrong: list[str] = []
    for name in _ERRORS:
        n, reached = 1, True
        while reached:
            here = root / f"{name}-{n}"
            here.mkdir()
            disk.disk_root(os.fsencode(here))
            disk.disk_fail(ctypes.c_long(n), getattr(errno, name), ctypes.c_long(name == "ENOSPC"))
            acknowledged, said = _play(here, scene)
            reached, most = disk.disk_calls() >= n, max(most, disk.disk_calls())
            disk.disk_fail(ctypes.c_long(0), 0, ctypes.c_long(0))
            runs, stopped = runs + 1, stopped + bool(said)
            if said and not said.startswith("WorkspaceError"):
                wrong.append(f"{name} at call {n}: not our sentence, but {said}")
            if said and runs % 2:
                more, said = _play(here, scene[acknowledged:])
                acknowledged += more
                if said:
                    wrong.append(f"{name} at call {n}: it does not go on, but says {said}")
            disk.disk_root(b"")
            if found := judge(here, known, acknowledged, seams.rng([seed, n])):
                wrong.append(f"{name} at call {n}: {found}")
            if here in _stages:
                _stages.pop(here).close()
            shutil.rmtree(here)
            n += every
    told = {"runs": runs, "stopped": stopped, "calls": most, "wrong": len(wrong), "examples": wrong[:5]}
    sys.stdout.write(json.dumps(told))


_stages: dict[Path, Stage] = {}


def _play(root: Path, scene: list[Step]) -> tuple[int, str]:
    """Return how many steps were acknowledged, and what stopped the rest."""
    acknowledged = 0
    try:
        if root not in _stages:
            with on_stage(0):
                _stages[root] = Stage(root)
        for step in scene:
            with on_stage(step.number):
                _stages[root].play(step)
                acknowledged += 1
                _stages[root].store.finish()
    except WorkspaceError as error:
        return acknowledged, f"WorkspaceError: {error}"
    except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
        return acknowledged, f"{type(error).__name__}: {error}"
    return acknowledged, ""


def main() -> None:
    """Play once, or, with the last argument, again and again while so-manieth calls fail."""
    root, seed, count, bug, *every = sys.argv[1:]
    logging.disable(logging.ERROR)  # a disk in trouble is what is expected here
    with planted.bug(bug):
        if every:
            fail(Path(root), int(seed), int(count), int(every[0]))
        else:
            cut(Path(root), int(seed), int(count))


if __name__ == "__main__":
    main()
