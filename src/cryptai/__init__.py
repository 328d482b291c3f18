"""CryptAI: honest backtests, ranked signals, one engine for backtest, paper and live.

The front door: names only, each loaded when it is first used::

    import cryptai as ca
    c = ca.read_candles("BTCUSDT_1h.parquet")
    r = ca.backtest(c, "ema_trend", fast=12, slow=26, capital=10_000, fee=0.001)
    r.metrics.sharpe_ratio, r.trades, r.equity
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptai.errors import CryptaiError, InputError
    from cryptai.front import backtest, evidence, scan, strategy_names
    from cryptai.market.candles import Candles
    from cryptai.market.files import read_candles
    from cryptai.market.store import CandleStore
    from cryptai.market.timeframe import Timeframe
    from cryptai.research.calls import compare, sweep, walkforward
    from cryptai.screening.selection import top
    from cryptai.signals import Signal, Signals
    from cryptai.strategies.strategy import param, strategy
    from cryptai.trading.result import Result

__version__ = "0.1.0"

_HOMES = {
    "CryptaiError": "cryptai.errors",
    "InputError": "cryptai.errors",
    "backtest": "cryptai.front",
    "evidence": "cryptai.front",
    "scan": "cryptai.front",
    "compare": "cryptai.research.calls",
    "sweep": "cryptai.research.calls",
    "walkforward": "cryptai.research.calls",
    "strategy_names": "cryptai.front",
    "Candles": "cryptai.market.candles",
    "read_candles": "cryptai.market.files",
    "CandleStore": "cryptai.market.store",
    "Timeframe": "cryptai.market.timeframe",
    "Signal": "cryptai.signals",
    "Signals": "cryptai.signals",
    "top": "cryptai.screening.selection",
    "param": "cryptai.strategies.strategy",
    "strategy": "cryptai.strategies.strategy",
    "Result": "cryptai.trading.result",
}
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 (names, all of them strings)


def __getattr__(name: str) -> Any:
    if name == "features":
        return import_module("cryptai.features")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cryptai' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "features"])
