"""Issue 5: random scripts of orders, the engine against a slow reference written from the rules alone.

A script is a world of one to four markets with holes, ties and gaps, and rows that say all that rows can say:
market, limit, stop and stop-limit orders, brackets, parts, weights, trailing distances; with rules, costs,
filters, funding and finer bars drawn at random. Trades, equity and refusals must agree to 1e-9.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final
from unittest.mock import patch

from tests.trading import reference
from tests.trading.asked import KINDS, ask
from tests.trading.random_scripts import first_difference, world

from cryptai.ledger.book import EXIT_REASONS
from cryptai.portfolio.refusals import REFUSALS
from cryptai.trading import markets as engine

SCRIPTS: Final = {"test": 500, "quick": 2_000, "long": 10_000}
_SHOWN: Final = 5


def scripts(seed: int, count: int) -> dict[str, Any]:
    """Run so many random scripts by both; return how many differ, what differs first, what was reached."""
    differ: list[str] = []
    reached: Counter[str] = Counter()
    trades = undecided = 0
    for number in range(count):
        at = (seed - 1) * 1_000_000 + number
        markets, setup = world(at)
        expected = reference.run(markets, setup)
        if found := first_difference(ask(markets, setup), expected, setup.capital):
            differ.append(f"script {at}: {found}")
        trades += len(expected.trades)
        undecided += sum(trade.undecided for trade in expected.trades)
        reached.update(trade.exit_reason for trade in expected.trades)
        reached.update(trade.entry_kind for trade in expected.trades)
        reached.update(expected.refused)
    # Scripts that never come to a rule say nothing of it.
    missing = [name for name in (*EXIT_REASONS, *KINDS, *REFUSALS) if not reached[name]]
    short = [*differ[:_SHOWN], *(f"no script came to {name!r}" for name in missing)]
    if not undecided:
        short.append("no outcome was undecided")
    return {
        "seed": seed,
        "scripts": count,
        "differ": len(differ),
        "trades": trades,
        "undecided": undecided,
        "reached": dict(sorted(reached.items())),
        "fell_short": short,
    }


def better_reading() -> list[Any]:
    """Let the engine take the better reading of a bar where the worse was asked for, and the other way."""
    right = engine.simulate_markets

    def wrong(*args: Any, **options: Any) -> Any:
        return right(*args, **options | {"policy": 1 - options["policy"]})

    return [patch.object(engine, "simulate_markets", wrong)]
