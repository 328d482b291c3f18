"""The searches as the library calls them: `ca.sweep(candles, "ema_trend", fast="5:30:5", slow=[40, 60])`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.research import compare as comparing
from cryptai.research import sweep as sweeping
from cryptai.research import walkforward as walking
from cryptai.research.plans import OF_SEARCH, OF_WALK, read_sweep, read_walk
from cryptai.trading.options import SYNONYMS
from cryptai.trading.readers import READERS
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.research.compare import Comparison
    from cryptai.research.markets import Markets
    from cryptai.research.sweep import Sweep
    from cryptai.research.walkforward import WalkForward
    from cryptai.strategies.strategy import Strategy

_OF_RUN: Final = frozenset(READERS) - {"strategy", "symbol", "symbols", "timeframe", "param"} | set(SYNONYMS)
_OF_CALL: Final = ("threads", "runner", "progress")


def sweep(candles: Markets, strategy: str | type[Strategy], **options: Any) -> Sweep:
    """Run a strategy with many sets of parameters, and judge the choice of the best one.

    Parameters
    ----------
    candles
        Those of one market, or a list of several: a portfolio on one clock with shared cash.
    strategy
        A name (built-in, or a file of the workspace's `strategies/`), or a class.
    options
        `method`, `trials`, `seed`, `objective`, `held_out` and the numbers of a backtest, as in
        `cryptai sweep --help`, `start` and `end` for its `--from` and `--to`; `threads`, `runner` and
        `progress` as `cryptai.research.sweep.sweep` takes them. Every other name is a parameter of the
        strategy, as is each in the mapping `params`: one value, several, or `"5:30:5"`.

    Raises
    ------
    InputError
        For anything that cannot be; its `field` names the option.
    """
    asked, call = _sorted(strategy, options, OF_SEARCH)
    request, plan = read_sweep(asked)
    return sweeping.sweep(request, plan, candles, open_workspace(create=False), **call)


def walkforward(candles: Markets, strategy: str | type[Strategy], **options: Any) -> WalkForward:
    """Choose a strategy's parameters on one window, trade the next, step on; arguments as `sweep` has them.

    With `train`, `test`, `anchored`, `embargo` and `purge` as in `cryptai walkforward --help`.
    """
    asked, call = _sorted(strategy, options, (*OF_SEARCH, *OF_WALK))
    request, plan = read_walk(asked)
    return walking.walkforward(request, plan, candles, open_workspace(create=False), **call)


def compare(
    candles: Candles, strategies: Sequence[str | Strategy], *, seed: int = 0, **options: Any
) -> Comparison:
    """Run strategies over the same bars, and say which are better than cash or than holding.

    `strategies` are names, or strategies already made; options are those of a backtest, for all of them.
    """
    if not isinstance(candles, Candles):
        raise InputError(
            f"A comparison is over the candles of one market, was {type(candles).__name__}.", field="candles"
        )
    workspace = open_workspace(create=False)
    results = []
    for one in strategies:
        name = one if isinstance(one, str) else one.name
        request = BacktestRequest.parse({**_renamed(options), "strategy": name})
        if isinstance(one, str):
            results.append(run_on(request, candles, workspace.strategies))
        else:
            results.append(run_on(request, candles, made=one))
    return comparing.compare(results, workspace, seed=seed)


def _sorted(
    strategy: str | type[Strategy], options: dict[str, Any], own: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that are asked by name, parameters among them, and those of the call."""
    given = _renamed(options)
    call: dict[str, Any] = {name: given.pop(name) for name in _OF_CALL if name in given}
    params = dict(given.pop("params", None) or {})
    asked = {name: given.pop(name) for name in list(given) if name in _OF_RUN or name in own}
    if isinstance(strategy, str):
        name = strategy
    else:
        name, call["strategy"] = strategy.name, strategy
    return {**asked, "strategy": name, "param": {**given, **params}}, call


def _renamed(options: dict[str, Any]) -> dict[str, Any]:
    return {{"start": "from", "end": "to"}.get(name, name): value for name, value in options.items()}
