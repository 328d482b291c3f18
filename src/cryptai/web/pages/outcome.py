"""A completed run as the result page reads it: metrics with their reasons, costs and rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptai.web.pages.numbers import MINUS, NOTHING, fixed_text, number, percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.analytics.report import Report
    from cryptai.analytics.tables import Line

PAGE_TRADES: Final = 200


@dataclass(frozen=True)
class Metric:
    """One metric: its name in the code, its label, its text, and what it is of or why it is undefined."""

    name: str
    label: str
    text: str
    note: str = ""
    tone: str = ""


def metrics(found: Mapping[str, Any]) -> list[Metric]:
    """Return the metrics in the order a person asks for them; an undefined one is a dash with its reason."""
    m = found["metrics"]
    trades = int(m["trades"])
    won = sum(1 for trade in found["trades"] if trade["pnl"] > 0)
    no_trade = "no trade was made" if trades == 0 else ""
    total = number(m["total_return"])
    tone = "up" if (total or 0) > 0 else "down" if (total or 0) < 0 else ""
    return [
        Metric("total_return", "Total return", percent_text(total, sign=True), "after all costs", tone),
        Metric(
            "sharpe_ratio",
            "Sharpe ratio",
            fixed_text(m["sharpe_ratio"], 2),
            "daily UTC equity, √365, zero rate"
            if m["sharpe_ratio"] is not None
            else "undefined: equity did not move, fell to zero, or the range has under two days",
        ),
        Metric("max_drawdown", "Max drawdown", percent_text(m["max_drawdown"]), "of the peak, on bar closes"),
        Metric(
            "win_rate",
            "Win rate",
            percent_text(m["win_rate"], 1),
            f"undefined: {no_trade}" if m["win_rate"] is None else f"{won} of {trades} trades",
        ),
        Metric(
            "profit_factor",
            "Profit factor",
            fixed_text(m["profit_factor"], 2),
            f"undefined: {no_trade or 'no trade lost'}" if m["profit_factor"] is None else "won over lost",
        ),
        Metric("trades", "Trades", fixed_text(trades, 0), "round trips"),
        Metric(
            "final_equity",
            "Final equity",
            fixed_text(m["final_equity"], 2),
            f"of {fixed_text(found['capital'], 0)}",
        ),
        Metric("cagr", "Growth a year", percent_text(m.get("cagr"), sign=True), _growth(m)),
        Metric(
            "buy_and_hold_return",
            "Buy and hold",
            percent_text(m.get("buy_and_hold_return"), sign=True),
            "without costs",
        ),
        Metric(
            "sortino_ratio",
            "Sortino ratio",
            fixed_text(m.get("sortino_ratio"), 2),
            "only losses count as risk",
        ),
        Metric(
            "calmar_ratio",
            "Calmar ratio",
            fixed_text(m.get("calmar_ratio"), 2),
            "growth a year over drawdown",
        ),
        Metric("volatility", "Volatility", percent_text(m.get("volatility"), 1), "of daily returns, a year"),
        Metric("var_95", "Value at risk, 95 %", percent_text(m.get("var_95")), "a day in twenty is worse"),
        Metric("cvar_95", "Expected shortfall", percent_text(m.get("cvar_95")), "the mean of those days"),
        Metric(
            "expectancy",
            "Expectancy",
            fixed_text(m.get("expectancy"), 2, sign=True),
            "a trade, in quote currency",
        ),
        Metric("fees", "Fees", fixed_text(m.get("fees"), 2), "both sides"),
        Metric("time_in_market", "In the market", percent_text(m.get("time_in_market"), 1), "of all bars"),
    ]


def _growth(m: Mapping[str, Any]) -> str:
    return "compound" if m.get("cagr") is not None else "undefined: the range has under 30 days"


def groups(told: Report) -> list[tuple[str, list[Line]]]:
    """Return the tables of trades by kind, each with its name; markets only where there are several."""
    names = {"side": "Side", "exit_reason": "Left by", "regime": "Regime at entry", "symbol": "Market"}
    return [
        (label, told.groups[name])
        for name, label in names.items()
        if told.groups[name] and (name != "symbol" or len(told.groups[name]) > 1)
    ]


# What is no fraction: counts of bars, entries, positions and steps; an amount; multiples.
_PLAIN: Final = frozenset(
    {
        "max_bars", "time_in_force", "max_entries", "max_open", "max_per_group", "cooldown", "stop_guard",
        "stop_guard_bars", "stop_guard_pause", "stake", "kelly", "leverage", "slippage_volatility", "impact",
    }
)  # fmt: skip


def rules(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return costs, rules and parameters as name and text, what is off as “off”."""
    shown = [(name, _written(name, value, 3)) for name, value in found["costs"].items()]
    shown += [(name, _written(name, value, 2)) for name, value in found["rules"].items()]
    for name, value in found["params"].items():
        text = ("yes" if value else "no") if isinstance(value, bool) else _short(value)
        shown.append((name.replace("_", " "), text or NOTHING))
    return shown


def undecided(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the data cannot decide of a run, where it moves the result: `worst` and `best` equity."""
    told: Mapping[str, Any] | None = found.get("undecided")
    return told if told and told["worst"] != told["best"] else None


def left_open(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a reader must know beside the figures: orders inside bars, holes, and entries refused."""
    told: list[tuple[str, str]] = []
    open_ones: Mapping[str, Any] | None = found.get("undecided")
    if open_ones is not None:
        told.append(("Inside the bars", _undecided_said(open_ones)))
    if count := found.get("held_through_holes"):
        what = "One trade was" if count == 1 else f"{fixed_text(count, 0)} trades were"
        told.append(("Holes", f"{what} held through missing bars; what happened there is not known."))
    if refused := found.get("refused"):
        by = ", ".join(f"{name.replace('_', ' ')} {fixed_text(count, 0)}" for name, count in refused.items())
        told.append(("Refused", f"Entries that the rules did not let through: {by}."))
    return told


def _undecided_said(told: Mapping[str, Any]) -> str:
    count = told["trades"]
    if not count:
        return "No trade hangs on the order of events inside a bar."
    what = "One trade hangs" if count == 1 else f"{fixed_text(count, 0)} trades hang"
    worst, best = (percent_text(told[name], 1, sign=True) for name in ("worst_return", "best_return"))
    sure = "" if told["exact"] else "; some order may end outside"
    return (
        f"{what} on the order of events inside a bar ({percent_text(told['share'], 1)}): the return lies "
        f"between {worst} and {best}{sure}. The worse order is what counts."
    )


def _written(name: str, value: object, decimals: int) -> str:
    if value is None:
        return "off"
    return _short(value) if name in _PLAIN else percent_text(value, decimals)


def _short(value: object) -> str:
    n = number(value)
    return str(value) if n is None else f"{n:g}".replace("-", MINUS)
