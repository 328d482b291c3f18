"""A finished search in words: metrics by name, sets of parameters, and whether its best may be believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cryptai.web.pages import evidence
from cryptai.web.pages.numbers import NOTHING, fixed_text, number, percent_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryptai.web.pages.evidence import Told

_FRACTIONS: Final = frozenset(
    {
        "total_return",
        "cagr",
        "max_drawdown",
        "win_rate",
        "volatility",
        "ulcer_index",
        "buy_and_hold_return",
        "var_95",
        "cvar_95",
        "time_in_market",
    }
)
_SIGNED: Final = frozenset({"total_return", "cagr", "buy_and_hold_return"})
_NAMES: Final = {
    "cagr": "Growth a year", "sqn": "SQN", "cvar_95": "Expected shortfall", "var_95": "Value at risk, 95 %",
    "time_in_market": "In the market", "buy_and_hold_return": "Buy and hold",
}  # fmt: skip
# Of what its neighbours keep: a plain may be trusted further than a peak.
_PLAIN, _SLOPE = 0.7, 0.4


def figure(name: str, value: object) -> str:
    """Return a metric as text: a fraction in per cent, a count whole, anything else in two decimals or none.

    >>> figure("total_return", 0.123), figure("trades", 1234), figure("sharpe_ratio", None)
    ('+12.3\u202f%', '1\u202f234', '–')
    """
    n = number(value)
    if n is None:
        return NOTHING
    if name in _FRACTIONS:
        return percent_text(n, 1, sign=name in _SIGNED)
    return fixed_text(n, 0 if name == "trades" or abs(n) >= 1_000 else 2)


def named(name: str) -> str:
    """Return a metric's name as people write it.

    >>> named("sharpe_ratio"), named("cagr"), named("sqn")
    ('Sharpe ratio', 'Growth a year', 'SQN')
    """
    return _NAMES.get(name, name.replace("_", " ").capitalize())


def value_text(value: object) -> str:
    """Return a parameter's value as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_words(params: Mapping[str, Any] | None) -> str:
    """Return a set of parameters as one reads it.

    >>> in_words({"fast": 12, "allow_short": True})
    'fast 12, allow short yes'
    """
    return ", ".join(f"{name.replace('_', ' ')} {value_text(v)}" for name, v in (params or {}).items())


def told(found: Mapping[str, Any]) -> Told:
    """Return the panel of evidence of a search: of its best set or its account, and of the choice itself."""
    best = found.get("best")
    metrics = found.get("metrics") or (best["metrics"] if best else {"trades": 0, "win_rate": None})
    panel = evidence.told({**found, "metrics": metrics}, found["evidence"])
    first = _of_the_choice(found) if "sweep" in found else _of_the_walk(found)
    return replace(panel, rows=[*first, *panel.rows])


def _of_the_choice(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    over, near, best = found["evidence"]["overfitting"], found["stability"], found["best"]
    if over["pbo"] is not None:
        ways, share = fixed_text(over["splits"], 0), percent_text(over["pbo"], 0)
        yield (
            "Overfitting",
            (
                f"In {share} of {ways} ways of halving this past, the winner of one half was no better than "
                "the middle in the other (PBO). 50 % is chance, 5 % is what is asked for."
            ),
        )
    if near is not None and near["kept"] is not None:
        kind = "a plain" if near["kept"] >= _PLAIN else "a slope" if near["kept"] >= _SLOPE else "a lone peak"
        kept, worst = (percent_text(near[name], 0) for name in ("kept", "worst_kept"))
        count = fixed_text(near["neighbours"], 0)
        yield "Neighbours", f"The {count} sets beside it keep {kept} of it, the worst {worst}: {kind}."
    if found["held_out"] is not None and best is not None and best["held_out"] is not None:
        gained = percent_text(best["held_out"]["total_return"], 1, sign=True)
        span = " to ".join(found["held_out"][name][:10] for name in ("from", "to"))
        yield "Held out", f"{gained} from {span}, which the choice never saw."


def _of_the_walk(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    folds, efficiency = found["folds"], number(found["efficiency"])
    earned = sum(1 for one in folds if (one["out_of_sample"]["total_return"] or 0.0) > 0.0)
    yield (
        "Tests",
        f"{fixed_text(earned, 0)} of {fixed_text(len(folds), 0)} earned money; no choice had seen them.",
    )
    share = "" if efficiency is None else percent_text(efficiency, 0)
    yield (
        "Efficiency",
        f"A day out of sample earned {share} of what a day in training did."
        if share
        else "Training did not earn, so there was nothing to keep.",
    )
