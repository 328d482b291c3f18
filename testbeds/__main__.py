"""`python -m testbeds [NAME …] [--quick] [--seed N] [--seeds N] [--evidence]`: prove it, print figures."""

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


def main() -> None:
    """Run the beds named; one JSON line each, the last one for all. Exit 1 when a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m testbeds", description="Prove what CryptAI promises.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(BEDS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="at most a minute a bed")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, help="how many seeds (default: 1, at the long volume the bed's)")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs at once, of those that may (2)")
    parser.add_argument("--evidence", action="store_true", help="append the lines to evidence/NAME.jsonl")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in BEDS]
    if unknown:
        parser.error(f"there is no bed {unknown[0]!r}; known are: {', '.join(BEDS)}")
    size = "quick" if asked.quick else "long"
    runs = [
        (name, seed)
        for name in asked.names or BEDS
        for seed in range(asked.seed, asked.seed + (asked.seeds or (1 if asked.quick else BEDS[name].seeds)))
    ]
    short: dict[str, Any] = {}
    for figures in _run([run for run in runs if not BEDS[run[0]].alone], size, asked.jobs):
        _tell(figures, short, keep=asked.evidence)
    for run in runs:
        if BEDS[run[0]].alone:
            _tell(run_bed(*run, size), short, keep=asked.evidence)
    _print({"beds": list(asked.names or BEDS), "runs": len(runs), "fell_short": short})
    sys.exit(1 if short else 0)


def _run(runs: list[tuple[str, int]], size: str, jobs: int) -> Iterator[dict[str, Any]]:
    # Each in a process of its own that did not inherit anything of this one's.
    with ProcessPoolExecutor(max(1, jobs), mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(run_bed, *run, size) for run in runs]
        for done in as_completed(waiting):
            yield done.result()


def _tell(figures: dict[str, Any], short: dict[str, Any], *, keep: bool) -> None:
    if figures["fell_short"]:
        short[f"{figures['bed']} seed {figures['seed']}"] = figures["fell_short"]
    _print(figures)
    if keep:
        _keep(figures["bed"], figures)


def _print(figures: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(figures)}\n")
    sys.stdout.flush()


def _keep(name: str, figures: dict[str, Any]) -> None:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=_ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    row = {"commit": commit, "at": iso(seams.now_ms()), "machine": platform.machine()} | figures
    folder = _ROOT / "evidence"
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(row)}\n")


if __name__ == "__main__":
    main()
