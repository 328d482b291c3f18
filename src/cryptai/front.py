"""The library's face: `ca.backtest(candles, "ema_trend", fast=12)` and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptai.errors import InputError
from cryptai.market.opening import open_store
from cryptai.strategies.user import strategy_names as names_in
from cryptai.trading.options import SYNONYMS
from cryptai.trading.readers import READERS
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryptai.market.candles import Candles
    from cryptai.signals import Signal
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.result import Result

# Every option of the command that says how to run; what to run is given as such.
_OPTIONS = (
    frozenset(READERS) - {"strategy", "symbol", "symbols", "timeframe", "param"} | set(SYNONYMS) | {"groups"}
)


def backtest(
    candles: Candles | Sequence[Candles] | Mapping[str, Candles], strategy: str | Strategy, **options: Any
) -> Result:
    """Run a strategy over candles.

    Parameters
    ----------
    candles
        Those of one market, or of several of one timeframe: a portfolio on one clock, with shared cash.
    strategy
        A name (built-in, or a file of the workspace's `strategies/`), or a strategy already made, whose
        parameters then are its own.
    options
        Those of the command by name (`capital`, `fee`, `stop`, `trailing`, `max_open`, …; see
        `cryptai backtest --help`), `start` and `end` (ISO UTC, half-open) for its `--from` and `--to`. With
        `funding`, `filters` or `finer` true, what the workspace knows of the markets of `exchange` is taken.
        Every other name is a parameter of the strategy, as is each in the mapping `params`: there a
        parameter may have the name of an option.

    Raises
    ------
    InputError
        For anything that cannot be; its `field` names the option.
    """
    named = {{"start": "from", "end": "to"}.get(name, name): value for name, value in options.items()}
    asked = {name: value for name, value in named.items() if name in _OPTIONS}
    params = {name: value for name, value in named.items() if name not in _OPTIONS and name != "params"}
    params |= named.get("params") or {}
    name = strategy if isinstance(strategy, str) else strategy.name
    request = BacktestRequest.parse({**asked, "strategy": name, "param": params})
    # A workspace is asked for a strategy's file and for finer candles, and for nothing else.
    if not isinstance(strategy, str) and not request.finer:
        return run_on(request, candles, made=strategy)
    workspace = open_workspace(create=False)
    store = open_store(workspace) if request.finer else None
    if isinstance(strategy, str):
        return run_on(request, candles, workspace.strategies, store=store)
    return run_on(request, candles, made=strategy, store=store)


def evidence(result: Result) -> dict[str, Any]:
    """Count a run among the trials of its strategy, and say whether it is evidence of anything.

    Returns the `evidence` object of `cryptai backtest --json`. The library counts a run when it is asked for
    its evidence, not before: ask for that of every run you compare. Where there is no workspace nothing is
    kept, and `trials` is 1.
    """
    from cryptai.research.noted import evidence_of  # noqa: PLC0415 (a backtest alone needs none of it)

    markets = {one.candles.symbol: one.candles for one in result.markets}
    return evidence_of(
        result.as_object(), result.ts, result.equity, open_workspace(create=False), markets=markets
    )


def scan(exchange: str = "binance", **options: Any) -> list[Signal]:
    """Return the setups that stand in the workspace's stored markets, best first, each with its evidence.

    Options are those of `cryptai.screening.screen.screen`: `as_of_ms`, `symbols`, `timeframes`, `names` …

    Raises
    ------
    InputError
        For `names` of which none has setups to give, with the reason.
    """
    from cryptai.screening.evidence import Evidence  # noqa: PLC0415 (a backtest alone needs none of it)
    from cryptai.screening.screen import screen  # noqa: PLC0415

    workspace = open_workspace(create=False)
    store = open_store(workspace)
    evidence_ = Evidence(workspace, store, exchange)
    folder = workspace.strategies
    made = screen(store, exchange, evidence=evidence_, strategies_folder=folder, **options)
    if options.get("names") and set(options["names"]) <= set(made.unscanned):
        name, why = next(iter(made.unscanned.items()))
        raise InputError(f"{name} gives no signals to the scan: {why}.", field="names")
    return made.signals


def top(signals: Iterable[Signal], n: int = 5, **options: Any) -> list[Signal]:
    """Return the n best ideas of these signals, best first, as `cryptai signals` and the site choose them.

    One for each market and side; what the evidence speaks against comes after the others, what is stale last.
    Markets whose daily returns move alike come once, before any comes twice. That is looked up in the
    workspace's candles as of the newest decision, or asked of `correlation(symbol, symbol)`.

    Raises
    ------
    InputError
        For an n below 0.
    """
    from cryptai.screening.selection import correlations  # noqa: PLC0415 (a backtest alone needs none of it)
    from cryptai.screening.selection import top as best  # noqa: PLC0415

    found = list(signals)
    if found and options.get("correlation") is None:
        store, until_ms = open_store(open_workspace(create=False)), max(one.decided_at_ms for one in found)
        options["correlation"] = correlations(store, found[0].exchange, until_ms)
    return best(found, n, **options)


def strategy_names() -> list[str]:
    """Return the names of all strategies, built-in and the workspace's own."""
    return names_in(open_workspace(create=False).strategies)
