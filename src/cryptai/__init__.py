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
    # Renamed to themselves: so a type checker takes them for names of ours.
    from cryptai.errors import CryptaiError as CryptaiError
    from cryptai.errors import InputError as InputError
    from cryptai.front import (
        backtest as backtest,
    )
    from cryptai.front import (
        evidence as evidence,
    )
    from cryptai.front import (
        scan as scan,
    )
    from cryptai.front import (
        strategy_names as strategy_names,
    )
    from cryptai.front import (
        top as top,
    )
    from cryptai.market.candles import Candles as Candles
    from cryptai.market.files import read_candles as read_candles
    from cryptai.market.store import CandleStore as CandleStore
    from cryptai.market.timeframe import Timeframe as Timeframe
    from cryptai.research.calls import compare as compare
    from cryptai.research.calls import sweep as sweep
    from cryptai.research.calls import walkforward as walkforward
    from cryptai.signals import Signal as Signal
    from cryptai.signals import Signals as Signals
    from cryptai.strategies.strategy import param as param
    from cryptai.strategies.strategy import strategy as strategy
    from cryptai.trading.result import Result as Result

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
    "top": "cryptai.front",
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
