"""How new a series is, in a word: missing bars, and markets that their venue has stopped."""

from __future__ import annotations

import pytest

from cryptai.market.newness import Stop, newness
from cryptai.market.timeframe import HOUR_MS, Timeframe

T0 = 1_609_459_200_000
HOUR = Timeframe("1h")


@pytest.mark.parametrize(
    ("missing", "stop", "word"),
    [
        (0, None, "fresh"),
        (1, None, "late"),
        (2, None, "late"),
        (3, None, "stale"),
        # Nothing is missing yet.
        (0, Stop("halted", T0 + 1), "fresh"),
        (1, Stop("halted", T0 + 1), "halted"),
        (99, Stop("halted", T0 + HOUR_MS), "halted"),
        (99, Stop("delisted", T0 + HOUR_MS), "delisted"),
        # A bar has opened since: what the book says is over.
        (99, Stop("halted", T0), "stale"),
        (1, Stop("halted", T0 - HOUR_MS), "late"),
    ],
)
def test_a_market_that_its_venue_stopped_is_waited_for_by_nobody(missing, stop, word):
    assert newness(T0, HOUR, T0 + HOUR_MS * (1 + missing), stop) == word
    assert newness(T0, HOUR, T0 + HOUR_MS * (2 + missing) - 1, stop) == word
