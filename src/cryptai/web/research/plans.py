"""What a search was asked for, by its kind: the same reading in the server and in the process that searches.

This file knows no Django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cryptai.errors import InputError
from cryptai.research.plans import OF_SEARCH, OF_WALK, WalkPlan, read_sweep, read_walk
from cryptai.research.search import search
from cryptai.research.space import read_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.research.plans import Plan
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.request import BacktestRequest

Kind = Literal["sweep", "walkforward"]


def read_study(kind: str, options: Mapping[str, Any]) -> tuple[BacktestRequest, Plan | WalkPlan]:
    """Return the backtest that every set is, and how to search, of the command's options by name.

    Raises
    ------
    InputError
        For what cannot be read, or cannot be; its `field` names the option.
    """
    if not isinstance(options, dict):
        raise InputError(f"A search is asked for by an object of options, was {type(options).__name__}.")
    return read_walk(options) if kind == "walkforward" else read_sweep(options)


def as_kept(options: Mapping[str, Any], request: BacktestRequest) -> dict[str, Any]:
    """Return what was asked for as a row keeps it: `read_study` of it is the same search.

    The backtest's options stand in their own form, whatever way they were given; the search's as given.
    """
    of_search = (*OF_SEARCH, *OF_WALK, "param")
    own = {str(name).replace("-", "_"): value for name, value in options.items()}
    return request.as_options() | {name: own[name] for name in of_search if name in own}


def sets_of(strategy: type[Strategy], plan: Plan | WalkPlan) -> int:
    """Return how many sets a window is searched by, or refuse values that cannot be; raises `InputError`."""
    one = plan.search if isinstance(plan, WalkPlan) else plan
    space = read_space(strategy, one.space)
    return search(strategy, space, method=one.method, trials=one.trials, seed=one.seed).total
