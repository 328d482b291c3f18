"""The read model of a finished search: what its page shows of a sweep, and of a walk-forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import numpy as np
from django.urls import reverse

from cryptai.web.pages import curve, study_words
from cryptai.web.pages.fold_picture import fold_picture
from cryptai.web.pages.forms import as_typed
from cryptai.web.pages.offered import declared_of
from cryptai.web.pages.study_words import in_words
from cryptai.web.pages.surface import surface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.web.research.models import Study

_COMPARED: Final = (
    "total_return", "cagr", "sharpe_ratio", "sortino_ratio", "calmar_ratio", "max_drawdown", "win_rate",
    "profit_factor", "expectancy", "trades",
)  # fmt: skip
_SETS: Final = ("total_return", "sharpe_ratio", "max_drawdown", "win_rate", "trades")


def typed_again(row: Study) -> str:
    """Return the query of the form as it was filled in for this search."""
    typed = as_typed(row.request)
    space = row.request.get("param", {})
    if not isinstance(space, dict):
        typed["param"] = "\n".join(space)
    elif declared_of(row.strategy) is None:
        typed["param"] = "\n".join(f"{name}={values}" for name, values in space.items())
    else:
        for name, values in space.items():
            parts = zip(("from", "to", "step"), str(values).split(":"), strict=False)
            typed |= {f"{part}.{name}": text for part, text in parts}
    return urlencode(typed)


def of_sweep(row: Study, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a sweep."""
    best, objective = found["best"], found["objective"]
    names = [name for name, values in found["space"].items() if len(values) > 1] or list(found["space"])
    columns = list(dict.fromkeys((objective, *_SETS)))
    figures = [] if best is None else [
        (
            study_words.named(name),
            study_words.figure(name, best["metrics"].get(name)),
            study_words.figure(name, (best["held_out"] or {}).get(name)),
        )
        for name in _COMPARED
    ]  # fmt: skip
    return {
        "surface": surface(found), "best": best, "best_words": in_words(best and best["params"]),
        "figures": figures, "columns": [study_words.named(name) for name in columns], "params": names,
        "sets": [
            (
                [study_words.value_text(one["params"][name]) for name in names],
                [(one["metrics"][name], study_words.figure(name, one["metrics"][name])) for name in columns],
                _run_link(row, one["params"]),
            )
            for one in found["results"]
        ],
        "run_fields": {} if best is None else _run_fields(row, best["params"]),
        "objective_text": study_words.named(objective),
    }  # fmt: skip


def _run_fields(row: Study, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the backtest form's fields for one set of a search, over the whole range it was asked for."""
    own = ("param", "method", "trials", "seed", "objective", "held_out")
    typed = as_typed({name: value for name, value in row.request.items() if name not in own})
    texts = {name: str(v).lower() if isinstance(v, bool) else str(v) for name, v in params.items()}
    if declared_of(row.strategy) is None:
        return {**typed, "param": "\n".join(f"{name}={text}" for name, text in texts.items())}
    return {**typed, **{f"param.{name}": text for name, text in texts.items()}}


def _run_link(row: Study, params: Mapping[str, Any]) -> str:
    return f"{reverse('backtesting')}?{urlencode(_run_fields(row, params))}"


def of_walk(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a walk-forward."""
    ts, equity, capital = account(found)
    metrics = found["metrics"]
    names = (*_COMPARED, "buy_and_hold_return")
    return {
        "picture": curve.curve_picture(ts, equity, capital), "capital": capital,
        "folds": fold_picture(found["folds"]),
        "figures": [(study_words.named(name), study_words.figure(name, metrics.get(name))) for name in names],
        "rows": [
            (number, one, in_words(one["params"]), one["in_sample"], one["out_of_sample"])
            for number, one in enumerate(found["folds"], start=1)
        ],
    }  # fmt: skip


def account(found: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return a walk-forward's days (last bar opens, ms UTC), its equity at each, and what it began with."""
    rows = np.array(found["equity"], np.float64).reshape(-1, 2)
    final, gained = found["metrics"]["final_equity"], found["metrics"]["total_return"]
    capital = final / (1.0 + gained) if gained > -1.0 else float(rows[0, 1]) if len(rows) else 0.0
    return rows[:, 0], rows[:, 1], capital
