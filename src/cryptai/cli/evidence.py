"""The evidence of a run in the terminal: the verdict and its reasons, then the figures they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines that tell the `evidence` object of `backtest --json`."""
    yield "Not enough evidence:" if told["status"] != "enough" else "Evidence of an edge on this past:"
    for reason in told["reasons"]:
        yield f"  {reason}"
    trade, wins, costs = told["mean_trade"], told["win_rate"], told["break_even"]
    if trade is not None:
        interval = "" if trade["low"] is None else f", {trade['low']:+.2%} to {trade['high']:+.2%}"
        yield f"mean trade    {trade['value']:+.2%}{interval}"
        needed = "" if wins["break_even"] is None else f"; {wins['break_even']:.1%} would break even"
        yield f"wins          {wins['value']:.1%}, {wins['low']:.1%} to {wins['high']:.1%}{needed}"
        # What was kept before it was told apart has none.
        carried = costs.get("carried_bp")
        held = f", {carried:.1f} of them funding and interest" if carried else ""
        yield (
            f"costs         {costs['paid_bp']:.1f} bp a trade{held}; the edge is gone at "
            f"{_bp(costs['cost_bp'])}"
        )
        if costs.get("size") is not None:
            yield f"size          the edge is gone where each entry is worth {costs['size']:,.0f}"
    tried = "unknown" if told["trials"] is None else f"{told['trials']:,}"
    yield (
        f"Sharpe        above 0 with {_sure(told['probabilistic_sharpe'])}, "
        f"deflated {_sure(told['deflated_sharpe'])}, trials {tried}"
    )
    if told["null_market"] is None:
        yield "null market   not asked: see `cryptai check`"
    else:
        yield f"null market   {'fair' if told['null_market']['fair'] else 'NOT fair'}"


def _bp(value: float) -> str:
    return f"{value:.1f} bp" if value > 0.0 else "any cost"


def _sure(value: float | None) -> str:
    from cryptai.research.evidence import sure_text

    return "an unknown probability" if value is None else sure_text(value)
