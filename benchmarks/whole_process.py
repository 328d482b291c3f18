"""Whole processes, from the shell's point of view: `--help`, and a warm backtest of 55,000 hourly bars."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

BARS = 55_000
RUNS = 9
COMMAND = str(Path(sys.executable).with_name("cryptai"))


def measure() -> Iterator[dict[str, Any]]:
    """Yield the seconds of each command, after one run that warms the caches."""
    with tempfile.TemporaryDirectory() as home:
        workspace = open_workspace(Path(home))
        rng = np.random.default_rng(1)
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.005, BARS)))
        opens = np.concatenate([[100.0], close[:-1]])
        ts = np.arange(BARS) * 3_600_000 + 1_500_000_000_000 // 3_600_000 * 3_600_000
        high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
        candles = Candles(ts, opens, high, low, close, np.ones(BARS), "BTC/USDT", "1h")
        CandleStore(workspace.candles).write("binance", candles)
        yield _seconds(home, "help", "--help")
        asked = ("backtest", "ema_trend", "--symbol", "BTC/USDT", "--timeframe", "1h", "--json")
        yield _seconds(home, "backtest of 55,000 hourly bars, --json", *asked)
        yield _seconds(home, "backtest of 55,000 hourly bars, tables", *asked[:-1])


def _seconds(home: str, what: str, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "CRYPTAI_HOME": home}
    seconds = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run([COMMAND, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    warm = seconds[1:]
    return {
        "benchmark": "whole_process",
        "what": what,
        "seconds": round(statistics.median(warm), 3),
        "min": round(min(warm), 3),
        "max": round(max(warm), 3),
    }
