"""The library's face: `ca.backtest(candles, "ema_trend", fast=12)` and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptai.market.opening import open_store
from cryptai.strategies.user import strategy_names as names_in
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on
from cryptai.trading.scan import scan as scan_store
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from cryptai.market.candles import Candles
    from cryptai.signals import Signal
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.result import Result

_OPTIONS = ("from", "to", "capital", "fee", "slippage", "stop", "target", "size", "risk", "min_reward_risk")


def backtest(candles: Candles, strategy: str | Strategy, **options: Any) -> Result:
    """Run a strategy over candles.

    Parameters
    ----------
    strategy
        A name (built-in, or a file of the workspace's `strategies/`), or a strategy already made, whose
        parameters then are its own.
    options
        `capital`, `fee`, `slippage`, `stop`, `target`, `size`, `risk`, `min_reward_risk` as in the command,
        `start` and `end` (ISO UTC, half-open) for its `--from` and `--to`; every other name is a
        parameter of the strategy.

    Raises
    ------
    InputError
        For anything that cannot be; its `field` names the option.
    """
    named = {{"start": "from", "end": "to"}.get(name, name): value for name, value in options.items()}
    asked = {name: value for name, value in named.items() if name in _OPTIONS}
    params = {name: value for name, value in named.items() if name not in _OPTIONS}
    name = strategy if isinstance(strategy, str) else strategy.name
    request = BacktestRequest.parse({**asked, "strategy": name, "param": params})
    if isinstance(strategy, str):
        return run_on(request, candles, open_workspace(create=False).strategies)
    return run_on(request, candles, made=strategy)


def evidence(result: Result) -> dict[str, Any]:
    """Count a run among the trials of its strategy, and say whether it is evidence of anything.

    Returns the `evidence` object of `cryptai backtest --json`. The library counts a run when it is asked for
    its evidence, not before: ask for that of every run you compare. Where there is no workspace nothing is
    kept, and `trials` is 1.
    """
    from cryptai.research.noted import evidence_of  # noqa: PLC0415 (a backtest alone needs none of it)

    return evidence_of(result.as_object(), result.ts, result.equity, open_workspace(create=False))


def scan(exchange: str = "binance", **options: Any) -> list[Signal]:
    """Return the setups that stand in the workspace's stored markets; see `cryptai.trading.scan`."""
    workspace = open_workspace(create=False)
    return scan_store(open_store(workspace), exchange, strategies_folder=workspace.strategies, **options)


def strategy_names() -> list[str]:
    """Return the names of all strategies, built-in and the workspace's own."""
    return names_in(open_workspace(create=False).strategies)
