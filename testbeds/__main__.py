"""`python -m testbeds [NAME …] [--quick] [--seed N] [--seeds N] [--evidence]`: prove it, print figures."""

from __future__ import annotations

import argparse
import json
import logging
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptai import seams
from cryptai.market.times import iso
from testbeds.beds import BEDS

_ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the beds named; one JSON line each, the last one for all. Exit 1 when a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m testbeds", description="Prove what CryptAI promises.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(BEDS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="at most a minute a bed")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one after another")
    parser.add_argument("--evidence", action="store_true", help="append the lines to evidence/NAME.jsonl")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in BEDS]
    if unknown:
        parser.error(f"there is no bed {unknown[0]!r}; known are: {', '.join(BEDS)}")
    logging.disable(logging.ERROR)  # faults are what is expected here
    short: dict[str, Any] = {}
    for name in asked.names or BEDS:
        for seed in range(asked.seed, asked.seed + asked.seeds):
            began = seams.monotonic()
            figures = {"bed": name} | BEDS[name].run(seed, "quick" if asked.quick else "long")
            figures["took_s"] = round(seams.monotonic() - began, 1)
            if figures["fell_short"]:
                short[f"{name} seed {seed}"] = figures["fell_short"]
            _print(figures)
            if asked.evidence:
                _keep(name, figures)
    _print({"beds": list(asked.names or BEDS), "seeds": asked.seeds, "fell_short": short})
    sys.exit(1 if short else 0)


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
