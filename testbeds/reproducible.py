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
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np

from cryptai.market.candles import COLUMNS
from cryptai.market.files import read_candles
from cryptai.market.opening import open_store
from cryptai.market.times import iso
from cryptai.market.writing import write_table
from cryptai.research.identity import digest_of, digests
from cryptai.trading import result as results
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_request
from cryptai.workspace import open_workspace
from testbeds.goldens import Golden, goldens, world

if TYPE_CHECKING:
    from cryptai.market.store import CandleStore

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
                [sys.executable, "-m", "testbeds.reproducible"], input=json.dumps(task), text=True,
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


def _child() -> None:
    from testbeds.planted import bug as planted_bug  # noqa: PLC0415 (which knows the bugs of this file)

    task = json.loads(sys.stdin.read())
    with planted_bug(task["bug"]):
        workspace = open_workspace(Path(task["home"]))
        store = open_store(workspace)
        for file in task["files"]:
            store.write("binance", read_candles(Path(file), symbol=_symbol(file), timeframe=None))
        chosen = goldens()
        with ThreadPoolExecutor(task["workers"]) as pool:
            made = pool.map(lambda one: _digest(one, store), chosen)
            told = {one.name: digest for one, digest in zip(chosen, made, strict=True)}
    sys.stdout.write(json.dumps(told))


def _symbol(file: str) -> str:
    return f"{Path(file).stem[:3]}/USDT"


def _digest(golden: Golden, store: CandleStore) -> str:
    frame = str(world(golden.symbols[0]).timeframe)
    named = {"symbols": list(golden.symbols)} if len(golden.symbols) > 1 else {"symbol": golden.symbols[0]}
    options = {**golden.options, **named, "strategy": golden.strategy, "timeframe": frame}
    found = run_request(BacktestRequest.parse(options), store)
    told = found.as_object()
    return digest_of([told["run"], digests(told, found.ts, found.equity)])


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


if __name__ == "__main__":
    _child()
