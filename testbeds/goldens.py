"""Backtests whose numbers are pinned: worlds that are the same on every machine, and what runs on them.

The worlds are walks of whole ticks: integers drawn by NumPy's PCG64, whose stream is fixed, divided by a
power of two. No logarithm and no sum of fractions makes them, so not a bit of them depends on a library.

`python -m testbeds.goldens` writes the table of digests anew. That is right only where fills are meant to be
others than before (then `ENGINE_VERSION` rises, too), or where a strategy, an option or a field was added.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.timeframe import Timeframe
from cryptai.research.identity import digests
from cryptai.strategies.strategy import needs_of, parameters, strategies
from cryptai.trading.request import BacktestRequest
from cryptai.trading.result import ENGINE_VERSION
from cryptai.trading.run import run_on

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.trading.result import Result

_TABLE: Final = Path(__file__).resolve().parents[1] / "tests" / "testbeds" / "goldens.json"
_BEGIN: Final = 1_546_300_800_000  # 2019-01-01
_TICKS: Final = 64.0
_MARKETS: Final = {"AAA/USDT": ("1h", 3_000, 0), "BBB/USDT": ("4h", 2_000, 3), "CCC/USDT": ("1d", 1_500, 1)}
"""Symbol: timeframe, bars, and by how many ticks a bar rises on average."""
_SETS: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("plain", "AAA/USDT", {}),
    ("plain", "BBB/USDT", {}),
    ("plain", "CCC/USDT", {}),
    ("no bracket", "AAA/USDT", {"stop": "none", "target": "none"}),
    ("no costs", "BBB/USDT", {"fee": 0, "slippage": 0}),
    ("risk", "AAA/USDT", {"risk": 0.01, "stop": 0.05, "target": 0.1}),
    ("quarter of a range", "CCC/USDT", {"size": 0.25, "from": "2020-03-01", "to": "2022-01-01"}),
    ("tight", "BBB/USDT", {"stop": 0.01, "target": 0.02, "capital": 1_000}),
    ("trailing", "AAA/USDT", {"trailing": 0.04, "max_bars": 48}),
    ("leverage", "CCC/USDT", {"leverage": 3, "maintenance": 0.005, "size": 1, "borrow": 0.05}),
    ("volatility", "AAA/USDT", {"volatility_target": 0.3, "slippage_volatility": 0.02, "impact": 0.001}),
    ("halts", "BBB/USDT", {"cooldown": 6, "daily_loss": 0.03, "drawdown_halt": 0.4, "spread": 0.0004}),
)
_PORTFOLIOS: Final = ("ema_trend", "rsi_reversal", "breakout")


@dataclass(frozen=True)
class Golden:
    """One pinned run: a strategy with the options of the command, on one market or on several."""

    name: str
    strategy: str
    symbols: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def run(self) -> Result:
        """Run it."""
        request = BacktestRequest.parse({"strategy": self.strategy, **self.options})
        markets = [world(symbol) for symbol in self.symbols]
        return run_on(request, markets if len(markets) > 1 else markets[0])

    def digest(self) -> str:
        """Return the digest of its trades, equity and metrics."""
        result = self.run()
        return digests(result.as_object(), result.ts, result.equity)["result"]


def goldens() -> list[Golden]:
    """Return all of them, in one order: every strategy with each set of options, and portfolios.

    A strategy that needs more than the bars of one market is not among them.
    """
    found = []
    for name in strategies.names():
        if needs_of(strategies.get(name)):
            continue
        shorts = any(one.name == "allow_short" for one in parameters(strategies.get(name)))
        for label, symbol, options in _SETS:
            given = dict(options)
            if shorts and label in ("no bracket", "tight", "leverage"):
                given["param"] = {"allow_short": True}
            found.append(Golden(f"{name}, {label}, {symbol[:3]}", name, (symbol,), given))
    hours = ("AAA/USDT", "DDD/USDT", "EEE/USDT")
    for name in _PORTFOLIOS:
        found.append(Golden(f"{name}, shared cash", name, hours, {"size": 0.5}))
        limits = {"size": 0.4, "max_open": 2, "max_exposure": 0.8, "trailing": 0.05, "fee": 0.0004}
        found.append(Golden(f"{name}, two of three", name, hours, limits))
    return found


@lru_cache(maxsize=8)
def world(symbol: str) -> Candles:
    """Return the bars of a market: a walk of whole ticks with ties, jumps, silent bars and holes."""
    frame, bars, drift = _MARKETS.get(symbol, ("1h", 2_500, 0))
    # The letters of its name seed it: no hash of Python's, which differs from process to process.
    random = np.random.default_rng([7, *symbol.encode()])
    steps = random.integers(-70, 71, bars) + drift
    steps[random.random(bars) < 0.02] *= 6
    close = 6_400 + np.cumsum(steps)
    # Reflected at a floor, so that no price is at or below zero.
    close = np.abs(close - 1_000) + 1_000
    opens = np.concatenate([[6_400], close[:-1]])
    opens += np.where(random.random(bars) < 0.1, random.integers(-90, 91, bars), 0)
    high = np.maximum(opens, close) + random.integers(0, 60, bars)
    low = np.maximum(np.minimum(opens, close) - random.integers(0, 60, bars), 1)
    still = random.random(bars) < 0.02
    high[still] = low[still] = opens[still] = close[still]
    volume = random.integers(0, 4_000, bars)
    keep = random.random(bars) >= 0.02
    keep[:2] = True
    ts = _BEGIN + Timeframe(frame).ms * np.arange(bars, dtype=np.int64)
    columns: dict[str, Any] = dict(zip(COLUMNS[1:], (opens, high, low, close, volume), strict=True))
    scaled = {name: one[keep] / _TICKS for name, one in columns.items()}
    return Candles(ts=ts[keep], **scaled, symbol=symbol, timeframe=Timeframe(frame))


def table() -> dict[str, Any]:
    """Return what is pinned: every digest, and the numbers of a few to look at when one changes."""
    numbers = {}
    for one in goldens()[:: len(goldens()) // 8]:
        result = one.run()
        numbers[one.name] = {
            "trades": result.metrics.trades,
            "final_equity": result.metrics.final_equity,
            "sharpe_ratio": result.metrics.sharpe_ratio,
            "first_pnl": [float(pnl) for pnl in result.records["pnl"][:3]],
        }
    symbols = sorted({symbol for one in goldens() for symbol in one.symbols})
    return {
        "engine": ENGINE_VERSION,
        "worlds": {symbol: world(symbol).digest for symbol in symbols},
        "numbers": numbers,
        "digests": {one.name: one.digest() for one in goldens()},
    }


if __name__ == "__main__":
    _TABLE.write_text(json.dumps(table(), indent=1) + "\n")
