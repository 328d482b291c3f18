"""Candles, strategies and cards for the screen's tests."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from cryptai.market.candles import Candles
from cryptai.signals import Signal, Signals
from tests.trading.worlds import random_candles

HOUR = 3_600_000


@dataclasses.dataclass(frozen=True)
class Scripted:
    """Enters where it was told to."""

    rows: tuple[int, ...] = ()
    side: int = 1
    levels: tuple[float, float] | None = None
    name: ClassVar[str] = "scripted"

    def signals(self, candles: Candles) -> Signals:
        entry = np.zeros(len(candles), np.int8)
        entry[[row for row in self.rows if row < len(candles)]] = self.side
        stop = target = None
        if self.levels is not None:
            stop, target = (np.full(len(candles), level) for level in self.levels)
        return Signals(entry, np.zeros(len(candles), np.int8), stop=stop, target=target)

    def score(self, candles: Candles) -> np.ndarray:
        return np.full(len(candles), 0.5 * self.side)

    def memory(self, timeframe: str) -> int:
        return 2


def bars(*rows: tuple[float, float, float, float], symbol: str = "BTC/USDT") -> Candles:
    """Return candles of (open, high, low, close)."""
    columns = np.array(rows, float).T
    n = len(rows)
    return Candles(np.arange(n) * HOUR, *columns, np.ones(n), symbol, "1h")


def walk(seed: int, n: int, symbol: str = "BTC/USDT", *, drift: float = 0.0) -> Candles:
    """Return a random walk without holes."""
    made = random_candles(np.random.default_rng([77, seed]), n, volatility=0.01, holes=0)
    up = np.exp(drift * np.arange(len(made)))
    columns = (made.open * up, made.high * up, made.low * up, made.close * up, made.volume)
    return Candles(made.ts, *columns, symbol, "1h")


def signal(**changes: object) -> Signal:
    """Return a signal with some of it changed."""
    known: dict[str, object] = {
        "exchange": "binance", "symbol": "BTC/USDT", "timeframe": "1h", "side": "long",
        "strategy": "ema_trend", "params": {"fast": 12}, "entry": 100.0, "entry_low": 98.8,
        "entry_high": 101.2, "stop": 92.0, "target": 115.0, "reward_risk": 1.875, "price": 100.0,
        "reward_risk_now": 1.875, "quality": 0.6, "factors": {"technical": 0.6},
        "parts": {"rules": 0.6, "model": None, "sentiment": None},
        "confidence": {"kind": "rank", "value": 0.5}, "score": 0.5,
        "evidence": {"status": "insufficient_evidence"}, "reason": "", "structures": [], "regime": None,
        "decided_at_ms": 1_609_459_200_000, "expires_at_ms": 1_609_891_200_000, "state": "open",
        "age_bars": 0, "stale": False, "practice": False, "data_digest": "", "engine": 2,
    }  # fmt: skip
    return Signal(**{**known, **changes})  # type: ignore[arg-type]
