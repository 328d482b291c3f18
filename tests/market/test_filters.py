"""A market's filters over time, from the book of symbols."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from cryptai.errors import DataError, UnknownName
from cryptai.market.filters import Filters, filters_of
from cryptai.market.symbols import SymbolBook, SymbolInfo

DAY = 86_400_000
T0 = 1_700_000_000_000


def test_each_change_holds_from_its_time_on(tmp_path):
    book = SymbolBook(tmp_path / "symbols.sqlite3")
    one = SymbolInfo("BTC/USDT", "trading", Decimal("0.01"), Decimal("0.001"), listed_ms=T0 - 100 * DAY)
    book.sync("binance", [one], T0)
    book.sync("binance", [replace(one, tick=Decimal("0.10"), min_notional=Decimal(5))], T0 + DAY)
    book.sync("binance", [replace(one, status="halted", tick=Decimal("0.10"))], T0 + 2 * DAY)
    found = filters_of(book, "binance", "btcusdt")
    assert found.from_ms.tolist() == [T0 - 100 * DAY, T0 + DAY, T0 + 2 * DAY]
    assert found.tick.tolist() == [0.01, 0.1, 0.1]
    assert found.step.tolist() == [0.001] * 3
    assert found.min_quantity.tolist() == [0.0] * 3
    assert found.min_notional.tolist() == [0.0, 5.0, 0.0]
    assert found.digest != filters_of(book, "binance", "BTC/USDT").of_rows([(T0, 0.1, 0.1, 0.0, 0.0)]).digest


def test_a_market_that_nobody_listed_is_refused_with_the_near_ones(tmp_path):
    book = SymbolBook(tmp_path / "symbols.sqlite3")
    with pytest.raises(DataError, match="cryptai symbols sync"):
        filters_of(book, "binance", "BTC/USDC")
    book.sync("binance", [SymbolInfo("BTC/USDT", "trading", Decimal(1), Decimal(1))], T0)
    with pytest.raises(UnknownName, match="known are: BTC/USDT") as refused:
        filters_of(book, "binance", "BTC/USDC")
    assert refused.value.field == "filters"


@pytest.mark.parametrize(
    "rows",
    [
        [(2, 0.0, 0.0, 0.0, 0.0), (1, 0.0, 0.0, 0.0, 0.0)],
        [(1, -0.1, 0.0, 0.0, 0.0)],
        [(1, 0.0, float("inf"), 0.0, 0.0)],
    ],
)
def test_rows_that_cannot_be_are_refused(rows):
    with pytest.raises(DataError):
        Filters.of_rows(rows)
