"""The book of symbols, and Binance's list of them: recorded, spoilt, and changing from day to day."""

from __future__ import annotations

import gzip
import json
import sqlite3
from dataclasses import replace
from decimal import Decimal

import pytest

from cryptai.errors import InputError, SourceError, UnknownName, WorkspaceError
from cryptai.market.sources._binance_symbols import parse_exchange_info
from cryptai.market.symbols import SymbolBook, SymbolInfo
from cryptai.market.timeframe import DAY_MS

DAY = 1_700_000_000_000


def info(symbol, **changes):
    one = SymbolInfo(symbol, "trading", Decimal("0.01"), Decimal("0.00001"), min_notional=Decimal(10))
    return replace(one, **changes)


@pytest.fixture
def book(tmp_path):
    return SymbolBook(tmp_path / "symbols.sqlite3")


@pytest.fixture
def recorded(shared):
    text = gzip.decompress((shared / "data/payloads/binance_recorded/BINANCE.0.txt.gz").read_bytes())
    return text.splitlines()[0].split(b": ", 1)[1]


# What Binance recorded


@pytest.mark.shared
def test_the_recorded_list_is_read_exactly(recorded):
    told = json.loads(recorded)
    found = parse_exchange_info(recorded, perpetuals=False)
    assert found.limit == 1200
    assert found.left_out == 0
    assert len(found.symbols) == len(told["symbols"]) > 1_500
    for one, row in zip(found.symbols, told["symbols"], strict=True):
        filters = {entry["filterType"]: entry for entry in row["filters"]}
        assert one.symbol == f"{row['baseAsset']}/{row['quoteAsset']}"
        assert one.tick == Decimal(filters["PRICE_FILTER"]["tickSize"])
        assert one.step == Decimal(filters["LOT_SIZE"]["stepSize"])
        assert one.min_amount == Decimal(filters["LOT_SIZE"]["minQty"])
        assert one.min_notional == Decimal(filters["MIN_NOTIONAL"]["minNotional"])
        assert one.status == {"TRADING": "trading", "BREAK": "halted"}[row["status"]]
        assert one.venue_status == row["status"]


@pytest.mark.shared
def test_the_recorded_list_goes_through_the_book_unchanged(recorded, book):
    symbols = parse_exchange_info(recorded, perpetuals=False).symbols
    events = book.sync("binance", symbols, DAY)
    assert {event.kind for event in events} == {"listed", "halted"}
    assert book.sync("binance", symbols, DAY + 1) == []
    assert book.info("binance", "BTC/USDT") == next(one for one in symbols if one.symbol == "BTC/USDT")
    trading = sorted(one.symbol for one in symbols if one.status == "trading")
    assert [one.symbol for one in book.universe("binance")] == trading


# Binance's list, spoilt

ROW = {
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT",
    "contractType": "PERPETUAL", "onboardDate": 1_569_398_400_000, "deliveryDate": 4_133_404_800_000,
    "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ],
}  # fmt: skip


def listed(*rows, perpetuals=True):
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}]
    return parse_exchange_info(
        json.dumps({"rateLimits": limits, "symbols": rows}).encode(), perpetuals=perpetuals
    )


def test_a_perpetual_has_its_day_of_listing_and_no_end():
    found = listed(ROW)
    assert found.limit == 2400
    assert found.symbols == [
        SymbolInfo(
            "BTC/USDT:USDT", "trading", Decimal("0.10"), Decimal("0.001"), Decimal("0.001"), Decimal(100),
            1_569_398_400_000, None, "TRADING",
        )
    ]  # fmt: skip


def test_contracts_with_a_day_of_delivery_are_left_alone():
    assert listed(ROW | {"contractType": "CURRENT_QUARTER", "symbol": "BTCUSDT_211231"}).symbols == []


def test_a_name_that_we_cannot_spell_is_counted_and_the_others_go_on():
    found = listed(ROW | {"baseAsset": "币安人生"}, ROW)
    assert (found.left_out, len(found.symbols)) == (1, 1)


def filters(**changes):
    spoilt = [entry | {k: v for k, v in changes.items() if k in entry} for entry in ROW["filters"]]
    return ROW | {"filters": spoilt}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([1], "another shape"),
        ([{"symbol": "BTCUSDT", "contractType": "PERPETUAL"}], "BTCUSDT without 'baseAsset'"),
        ([ROW | {"filters": []}], "BTCUSDT without 'PRICE_FILTER'"),
        ([ROW | {"filters": None}], "BTCUSDT without"),
        ([filters(tickSize="NaN")], "tickSize 'NaN', which is no size"),
        ([filters(tickSize="-1")], "no size"),
        ([filters(stepSize=0.1)], "no size"),
        ([filters(minQty="1e400000000000")], "no size"),
        ([filters(notional="0x10")], "no size"),
        ([ROW, ROW], r"BTC/USDT:USDT twice"),
    ],
)
def test_a_list_that_cannot_be_is_refused_by_name(rows, told):
    with pytest.raises(SourceError, match=told):
        listed(*rows)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"symbols": 1}', b'{"symbols": [NaN]}', b"<html>"])
def test_what_is_no_list_is_refused(text):
    with pytest.raises(SourceError):
        parse_exchange_info(text, perpetuals=False)


# What becomes of symbols


def test_halt_resumption_and_new_rules_are_events_in_order(book):
    book.sync("binance", [info("BTC/USDT")], DAY)
    changed = [
        info("BTC/USDT", status="halted", venue_status="BREAK"),
        info("BTC/USDT"),
        info("BTC/USDT", tick=Decimal("0.1")),
    ]
    for k, one in enumerate(changed, 1):
        assert len(book.sync("binance", [one], DAY + k)) == 1
    assert [event.kind for event in book.events("binance", "BTC/USDT")] == [
        "listed", "halted", "resumed", "rules",
    ]  # fmt: skip
    assert book.info("binance", "BTC/USDT").tick == Decimal("0.1")
    assert book.info("binance", "BTC/USDT", as_of_ms=DAY + 2).tick == Decimal("0.01")
    assert book.info("binance", "BTC/USDT", as_of_ms=DAY + 1).status == "halted"


def test_a_symbol_that_the_list_lacks_is_delisted_once_and_may_come_back(book):
    book.sync("binance", [info("BTC/USDT"), info("LUNA/USDT")], DAY)
    for day in (1, 2):
        book.sync("binance", [info("BTC/USDT")], DAY + day * DAY_MS)
    gone = book.info("binance", "LUNA/USDT")
    assert (gone.status, gone.delisted_ms) == ("delisted", DAY + DAY_MS)
    book.sync("binance", [info("BTC/USDT"), info("LUNA/USDT")], DAY + 3 * DAY_MS)
    assert [event.kind for event in book.events("binance", "LUNA/USDT")] == ["listed", "delisted", "listed"]
    assert book.info("binance", "LUNA/USDT").listed_ms == DAY + 3 * DAY_MS
    assert book.info("binance", "LUNA/USDT").delisted_ms is None


def test_a_universe_of_the_past_has_what_was_delisted_since_and_lacks_what_came_later(book):
    old = info("LUNA/USDT", listed_ms=DAY - 500 * DAY_MS)
    btc = info("BTC/USDT", listed_ms=DAY - 900 * DAY_MS)
    book.sync("binance", [btc, old], DAY)
    book.sync("binance", [btc, info("POL/USDT", listed_ms=DAY + DAY_MS)], DAY + 2 * DAY_MS)

    def names(day):
        return [one.symbol for one in book.universe("binance", as_of_ms=DAY + day * DAY_MS)]

    assert names(-600) == ["BTC/USDT"]
    assert names(-100) == ["BTC/USDT", "LUNA/USDT"]
    assert names(1.5) == ["BTC/USDT", "LUNA/USDT", "POL/USDT"]
    assert names(2) == ["BTC/USDT", "POL/USDT"]
    assert [one.symbol for one in book.universe("binance")] == ["BTC/USDT", "POL/USDT"]


def test_a_market_that_was_listed_anew_is_in_the_universe_of_its_first_life(book):
    book.sync("binance", [info("BTC/USDT"), info("LUNA/USDT")], DAY)
    book.sync("binance", [info("BTC/USDT")], DAY + 10)
    book.sync("binance", [info("BTC/USDT"), info("LUNA/USDT")], DAY + 20)
    lives = [len(book.universe("binance", as_of_ms=DAY + t)) for t in (5, 15, 25)]
    assert lives == [2, 1, 2]


def test_a_day_of_listing_that_is_not_known_is_not_made_up(book):
    book.sync("binance", [info("BTC/USDT")], DAY)
    assert book.universe("binance", as_of_ms=DAY - 1) == []
    book.listed("binance", "BTC/USDT", DAY - 900 * DAY_MS, DAY + 1)
    assert [one.symbol for one in book.universe("binance", as_of_ms=DAY - 1)] == ["BTC/USDT"]
    # The venue's list, which does not tell it, does not take it back.
    assert book.sync("binance", [info("BTC/USDT")], DAY + 2) == []


def test_a_halted_symbol_is_in_no_universe_while_it_is_halted(book):
    book.sync("binance", [info("BTC/USDT", listed_ms=DAY - 9)], DAY)
    book.sync("binance", [info("BTC/USDT", listed_ms=DAY - 9, status="halted")], DAY + 10)
    book.sync("binance", [info("BTC/USDT", listed_ms=DAY - 9)], DAY + 20)
    assert [len(book.universe("binance", as_of_ms=DAY + t)) for t in (5, 15, 25)] == [1, 0, 1]


def test_a_rename_is_told_by_a_person_and_says_where_it_goes_on(book):
    book.sync("binance", [info("MATIC/USDT"), info("POL/USDT")], DAY)
    event = book.renamed("binance", "MATIC/USDT", "POL/USDT", DAY + 5, DAY + 9)
    assert (event.kind, event.ts, event.known_ms) == ("renamed", DAY + 5, DAY + 9)
    old = book.info("binance", "MATIC/USDT")
    assert (old.status, old.renamed_to, old.delisted_ms) == ("delisted", "POL/USDT", DAY + 5)
    assert book.sync("binance", [info("POL/USDT")], DAY + 20) == []


def test_an_empty_list_changes_nothing(book):
    book.sync("binance", [info("BTC/USDT")], DAY)
    with pytest.raises(InputError, match="binance gave no symbols at all; nothing was changed"):
        book.sync("binance", [], DAY + 1)
    assert len(book.universe("binance")) == 1


def test_events_are_only_ever_added(book, tmp_path):
    book.sync("binance", [info("BTC/USDT")], DAY)
    with sqlite3.connect(tmp_path / "symbols.sqlite3") as db:
        for statement in ("DELETE FROM event", "UPDATE event SET ts = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
                db.execute(statement)
    db.close()


def test_venues_are_kept_apart_and_an_unknown_symbol_has_near_ones(book):
    book.sync("binance", [info("BTC/USDT")], DAY)
    book.sync("kraken", [info("ETH/USDT")], DAY)
    with pytest.raises(UnknownName, match=r"no symbol of binance named 'ETH/USDT'"):
        book.info("binance", "ETH/USDT")


def test_a_book_that_is_damaged_is_said_with_the_way_out(book, tmp_path):
    (tmp_path / "symbols.sqlite3").write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(WorkspaceError, match="cannot be used"):
        book.events()


def test_where_nothing_was_synced_nothing_is_made(book, tmp_path):
    assert book.events() == []
    assert book.universe("binance") == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_halted_or_delisted_is_told_with_when_it_was_learned(book):
    names = ("A/USDT", "B/USDT", "C/USDT", "D/USDT")
    book.sync("binance", [info(name) for name in names], DAY)
    assert book.stopped("binance") == {}
    halted = [info("A/USDT"), info("B/USDT", status="halted"), info("C/USDT", status="halted")]
    book.sync("binance", halted, DAY + 5)
    known = {"B/USDT": ("halted", DAY + 5), "C/USDT": ("halted", DAY + 5), "D/USDT": ("delisted", DAY + 5)}
    assert book.stopped("binance") == known
    book.sync("binance", [*halted[:2], info("C/USDT")], DAY + 9)
    assert book.stopped("binance") == {name: known[name] for name in ("B/USDT", "D/USDT")}
    assert book.stopped("binance", as_of_ms=DAY + 8) == known
    assert book.stopped("binance", as_of_ms=DAY + 4) == book.stopped("kraken") == {}
