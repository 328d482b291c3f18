"""`python -m testbeds [NAME …] [--quick | --day] [--seed N] [--seeds N] [--resume]`: prove it by the beds."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptai import seams
from cryptai.market.times import iso
from testbeds.beds import BEDS, run_bed

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parents[1]
_EVIDENCE = _ROOT / "evidence"


def main() -> None:
    """Run the beds named; one JSON line each, the last one for all. Exit 1 when a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m testbeds", description="Prove what CryptAI promises.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(BEDS)}; all by default")
    volume = parser.add_mutually_exclusive_group()
    volume.add_argument("--quick", action="store_true", help="at most a minute a bed")
    volume.add_argument("--day", action="store_true", help="the long volume, but one day a seed of `truth`")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, help="how many seeds (default: 1, at the long volume the bed's)")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs at once, of those that may (2)")
    parser.add_argument("--evidence", action="store_true", help="append the lines to evidence/NAME.jsonl")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out what evidence has of this commit; keep the rest there",
    )
    asked = parser.parse_args()
    if asked.seeds is not None and asked.seeds < 1:
        parser.error(f"--seeds is how many seeds to run, 1 or more; was {asked.seeds}")
    unknown = [name for name in asked.names if name not in BEDS]
    if unknown:
        parser.error(f"there is no bed {unknown[0]!r}; known are: {', '.join(BEDS)}")
    size = "quick" if asked.quick else "day" if asked.day else "long"
    runs = [
        (name, seed)
        for name in asked.names or BEDS
        for seed in range(asked.seed, asked.seed + (asked.seeds or (1 if asked.quick else BEDS[name].seeds)))
    ]
    commit = _commit()
    if asked.resume and commit.endswith("-dirty"):
        parser.error("src or testbeds have changes; commit them, or nothing says what was proved")
    done = _done(runs, commit, size) if asked.resume else {}
    left = [run for run in runs if run not in done]
    keep = commit if asked.evidence or asked.resume else ""
    short = {f"{name} seed {seed}": fell for (name, seed), fell in done.items() if fell}
    for figures in _figures(left, size, asked.jobs):
        if figures["fell_short"]:
            short[f"{figures['bed']} seed {figures['seed']}"] = figures["fell_short"]
        _print(figures)
        if keep:
            _keep(figures, keep)
        done[figures["bed"], figures["seed"]] = figures["fell_short"]
        _say(f"{len(done)} of {len(runs)} runs are done, {len(short)} fell short")
    _print({"beds": list(asked.names or BEDS), "runs": len(runs), "fell_short": short})
    sys.exit(1 if short else 0)


def _figures(runs: list[tuple[str, int]], size: str, jobs: int) -> Iterator[dict[str, Any]]:
    yield from _run([run for run in runs if not BEDS[run[0]].alone], size, jobs)
    for run in runs:
        if BEDS[run[0]].alone:
            yield run_bed(*run, size)


def _run(runs: list[tuple[str, int]], size: str, jobs: int) -> Iterator[dict[str, Any]]:
    # Each in a process of its own that did not inherit anything of this one's.
    with ProcessPoolExecutor(max(1, jobs), mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(run_bed, *run, size) for run in runs]
        for done in as_completed(waiting):
            yield done.result()


def _print(figures: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(figures)}\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"{iso(seams.now_ms())} {text}\n")


def _commit() -> str:
    """Return the commit that is proved; "-dirty" behind it says that the code is another one by now."""
    head, changed = (
        subprocess.run(["git", *told], cwd=_ROOT, capture_output=True, text=True, check=False).stdout.strip()
        for told in (["describe", "--always"], ["status", "--porcelain", "--", "src", "testbeds"])
    )
    return f"{head}-dirty" if changed else head


def _done(runs: list[tuple[str, int]], commit: str, size: str) -> dict[tuple[str, int], list[str]]:
    """Return what evidence has of these runs on this commit: what fell short in each."""
    found = {}
    for name in {name for name, _ in runs}:
        path = _EVIDENCE / f"{name}.jsonl"
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            row = json.loads(line)
            if (row["commit"], row.get("size")) == (commit, size) and (name, row["seed"]) in runs:
                found[name, row["seed"]] = row["fell_short"]
    return found


def _keep(figures: dict[str, Any], commit: str) -> None:
    row = {"commit": commit, "at": iso(seams.now_ms()), "machine": platform.machine()} | figures
    _EVIDENCE.mkdir(exist_ok=True)
    with (_EVIDENCE / f"{figures['bed']}.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(row)}\n")


if __name__ == "__main__":
    main()
