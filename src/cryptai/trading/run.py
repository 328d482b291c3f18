"""From a request to a result: find the strategy, read the candles and what is known of them, run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptai.errors import DataError, InputError
from cryptai.market.candles import Candles
from cryptai.market.filters import filters_of
from cryptai.market.funding import FundingBook, perpetual_of
from cryptai.market.symbol import is_perpetual
from cryptai.market.symbols import SymbolBook
from cryptai.market.timeframe import Timeframe
from cryptai.strategies.strategy import build, code_of, needs_of
from cryptai.strategies.user import find_strategy, user_files
from cryptai.trading.backtest import backtest, default_rules
from cryptai.trading.costs import Costs
from cryptai.trading.fee_tiers import fees_of
from cryptai.trading.foresight import refuse_foresight

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
    for name, value in (("symbol", request.markets or None), ("timeframe", request.timeframe)):
        if value is None:
            raise InputError(f"{name} is missing; `cryptai data list` shows what is stored.", field=name)
    timeframe = str(request.timeframe)
    candles = [
        store.read(request.exchange, symbol, timeframe, end_ms=request.end_ms) for symbol in request.markets
    ]
    return run_on(request, candles, strategies_folder, exchange=request.exchange, store=store)


def run_on(
    request: BacktestRequest,
    candles: Candles | Sequence[Candles] | Mapping[str, Candles],
    strategies_folder: Path | None = None,
    *,
    exchange: str | None = None,
    made: Strategy | None = None,
    store: CandleStore | None = None,
) -> Result:
    """Run a request on candles at hand (files, or arrays); `made` is a strategy already built.

    A user's file that sees the future is refused. Funding and filters, where the request asks for them, are
    those that the workspace knows of its exchange, finer candles those of `store`. Funding is also taken
    where the strategy needs it.
    """
    strategy = made or build(find_strategy(request.strategy, strategies_folder), request.params)
    given = list(candles.values()) if isinstance(candles, Mapping) else candles
    markets = [given] if isinstance(given, Candles) else list(given)
    symbols = [one.symbol for one in markets]
    file = None if made else user_files(strategies_folder).get(request.strategy)
    found = known(request, markets, store, type(strategy))
    if file is not None:
        paid = found.get("funding", {})
        refuse_foresight(strategy, [one.with_funding(paid.get(one.symbol)) for one in markets])
    result = backtest(
        markets,
        strategy,
        exchange=exchange,
        **found,
        **asked(request, type(strategy), symbols),
    )
    source = code_of(strategy) if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
    return result if source is None else replace(result, source_digest=source)


def asked(request: BacktestRequest, strategy: type[Strategy], symbols: Sequence[str]) -> dict[str, Any]:
    """Return how a request calls `backtest`: everything but the candles, the strategy and the data."""
    bracket = default_rules(strategy)
    costs = {"fee": request.fee, **request.costs}
    if request.fee_tier is not None:
        costs["maker"], costs["fee"] = fees_of(request.fee_tier, symbols)
    return {
        "capital": request.capital,
        "rules": bracket._replace(
            stop=bracket.stop if request.stop is None else request.stop,
            target=bracket.target if request.target is None else request.target,
            size=request.size,
            risk=math.nan if request.risk is None else request.risk,
            **request.rules,
        ),
        "costs": Costs(slippage=request.slippage, **costs),
        "min_reward_risk": request.min_reward_risk,
        "start_ms": request.start_ms,
        "end_ms": request.end_ms,
        "target_steps": request.target_steps,
        "fill": request.fill,
        "groups": request.groups,
    }


def known(
    request: BacktestRequest,
    markets: Sequence[Candles],
    store: CandleStore | None,
    strategy: type[Strategy] | None = None,
) -> dict[str, Any]:
    """Return what the workspace knows of the markets, as far as the request asks or the strategy needs it.

    A spot market stands for the perpetual of its pair and pays its funding, unless that perpetual is a market
    of the run itself.

    Raises
    ------
    InputError
        If nothing is known where it was asked for; `field` is `funding`, `filters` or `finer`.
    """
    found: dict[str, Any] = {}
    symbols = [one.symbol for one in markets]
    if request.funding or (strategy is not None and "funding" in needs_of(strategy)):
        book = FundingBook()
        paying = [name for name in symbols if is_perpetual(name) or perpetual_of(name) not in symbols]
        found["funding"] = {name: book.read(request.exchange, name) for name in paying}
    if request.filters:
        rules = SymbolBook()
        found["filters"] = {name: filters_of(rules, request.exchange, name) for name in symbols}
    if request.finer:
        if store is None:
            raise InputError(
                "Finer candles are taken from the workspace; import yours, and name them by --symbol.",
                field="finer",
            )
        inside = {one.symbol: _finest(store, request, one) for one in markets}
        found["finer"] = {name: one for name, one in inside.items() if one is not None}
        if not found["finer"]:
            raise DataError(
                f"No candles finer than {markets[0].timeframe} are stored of {', '.join(symbols)}.",
                field="finer",
            )
    return found


def _finest(store: CandleStore, request: BacktestRequest, candles: Candles) -> Candles | None:
    """Return the finest stored candles that the bars are made of; None where there are none."""
    stored = {
        Timeframe(one.timeframe)
        for one in store.markets(request.exchange)
        if one.symbol == candles.symbol and Timeframe(one.timeframe).divides(candles.timeframe)
    }
    if not stored:
        return None
    frame = min(stored, key=lambda one: one.ms)
    start = int(candles.ts[0]) if request.start_ms is None else request.start_ms
    return store.read(request.exchange, candles.symbol, frame, start_ms=start, end_ms=request.end_ms)
