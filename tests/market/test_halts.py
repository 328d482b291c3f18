"""Whether a venue from which nothing comes has halted what is followed, as its list of symbols says."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cryptai import seams
from cryptai.errors import SourceError
from cryptai.market.halts import all_halted
from cryptai.market.symbols import SymbolBook, SymbolInfo

NOW = 1_700_000_000_000
BOTH = ("BTC/USDT", "ETH/USDT")


class Venue:
    """A venue with a list that a test sets, and counts who asks for it."""

    name = "venue"

    def __init__(self):
        self.status = {"BTC/USDT": "halted", "ETH/USDT": "halted", "XRP/USDT": "trading"}
        self.asked = 0
        self.away = False

    def now_ms(self):
        return seams.now_ms()

    async def listed_ms(self, symbol):
        raise NotImplementedError(symbol)

    async def symbols(self):
        self.asked += 1
        if self.away:
            raise SourceError("The venue is away.")
        return [SymbolInfo(name, word, Decimal(1), Decimal(1)) for name, word in self.status.items()]


@pytest.fixture
def book(tmp_path):
    return SymbolBook(tmp_path / "symbols.sqlite3")


async def test_all_of_them_must_be_halted_and_the_list_is_asked_for_once_in_ten_minutes(book):
    venue, minutes = Venue(), 0
    with seams.replaced(now_ns=lambda: (NOW + minutes * 60_000) * 1_000_000):
        assert await all_halted(book, venue, BOTH)
        assert not await all_halted(book, venue, (*BOTH, "XRP/USDT"))
        assert venue.asked == 1
        venue.status["ETH/USDT"] = "trading"
        minutes = 10
        assert await all_halted(book, venue, BOTH)
        minutes = 11
        assert not await all_halted(book, venue, BOTH)
        assert venue.asked == 2


async def test_a_venue_that_cannot_be_asked_has_halted_nothing(book):
    venue = Venue()
    venue.away = True
    assert not await all_halted(book, venue, BOTH)

    class Listless:
        name = "folder"

    assert not await all_halted(book, Listless(), BOTH)
    assert book.events() == []
