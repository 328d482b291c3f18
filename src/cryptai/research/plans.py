"""What is asked of a search or a walk-forward: read by name, as command, API and library give it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import InputError
from cryptai.research.measured import OBJECTIVES
from cryptai.research.windows import read_span
from cryptai.trading.request import BacktestRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

HELD_OUT: Final = 0.25
"""Share of the bars that a sweep does not see, unless told."""
OF_SEARCH: Final = ("method", "trials", "seed", "objective", "held_out")
OF_WALK: Final = ("train", "test", "anchored", "embargo", "purge")


@dataclass(frozen=True)
class Plan:
    """How to search: see `cryptai sweep --help`.

    Attributes
    ----------
    space
        For each parameter what `cryptai.research.space.read_space` takes.
    held_out
        Share of the bars, the last ones, that the choice does not see; 0 for none.
    trials
        Sets of a random or guided search; None for 200.
    """

    space: Mapping[str, Any]
    method: str = "grid"
    trials: int | None = None
    seed: int = 0
    objective: str = "sharpe_ratio"
    held_out: float = HELD_OUT


@dataclass(frozen=True)
class WalkPlan:
    """How to walk: the search of each window (its `held_out` does not count), and the windows.

    Attributes
    ----------
    train_ms, test_ms
        Lengths of the sides.
    anchored
        Whether training always begins at the first bar.
    embargo
        Bars before each test that training does not see.
    purge
        Whether a trade still open at the end of the training is taken out of it.
    """

    search: Plan
    train_ms: int
    test_ms: int
    anchored: bool = False
    embargo: int = 0
    purge: bool = True


def read_sweep(options: Mapping[str, Any]) -> tuple[BacktestRequest, Plan]:
    """Read the options of `cryptai sweep` by name: those of a backtest, and a search's.

    `param` gives for each parameter what `cryptai.research.space.read_space` takes. None and "" are defaults.

    Raises
    ------
    UnknownName
        For an option that does not exist.
    InputError
        For what cannot be read, or cannot be; its `field` is the option's name.
    """
    given = {str(k).replace("-", "_"): v for k, v in options.items() if v is not None and v != ""}
    own = {name: given.pop(name) for name in OF_SEARCH if name in given}
    request = BacktestRequest.parse(given)
    plan = Plan(
        space=request.params,
        method=str(own.get("method", "grid")),
        trials=whole("trials", own["trials"]) if "trials" in own else None,
        seed=whole("seed", own.get("seed", 0)),
        objective=str(own.get("objective", "sharpe_ratio")),
        held_out=_number("held_out", own.get("held_out", HELD_OUT)),
    )
    check_plan(plan)
    return replace(request, params={}), plan


def read_walk(options: Mapping[str, Any]) -> tuple[BacktestRequest, WalkPlan]:
    """Read the options of `cryptai walkforward` by name; raises as `read_sweep`."""
    given = {str(k).replace("-", "_"): v for k, v in options.items() if v is not None and v != ""}
    own = {name: given.pop(name) for name in OF_WALK if name in given}
    if "held_out" in given:
        raise InputError("A walk-forward holds out each test; held_out is a sweep's.", field="held_out")
    request, plan = read_sweep(given)
    return request, WalkPlan(
        search=plan,
        train_ms=read_span(own.get("train", "365d"), field="train"),
        test_ms=read_span(own.get("test", "90d"), field="test"),
        anchored=_flag("anchored", own.get("anchored", False)),
        embargo=whole("embargo", own.get("embargo", 0)),
        purge=_flag("purge", own.get("purge", True)),
    )


def check_plan(plan: Plan) -> None:
    """Refuse a plan that cannot be carried out; the error's field names the option."""
    if plan.objective not in OBJECTIVES:
        raise InputError(
            f"objective must be one of {', '.join(OBJECTIVES)}, was {plan.objective[:40]!r}.",
            field="objective",
        )
    if not 0.0 <= plan.held_out <= 0.9:
        raise InputError(
            f"held_out must be from 0 (nothing) to 0.9 of the bars, was {plan.held_out:g}.", field="held_out"
        )
    if plan.seed < 0:
        raise InputError(f"seed must be 0 or more, was {plan.seed}.", field="seed")
    if not plan.space:
        raise InputError(
            "There is nothing to search; name a parameter's values, such as --param fast=5:30:5.",
            field="param",
        )


def _number(name: str, value: object) -> float:
    if not isinstance(value, bool) and isinstance(value, Real | str):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise InputError(f"{name} must be a number, was {str(value)[:40]!r}.", field=name)


def whole(name: str, value: object, *, low: int | None = None) -> int:
    """Return a whole number as a person gave it, `low` or more; its name is the error's field."""
    number = _number(name, value)
    if number != int(number):
        raise InputError(f"{name} must be a whole number, was {str(value)[:40]!r}.", field=name)
    if low is not None and number < low:
        raise InputError(f"{name} must be {low} or more, was {int(number)}.", field=name)
    return int(number)


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise InputError(f"{name} must be true or false, was {str(value)[:40]!r}.", field=name)
