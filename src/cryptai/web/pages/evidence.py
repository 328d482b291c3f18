"""The evidence of a run as the result page tells it: the verdict in words, then each figure in a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptai.research.evidence import sure_text
from cryptai.web.pages.numbers import NOTHING, fixed_text, percent_text, typeset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Told:
    """What the panel shows: whether it is enough, why, and rows of a name and a sentence."""

    enough: bool
    reasons: list[str]
    rows: list[tuple[str, str]]
    since: str = ""

    @property
    def headline(self) -> str:
        """Return the verdict."""
        return "Evidence of an edge, on this one past" if self.enough else "Not enough evidence"


def told(
    found: Mapping[str, Any], now: Mapping[str, Any] | None, *, beside: Sequence[tuple[str, str]] = ()
) -> Told:
    """Return the panel of a run.

    Parameters
    ----------
    found
        The stored result: `strategy`, `metrics`, and `evidence`, which is that of the day it ran.
    now
        The evidence by what was tried until now; None for a run that was made before evidence was told.
    beside
        Further rows, that stand last.
    """
    if now is None:
        return Told(enough=False, reasons=["This run is older than the evidence; run it again."], rows=[])
    reasons = [typeset(reason) for reason in now["reasons"]]
    rows = [*_rows(found, now), *beside]
    return Told(now["status"] == "enough", reasons, rows, _since(found, now))


def _rows(found: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    trade, wins, costs = now["mean_trade"], now["win_rate"], now["break_even"]
    if trade is not None:
        count = int(found["metrics"]["trades"])
        won = round((found["metrics"]["win_rate"] or 0.0) * count)
        needed = wins["break_even"]
        yield (
            "Wins",
            f"{fixed_text(won, 0)} of {fixed_text(count, 0)} trades won"
            f" ({_between(wins['low'], wins['high'], 0)})."
            + ("" if needed is None else f" Break-even is {percent_text(needed, 0)}."),
        )
        interval = "" if trade["low"] is None else f" ({_between(trade['low'], trade['high'], 2, sign=True)})"
        yield "Mean trade", f"{percent_text(trade['value'], sign=True)} after costs{interval}."
        yield "Costs", _costs(costs)
    yield "Tried", _tried(now)
    if now["sharpe"] is not None:
        record = now["minimum_track_record"]
        days = f"{fixed_text(record['have'], 0)} days"
        yield (
            "Track record",
            f"{days}; no length would do, it earned nothing."
            if record["days"] is None
            else f"{days}; {fixed_text(math.ceil(record['days']), 0)} are needed at this Sharpe ratio.",
        )
    null = now["null_market"]
    yield (
        "Worlds without an edge",
        f"Not asked; try: cryptai check {found['strategy']}"
        if null is None
        else "It earns nothing there, as it should."
        if null["fair"]
        else "It earns there, too: it may see the future.",
    )


def _costs(costs: Mapping[str, Any]) -> str:
    if costs["cost_bp"] <= 0.0:
        return "The edge is gone without any cost."
    paid, most = fixed_text(costs["paid_bp"], 1), fixed_text(costs["cost_bp"], 1)
    # What was kept before it was told apart has none.
    carried = costs.get("carried_bp")
    held = f", {fixed_text(carried, 1)} of them funding and interest" if carried else ""
    text = f"{paid} bp a trade{held}; the edge is gone at {most}."
    limits = [
        f"a {name} of {percent_text(costs[name], 3)}"
        for name in ("fee", "slippage")
        if costs[name] is not None
    ]
    return f"{text} That is {' or '.join(limits)} a side." if limits else text


def _tried(now: Mapping[str, Any]) -> str:
    sure, deflated = _sure(now["probabilistic_sharpe"]), _sure(now["deflated_sharpe"])
    if now["sharpe"] is None and now["trials"] is not None:
        return "In one way." if now["trials"] == 1 else f"In {fixed_text(now['trials'], 0)} ways."
    if now["trials"] is None:
        return "How often is not known."
    if now["trials"] == 1:
        return f"In one way. Sharpe ratio above zero: {sure} sure."
    ways = fixed_text(now["trials"], 0)
    return f"In {ways} ways. Sharpe ratio above zero: {sure} sure; allowing for the tries: {deflated}."


def _since(found: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    then = found["evidence"]
    if then["trials"] is None or now["trials"] is None or now["trials"] <= then["trials"]:
        return ""
    before = "one way" if then["trials"] == 1 else f"{fixed_text(then['trials'], 0)} ways"
    return (
        f"When it ran, {found['strategy']} had been tried in {before}, and the confidence that this is more "
        f"than luck was {_sure(then['deflated_sharpe'])}. Each further try lowers what the best one proves."
    )


def _between(low: float, high: float, decimals: int, *, sign: bool = False) -> str:
    return f"{percent_text(low, decimals, sign=sign)} to {percent_text(high, decimals, sign=sign)}"


def _sure(value: float | None) -> str:
    return NOTHING if value is None else typeset(sure_text(value))
