"""From a request to a result: find the strategy, read the candles, run."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptai.errors import InputError
from cryptai.portfolio.rules import Rules
from cryptai.strategies.strategy import build
from cryptai.strategies.user import find_strategy, user_files
from cryptai.trading.backtest import backtest, default_rules
from cryptai.trading.costs import Costs

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.result import Result


def run_request(
    request: BacktestRequest, store: CandleStore, strategies_folder: Path | None = None
) -> Result:
    """Run a request on stored candles. A user's strategy is imported: not for a server's own process.

    Raises
    ------
    InputError
        For anything in the request that cannot be; its `field` names the option.
    """
    for name in ("symbol", "timeframe"):
        if getattr(request, name) is None:
            raise InputError(f"{name} is missing; `cryptai data list` shows what is stored.", field=name)
    symbol, timeframe = str(request.symbol), str(request.timeframe)
    candles = store.read(request.exchange, symbol, timeframe, end_ms=request.end_ms)
    return run_on(request, candles, strategies_folder, exchange=request.exchange)


def run_on(
    request: BacktestRequest,
    candles: Candles,
    strategies_folder: Path | None = None,
    *,
    exchange: str | None = None,
    made: Strategy | None = None,
) -> Result:
    """Run a request on candles at hand (a file, or arrays); `made` is a strategy already built."""
    strategy = made or build(find_strategy(request.strategy, strategies_folder), request.params)
    bracket = default_rules(type(strategy))
    result = backtest(
        candles,
        strategy,
        capital=request.capital,
        rules=Rules(
            stop=bracket.stop if request.stop is None else request.stop,
            target=bracket.target if request.target is None else request.target,
            size=request.size,
            risk=math.nan if request.risk is None else request.risk,
        ),
        costs=Costs(request.fee, request.slippage),
        min_reward_risk=request.min_reward_risk,
        start_ms=request.start_ms,
        end_ms=request.end_ms,
        exchange=exchange,
    )
    file = None if made else user_files(strategies_folder).get(request.strategy)
    if file is None:
        return result
    return replace(result, source_digest=hashlib.sha256(file.read_bytes()).hexdigest())
