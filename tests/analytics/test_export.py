"""Trades and equity as CSV: exact there and back, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from tests.analytics.test_report import ran, reported

from cryptai.analytics.export import FULL_EQUITY, equity_csv, read_trades, trades_csv, written_rows
from cryptai.errors import DataError


@pytest.mark.parametrize("seed", range(5))
def test_trades_come_back_to_the_bit(seed):
    rows = ran(seed).as_object()["trades"]
    assert rows
    back = read_trades(trades_csv(rows, "BTC/USDT"))
    assert back == [{"symbol": "BTC/USDT", **one} for one in rows]
    assert {one["symbol"] for one in back} == {"BTC/USDT"}


def test_fields_that_come_later_are_columns_of_their_own():
    (row,) = ran(1).as_object()["trades"][:1]
    more = {
        **row,
        "symbol": "ETH/USDT",
        "funding": -0.125,
        "hole_bars": 3,
        "undecided": True,
        "entry_kind": "limit",
    }
    (back,) = read_trades(trades_csv([more], "BTC/USDT"))
    assert back == more
    assert read_trades(trades_csv([], "BTC/USDT")) == []


@pytest.mark.parametrize("words", ["=1+1", "+x", "-x", "@x", "'quoted", 'a "b", c', "two\nlines", "<b>"])
def test_a_reason_is_no_formula_and_comes_back(words):
    (row,) = ran(1).as_object()["trades"][:1]
    text = trades_csv([{**row, "entry_reason": words}], "X/Y")
    cell = next(csv.DictReader(io.StringIO(text)))["entry_reason"]
    assert not cell.startswith(("=", "+", "-", "@"))
    assert read_trades(text)[0]["entry_reason"] == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not begin"),
        ("a,b\n1,2\n", "does not begin"),
        ("{head}\n1,2\n", "2 cells in row 2"),
        ("{head}\nX/Y,long,t,t,nine,1,1,1,1,1,1,1,a,b\n", "row 2, column entry_price"),
    ],
)
def test_what_it_did_not_write_is_refused(text, words):
    head = trades_csv([], "X/Y").strip()
    with pytest.raises(DataError, match=words):
        read_trades(text.replace("{head}", head))


def test_equity_is_told_bar_by_bar_to_the_bit():
    result = ran(2)
    made = reported(result)
    rows = list(csv.DictReader(io.StringIO(equity_csv(made))))
    assert [float(one["equity"]) for one in rows] == result.equity.tolist()
    assert [float(one["drawdown"]) for one in rows] == made.drawdown.tolist()
    assert rows[0]["time"] == result.as_object()["from"]
    assert rows[-1]["time"] == result.as_object()["to"]


def test_more_bars_than_that_are_told_hour_by_hour():
    minutes = 60_000 * np.arange(FULL_EQUITY + 90, dtype=np.int64)
    rows = written_rows(minutes)
    assert len(rows) < FULL_EQUITY // 50
    assert rows[0] == 59
    assert rows[-1] == len(minutes) - 1
    assert len(written_rows(minutes[:FULL_EQUITY])) == FULL_EQUITY
