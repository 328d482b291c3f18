"""Indicators over 1,000,000 bars: TA-Lib's beside the bare call, our own kernels beside a plain C loop.

And what a strategy asks at each bar: some indicators over the window each declares exact. Results are
compared before anything is timed; times are the processor's, taken in turns, and the ratio is that of the
best (other work on the machine only ever adds). Needs gcc for the C loops (`indicators.c`).
"""

from __future__ import annotations

import ctypes
import gc
import math
import statistics
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import talib

from cryptai.features.feature import features
from cryptai.features.persistence import _expected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BARS = 1_000_000
ROUNDS = 21

# Ours, and the bare calls that it stands for.
TALIB: dict[str, Callable[..., Any]] = {
    "sma": lambda c: talib.SMA(c.close, 20),
    "ema": lambda c: talib.EMA(c.close, 20),
    "rsi": lambda c: talib.RSI(c.close, 14),
    "macd": lambda c: talib.MACD(c.close, 12, 26, 9),
    "bollinger": lambda c: talib.BBANDS(c.close, 20, 2.0, 2.0),
    "atr": lambda c: talib.ATR(c.high, c.low, c.close, 14),
    "cci": lambda c: talib.CCI(c.high, c.low, c.close, 20),
    "stochastic": lambda c: talib.STOCH(c.high, c.low, c.close, 14, 3, 0, 3, 0),
    "williams_r": lambda c: talib.WILLR(c.high, c.low, c.close, 14),
    "mfi": lambda c: talib.MFI(c.high, c.low, c.close, c.volume, 14),
    "obv": lambda c: talib.OBV(c.close, c.volume),
    "roc": lambda c: talib.ROC(c.close, 10),
    "kama": lambda c: talib.KAMA(c.close, 10),
    "parabolic_sar": lambda c: talib.SAR(c.high, c.low, 0.02, 0.2),
    "adx": lambda c: (
        talib.ADX(c.high, c.low, c.close, 14),
        talib.PLUS_DI(c.high, c.low, c.close, 14),
        talib.MINUS_DI(c.high, c.low, c.close, 14),
    ),
    "true_range": lambda c: talib.TRANGE(c.high, c.low, c.close),
    "hammer": lambda c: talib.CDLHAMMER(c.open, c.high, c.low, c.close),
    "engulfing": lambda c: talib.CDLENGULFING(c.open, c.high, c.low, c.close),
}
# The kernel's indicator, the C function, its columns, what follows them, and rows of scratch and of outputs.
NADARAYA = np.exp(-(np.arange(math.ceil(8.0 * math.sqrt(80.0))) ** 2) / 128.0)
ALMA = np.exp(-((np.arange(9) - 0.85 * 8) ** 2) / (2.0 * 1.5**2))
BIASES = np.array([math.sqrt(math.pi * n / 2.0) - _expected(n) for n in (100, 50, 25, 12)])
OWN = [
    ("alma", "weighted", "close", (ALMA, 9), 0, 1),
    ("z_score", "z_score", "close", (20,), 0, 1),
    ("regression_channel", "channel", "close", (100, 2.0), 0, 3),
    ("choppiness", "choppiness", "high low close", (14,), 0, 1),
    ("ulcer_index", "ulcer", "close", (14,), 0, 1),
    ("realised_volatility", "realised", "close", (20,), 1, 1),
    ("parkinson_volatility", "parkinson", "high low", (20,), 1, 1),
    ("garman_klass_volatility", "garman_klass", "open high low close", (20,), 1, 1),
    ("yang_zhang_volatility", "yang_zhang", "open high low close", (20,), 3, 1),
    ("nadaraya_watson", "envelope", "close", (NADARAYA, len(NADARAYA), 500, 3.0), 1, 3),
    ("vwap", "vwap", "ts high low close volume", (), 0, 1),
    ("vwap_bands", "bands", "ts high low close volume", (2.0,), 0, 3),
    ("hurst", "hurst", "close", (100, BIASES, 4), 1, 2),
    ("volume_profile", "profile", "high low volume", (120, 0.7, 24), 2, 3),
]
# What a strategy may ask of one new bar.
AT_A_BAR = ("rsi", "macd", "ema", "atr", "bollinger", "adx")


class Columns:
    """A market of random steps, as columns."""

    def __init__(self, bars: int) -> None:
        rng = np.random.default_rng(1)
        self.ts = np.arange(bars) * 60_000
        self.close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.001, bars)))
        self.open = np.r_[self.close[:1], self.close[:-1]]
        self.high = np.maximum(self.open, self.close) * (1.0 + rng.random(bars) * 0.001)
        self.low = np.minimum(self.open, self.close) * (1.0 - rng.random(bars) * 0.001)
        self.volume = rng.lognormal(0, 1, bars)


def measure() -> Iterator[dict[str, Any]]:
    """Yield one figure an indicator, then those of one bar."""
    columns = Columns(BARS)
    for name, bare in TALIB.items():
        yield _figures(name, "talib", partial(_ours, name, columns), partial(bare, columns), 1.1)
    with tempfile.TemporaryDirectory() as folder:
        library = _compiled(Path(folder))
        for name, *rest in OWN:
            yield _figures(name, "c", partial(_ours, name, columns), _c_loop(library, columns, *rest), 2.0)
    yield _one_bar(columns)


def _ours(name: str, columns: Columns) -> Any:
    one: Any = features.get(name)
    return one.function(*(getattr(columns, column) for column in one.inputs))


def _compiled(folder: Path) -> Any:
    target = folder / "indicators.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", target, source, "-lm"], check=True)
    return ctypes.CDLL(str(target))


def _c_loop(
    library: Any,
    columns: Columns,
    function: str,
    inputs: str,
    given: tuple[Any, ...],
    scratch: int,
    outputs: int,
) -> Callable[[], Any]:  # fmt: skip
    pointer = ctypes.c_void_p
    arrays = [getattr(columns, name) for name in inputs.split()]

    def argument(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return pointer(value.ctypes.data)
        return ctypes.c_double(value) if isinstance(value, float) else ctypes.c_long(value)

    def run() -> Any:
        # Memory is asked for as ours asks for it; a profile's scratch is one row a price level.
        rows = [np.empty(given[-1] if function == "profile" else BARS) for _ in range(scratch)]
        found = [np.empty(BARS) for _ in range(outputs)]
        getattr(library, function)(
            *map(argument, arrays), ctypes.c_long(BARS), *map(argument, given), *map(argument, rows + found)
        )
        return tuple(found)

    return run


def _figures(
    name: str, beside: str, ours: Callable[[], Any], other: Callable[[], Any], goal: float
) -> dict[str, Any]:
    for a, b in zip(_outputs(ours()), _outputs(other()), strict=True):
        known = ~np.isnan(a)
        np.testing.assert_allclose(a[known], b[known], rtol=1e-9, atol=1e-9 * np.nanmax(np.abs(a)))
    times: dict[Any, list[float]] = {ours: [], other: []}
    for turn in range(ROUNDS):
        gc.collect()
        for one in (ours, other) if turn % 2 else (other, ours):
            times[one].append(_timed(one))
    best, bare = min(times[ours]), min(times[other])
    return {
        "benchmark": "indicators", "what": name, "beside": beside, "bars": BARS,
        "ours_ms": round(best * 1e3, 2), "other_ms": round(bare * 1e3, 2), "ratio": round(best / bare, 2),
        "median_ratio": round(statistics.median(times[ours]) / statistics.median(times[other]), 2),
        "goal_ratio": goal,
    }  # fmt: skip


def _outputs(found: Any) -> list[Any]:
    return [np.asarray(one, float) for one in (found if isinstance(found, tuple) else (found,))]


def _one_bar(columns: Columns) -> dict[str, Any]:
    asked = []
    for name in AT_A_BAR:
        one: Any = features.get(name)
        bars = one.warmup_bars(bitwise=True) or 1_000
        asked.append((one.function, [getattr(columns, column)[-bars:].copy() for column in one.inputs]))
    # Of a thousand bars at a time: the processor's clock is too coarse for one.

    def thousand() -> None:
        for _ in range(1_000):
            for function, given in asked:
                function(*given)

    seconds = [_timed(thousand) / 1_000 for _ in range(9)]
    return {
        "benchmark": "indicators", "what": f"one new bar: {', '.join(AT_A_BAR)}",
        "us": round(min(seconds) * 1e6, 1), "goal_us": 100,
    }  # fmt: skip


def _timed(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start
