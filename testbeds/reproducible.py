"""C5: the same data, code and configuration give the same bits, in whatever process and on whatever machine.

Each process is fresh: its own hash seed, time zone and locale, its files imported in an order of its own, one
worker or two. Every third one stands in for a second machine: Numba compiles for a generic processor, NumPy
leaves its faster loops alone, and the C library takes its plain mathematics.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from cryptai.market.candles import COLUMNS
from cryptai.market.times import iso
from cryptai.market.writing import write_table
from cryptai.research.identity import digest_of
from cryptai.trading import result as results
from cryptai.trading.request import BacktestRequest
from testbeds.goldens import goldens, world

_ROOT: Final = Path(__file__).resolve().parents[1]
_ZONES: Final = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "Europe/Berlin")
_LOCALES: Final = ("C", "C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8")


def reproduce(seed: int, processes: int, bug: str = "none", *, second: bool = True) -> dict[str, Any]:
    """Run the same backtests in so many fresh processes, and count the distinct answers.

    Without `second` none stands in for another machine, for which everything is compiled anew.
    """
    random = np.random.default_rng([seed, 55])
    answers: Counter[str] = Counter()
    each: list[dict[str, str]] = []
    others_at = 0
    with tempfile.TemporaryDirectory(prefix="cryptai-reproducible-") as folder:
        files = _written(Path(folder))
        for number in range(processes):
            elsewhere = second and number % 3 == 2
            others_at += elsewhere
            environment = _environment(random, elsewhere=elsewhere)
            task = {
                "home": str(Path(folder, f"home-{number}")), "workers": 1 + number % 2,
                "files": [files[i] for i in random.permutation(len(files))], "bug": bug,
            }  # fmt: skip
            done = subprocess.run(
                [sys.executable, "-m", "testbeds.reproducing"], input=json.dumps(task), text=True,
                capture_output=True, env=environment, cwd=_ROOT, check=False,
            )  # fmt: skip
            if done.returncode:
                return {"seed": seed, "processes": number, "fell_short": [done.stderr.strip()[-400:]]}
            each.append(json.loads(done.stdout))
            answers[digest_of(each[-1])] += 1
    others = sorted({name for one in each for name in one if one[name] != each[0][name]})
    return {
        "seed": seed, "processes": processes, "second_machine": others_at, "runs": len(each[0]),
        "digests": len(answers), "differ": others[:5],
        "fell_short": [] if len(answers) == 1 else [f"{len(answers)} digests where there must be one"],
    }  # fmt: skip


def _written(folder: Path) -> list[str]:
    found = []
    for symbol in sorted({one for run in goldens() for one in run.symbols}):
        candles = world(symbol)
        file = folder / f"{symbol.replace('/', '')}_{candles.timeframe}.parquet"
        write_table(file, {name: getattr(candles, name) for name in COLUMNS})
        found.append(str(file))
    return found


def _environment(random: np.random.Generator, *, elsewhere: bool) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "CRYPTAI"))
    }
    zone, locale = (str(random.choice(one)) for one in (_ZONES, _LOCALES))
    kept |= {"PYTHONHASHSEED": str(random.integers(1, 2**32)), "TZ": zone, "LC_ALL": locale}
    return kept | (_second_machine() if elsewhere else {})


def _second_machine() -> dict[str, str]:
    # What this machine has above the least that NumPy is built for; naming anything else only warns.
    numpy_core = import_module("numpy._core._multiarray_umath")
    faster = [name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(name)]
    return {
        "NUMBA_CPU_NAME": "generic",
        "NPY_DISABLE_CPU_FEATURES": " ".join(faster),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA",
    }


def local_times() -> list[Any]:
    """Plant a bug: times of trades are told in the time zone of the machine."""
    return [patch.object(results, "iso", lambda ms: iso(ms - 1_000 * time.timezone))]


def set_of_markets() -> list[Any]:
    """Plant a bug: markets that share cash are taken in the order of a set of their names."""
    parse = BacktestRequest.parse.__func__  # type: ignore[attr-defined]

    def wrong(cls: type[BacktestRequest], options: dict[str, Any]) -> BacktestRequest:
        if "symbols" in options:
            options = {**options, "symbols": list({*options["symbols"]})}
        made: BacktestRequest = parse(cls, options)
        return made

    return [patch.object(BacktestRequest, "parse", classmethod(wrong))]
