"""A market under its names: the bars of each while it was in force, as it was known, and no endless loop."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from cryptai.errors import DataError, InputError, UnknownName
from cryptai.market.candles import Candles
from cryptai.market.renames import Name, names_of, read_across
from cryptai.market.store import CandleStore
from cryptai.market.symbols import SymbolBook, SymbolInfo
from cryptai.market.timeframe import HOUR_MS

T0 = 1_700_000_000_000 // HOUR_MS * HOUR_MS


def hour(i):
    return T0 + i * HOUR_MS


@pytest.fixture
def book(tmp_path):
    made = SymbolBook(tmp_path / "symbols.sqlite3")
    names = ("A/USDT", "B/USDT", "C/USDT")
    made.sync("binance", [SymbolInfo(n, "trading", Decimal("0.1"), Decimal("0.1")) for n in names], T0)
    return made


@pytest.fixture
def store(tmp_path):
    return CandleStore(tmp_path / "candles")


def bars(symbol, places, close):
    n = len(places)
    ts = np.array([hour(i) for i in places])
    return Candles(ts, [close] * n, [close] * n, [close] * n, [close] * n, [1.0] * n, symbol, "1h")


def test_a_market_without_former_names_has_its_own_alone(book, store):
    assert names_of(book, "binance", "A/USDT") == [Name("A/USDT", None, None)]
    store.write("binance", bars("A/USDT", range(5), 1.0))
    assert read_across(store, book, "binance", "A/USDT", "1h").digest == bars("A/USDT", range(5), 1.0).digest


def test_each_name_gives_the_bars_of_its_time_and_none_comes_twice(book, store):
    book.renamed("binance", "A/USDT", "B/USDT", hour(5), T0)
    book.renamed("binance", "B/USDT", "C/USDT", hour(8), T0)
    assert names_of(book, "binance", "C/USDT") == [
        Name("A/USDT", None, hour(5)), Name("B/USDT", hour(5), hour(8)), Name("C/USDT", hour(8), None),
    ]  # fmt: skip
    # They overlap, as venues let them: the name in force counts.
    store.write("binance", bars("A/USDT", range(7), 1.0), bars("B/USDT", range(4, 8), 2.0))
    store.write("binance", bars("C/USDT", range(9, 12), 3.0))
    joined = read_across(store, book, "binance", "C/USDT", "1h")
    assert joined.symbol == "C/USDT"
    assert joined.close.tolist() == [1.0] * 5 + [2.0] * 3 + [3.0] * 3
    assert joined.ts.tolist() == [hour(i) for i in (*range(8), *range(9, 12))], "and a hole stays one"
    part = read_across(store, book, "binance", "C/USDT", "1h", start_ms=hour(4), end_ms=hour(6))
    assert part.close.tolist() == [1.0, 2.0]
    assert store.read("binance", "A/USDT", "1h").close.tolist() == [1.0] * 7, "the old name is read as before"


def test_what_was_not_known_then_was_no_rename(book, store):
    book.renamed("binance", "A/USDT", "B/USDT", hour(5), T0 + 9)
    assert len(names_of(book, "binance", "B/USDT", as_of_ms=T0 + 8)) == 1
    assert len(names_of(book, "binance", "B/USDT", as_of_ms=T0 + 9)) == 2


def test_names_that_go_round_end_somewhere(book):
    book.renamed("binance", "A/USDT", "B/USDT", hour(5), T0)
    book.renamed("binance", "B/USDT", "C/USDT", hour(6), T0)
    book.renamed("binance", "C/USDT", "A/USDT", hour(7), T0)
    assert [name.symbol for name in names_of(book, "binance", "A/USDT")] == ["B/USDT", "C/USDT", "A/USDT"]


def test_what_is_stored_under_no_name_is_told_with_all_of_them(book, store):
    book.renamed("binance", "A/USDT", "B/USDT", hour(5), T0)
    with pytest.raises(DataError, match="No bars of A/USDT, B/USDT 1h of binance are stored"):
        read_across(store, book, "binance", "B/USDT", "1h")
    store.write("binance", bars("A/USDT", range(7), 1.0))
    assert len(read_across(store, book, "binance", "B/USDT", "1h")) == 5


def test_a_rename_that_cannot_be_is_refused_and_leaves_no_event(book):
    for old, new in (("A/USDT", "A/USDT"), ("B/USDT", "A/USDT")):
        if old != new:
            book.renamed("binance", new, old, hour(1), T0)
        before = len(book.events())
        with pytest.raises(InputError, match="cannot be renamed to"):
            book.renamed("binance", old, new, hour(2), T0)
        assert len(book.events()) == before
    with pytest.raises(UnknownName, match="symbol of binance"):
        book.renamed("binance", "Z/USDT", "A/USDT", hour(2), T0)


def test_a_name_listed_anew_is_another_market(book):
    book.renamed("binance", "A/USDT", "B/USDT", hour(1), T0)
    listed = [
        SymbolInfo(n, "trading", Decimal("0.1"), Decimal("0.1")) for n in ("A/USDT", "B/USDT", "C/USDT")
    ]
    (event,) = book.sync("binance", listed, hour(9))
    assert (event.kind, event.symbol) == ("listed", "A/USDT")
    assert book.info("binance", "A/USDT").renamed_to is None
