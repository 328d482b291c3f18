"""Slices of past setups: each is what a look through the whole table would cut, whatever was asked before."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.screening.past import ROW, PastSetups
from cryptai.screening.slices import apart

from .made import HOUR

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")


@pytest.fixture(scope="module")
def past():
    """Return a table in which decisions and ends come in all orders, many of one moment."""
    random, n = np.random.default_rng(8), 900
    rows = np.zeros(n, ROW)
    rows["symbol"], rows["side"] = random.integers(0, 3, n), random.choice([-1, 1], n)
    rows["regime"], rows["outcome"] = random.integers(0, 4, n), random.integers(0, 3, n)
    rows["decided_ms"] = np.sort(random.integers(0, 400, n)) * HOUR
    rows["resolved_ms"] = rows["decided_ms"] + random.integers(1, 30, n) * HOUR
    rows["net"] = random.normal(0.0, 0.1, n)
    return PastSetups({}, SYMBOLS, rows)


def cut(past, symbol, side, regime, until_ms):
    rows = past.rows
    some = (rows["resolved_ms"] <= until_ms) & (rows["side"] == side)
    some &= (rows["symbol"] == symbol) if symbol is not None else True
    some &= (rows["regime"] == regime) if regime is not None else True
    return rows[some]


def test_each_is_what_a_look_through_the_whole_table_cuts(past):
    random = np.random.default_rng(3)
    moments = [-1, 0, 13 * HOUR, 13 * HOUR - 1, 10**15, *(random.integers(0, 440, 20) * HOUR)]
    for until_ms in moments:
        for symbol in (None, 0, 2, -1):
            for regime in (None, 0, 3):
                found, rows = (
                    past.slices.ended(symbol, 1, regime, until_ms),
                    cut(past, symbol, 1, regime, until_ms),
                )
                assert (found.rows == apart(rows)).all()
                assert len(found) == len(apart(rows))
                assert found.symbols == len(np.unique(rows["symbol"]))


def test_it_has_as_many_as_do_not_overlap(past):
    found = past.slices.ended(None, 1, None, 10**15)
    assert len(found) < len(cut(past, None, 1, None, 10**15))
    assert found.has(len(found))
    assert not found.has(len(found) + 1)


def test_a_symbol_that_has_no_past_has_no_number(past):
    assert [past.number(symbol) for symbol in (*SYMBOLS, "ADA/USDT")] == [0, 1, 2, -1]
