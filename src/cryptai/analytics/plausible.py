"""Figures too good to be true: said in a sentence each, with what most likely made them.

Nothing is left out for it: what a figure's own definition forbids is None already (a yearly rate of 18 days,
a Sharpe ratio without deviation), and what stands here is defined, but is seldom seen in a market.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST_SHARPE: Final = 5.0
"""Above this an annual Sharpe ratio of a year or more is an accident of the bars, or a leak."""
LARGEST_GROWTH: Final = 1_000.0
"""Capital times this: no market would have taken the orders."""
LARGEST_FACTOR: Final = 10.0
FEWEST_TRADES: Final = 30
_LEAK: Final = "most often it sees the future: ask `cryptai check`"


def doubts(metrics: Mapping[str, Any], days: float) -> Iterator[str]:
    """Say what in these metrics (those of `backtest --json`) should not be believed as it stands.

    `days` is the time from the first open to the last close.
    """
    growth, sharpe = metrics["total_return"] + 1.0, metrics["sharpe_ratio"]
    factor, trades, rate = metrics["profit_factor"], metrics["trades"], metrics["win_rate"]
    if metrics["cagr"] is None and trades:
        if days < 30.0:
            yield f"It ran {days:.0f} days: a yearly rate of so few would be an invention, and none is told."
        else:
            yield (
                f"A yearly rate from {days:.0f} days of such growth is beyond any market, and none is told; "
                f"{_LEAK}."
            )
    if sharpe is not None and abs(sharpe) > LARGEST_SHARPE:
        few = f"{days:.0f} days are too few for one" if days < 365.0 else _LEAK
        yield f"A Sharpe ratio of {sharpe:.1f} is beyond what markets give; {few}."
    if growth > LARGEST_GROWTH:
        yield (
            f"The capital grew {growth:,.0f} times, and each order with it: no book would have filled them. "
            "Limit them with max_position_size, stake or max_volume_share."
        )
    if factor is not None and factor > LARGEST_FACTOR and trades >= FEWEST_TRADES:
        yield f"{trades:,} trades won {factor:.1f} times what they lost; {_LEAK}."
    if rate == 1.0 and trades >= FEWEST_TRADES:
        yield f"All of {trades:,} trades won: a stop that is never reached, or prices of the future."
    if metrics["final_equity"] < 0.0:
        yield "The account ended below zero: a venue would have closed it before."
