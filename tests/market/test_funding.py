"""Funding: kept once, exactly and for ever; read from files and from a venue's answers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from binance_standin import standing_in

from cryptai import seams
from cryptai.errors import ConflictError, DataError, InputError, SourceError
from cryptai.market.funding import Funding, FundingBook
from cryptai.market.funding_files import read_funding
from cryptai.market.sources.binance import Binance

EIGHT = 8 * 3_600_000
T0 = 1_609_459_200_000  # 2021-01-01


def funding(n, rate=0.0001, start=T0, symbol="BTC/USDT"):
    return Funding(symbol, start + EIGHT * np.arange(n), np.full(n, rate))


def test_what_is_added_is_read_again_and_known_the_second_time(tmp_path):
    book = FundingBook(tmp_path / "funding.sqlite3")
    assert book.add("binance", funding(5), source="file") == [(5, 0)]
    assert book.add("binance", funding(7), source="rest") == [(2, 5)]
    found = FundingBook(tmp_path / "funding.sqlite3").read("binance", "BTC/USDT:USDT")
    assert found.digest == funding(7).digest
    assert found.ts.tolist() == funding(7).ts.tolist()
    (stored,) = book.stored("binance")
    assert (stored.symbol, stored.rates, stored.first_ts) == ("BTC/USDT:USDT", 7, T0)


def test_a_range_is_half_open(tmp_path):
    book = FundingBook(tmp_path / "funding.sqlite3")
    book.add("binance", funding(5), source="file")
    part = book.read("binance", "BTC/USDT", start_ms=T0 + EIGHT, end_ms=T0 + 3 * EIGHT)
    assert part.ts.tolist() == [T0 + EIGHT, T0 + 2 * EIGHT]


def test_another_rate_of_the_same_time_is_refused_and_changes_nothing(tmp_path):
    book = FundingBook(tmp_path / "funding.sqlite3")
    book.add("binance", funding(3), source="file")
    with pytest.raises(ConflictError, match=r"2021-01-01T00:00:00Z is stored as 0.0001, not 0.0002"):
        book.add("binance", funding(9, symbol="ETH/USDT"), funding(4, 0.0002), source="file")
    assert [(one.symbol, one.rates) for one in book.stored()] == [("BTC/USDT:USDT", 3)]


def test_rates_can_not_be_changed_or_taken_away(tmp_path):
    import sqlite3

    book = FundingBook(tmp_path / "funding.sqlite3")
    book.add("binance", funding(3), source="file")
    db = sqlite3.connect(tmp_path / "funding.sqlite3")
    for change in ("UPDATE rate SET rate = 0", "DELETE FROM rate"):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            db.execute(change)


def test_the_milliseconds_that_two_sources_tell_differently_mean_nothing():
    exact, loose = (
        funding(3),
        Funding("BTC/USDT", funding(3).ts + np.array([0, 5, 12_000]), np.full(3, 0.0001)),
    )
    assert exact.digest == loose.digest


@pytest.mark.parametrize(
    ("ts", "rate", "words"),
    [
        ([T0, T0], [0.0, 0.0], "Row 1: ts .* not later"),
        ([T0 + EIGHT, T0], [0.0, 0.0], "Row 1"),
        ([T0], [float("nan")], "Row 0: a funding rate is a fraction"),
        ([T0], [1.5], "between -1 and 1"),
        ([float(T0)], [0.1], "whole milliseconds"),
        ([T0], [0.1, 0.2], "as many rates"),
    ],
)
def test_what_is_no_funding_is_refused_with_the_row(ts, rate, words):
    with pytest.raises(DataError, match=words):
        Funding("BTC/USDT", ts, rate)


def test_funding_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="data import --funding FILE"):
        FundingBook(tmp_path / "none.sqlite3").read("binance", "BTC/USDT")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("times", "rates"),
    [("ts", "funding_rate"), ("fundingTime", "fundingRate"), ("calc_time", "last_funding_rate")],
)
def test_files_of_several_houses_are_read(tmp_path, ending, times, rates):
    table = pl.DataFrame({times: funding(4).ts, rates: funding(4).rate, "mark_price": [None, 1.0, 2.0, 3.0]})
    path = tmp_path / f"BTCUSDT_funding.{ending}"
    getattr(table, f"write_{ending}")(path)
    assert read_funding(path).digest == funding(4).digest
    assert read_funding(path).symbol == "BTC/USDT:USDT"


def test_a_file_that_is_none_is_refused_with_a_sentence(tmp_path):
    candles = tmp_path / "BTCUSDT_funding.csv"
    candles.write_text("ts,open\n1,2\n")
    with pytest.raises(DataError, match="no column funding_rate; found are ts, open"):
        read_funding(candles)
    broken = tmp_path / "BTCUSDT_funding.parquet"
    broken.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="not a whole PARQUET table"):
        read_funding(broken)
    empty = tmp_path / "ETHUSDT_funding.csv"
    empty.write_text("ts,funding_rate\n1609459200000,\n1609488000000,0.1\n")
    with pytest.raises(DataError, match="Row 0: funding_rate is empty"):
        read_funding(empty)
    with pytest.raises(InputError, match="--symbol"):
        read_funding(candles.rename(tmp_path / "rates.csv"))


@pytest.mark.shared
def test_the_recorded_funding_is_read(shared):
    found = read_funding(shared / "data/funding/BTCUSDT_funding.parquet")
    assert len(found) == 4721
    assert set(np.diff(found.ts)) == {EIGHT}


# From the venue


@pytest.fixture
async def venue(monkeypatch):
    now = T0 + 5000 * EIGHT
    with seams.replaced(now_ns=lambda: now * 1_000_000):
        async with standing_in(monkeypatch, now) as standing:
            standing.rows = [
                {
                    "symbol": "BTCUSDT", "fundingTime": T0 + i * EIGHT + i % 7,
                    "fundingRate": f"{(i % 11 - 5) / 10000:.8f}", "markPrice": "",
                }
                for i in range(2500)
            ]  # fmt: skip

            def answer():
                path, query = standing.asked[-1]
                if path != "/fapi/v1/fundingRate":
                    return None
                start, end = int(query["startTime"]), int(query["endTime"])
                page = [row for row in standing.rows if start <= row["fundingTime"] <= end]
                return standing.answer(200, page[: int(query["limit"])])

            standing.before = answer
            yield standing


async def _no_rest(_seconds):
    return None


async def test_a_venues_pages_join_without_seam(venue):
    binance = Binance(rest=_no_rest)
    try:
        found = await binance.funding("BTC/USDT:USDT", start_ms=T0, end_ms=T0 + 2500 * EIGHT)
        part = await binance.funding("BTC/USDT", start_ms=T0 + EIGHT, end_ms=T0 + 3 * EIGHT)
    finally:
        await binance.aclose()
    assert found.ts.tolist() == [T0 + i * EIGHT for i in range(2500)]
    assert found.rate.tolist() == [float(row["fundingRate"]) for row in venue.rows]
    assert part.ts.tolist() == [T0 + EIGHT, T0 + 2 * EIGHT]
    assert sum(path == "/fapi/v1/fundingRate" for path, _ in venue.asked) == 4


@pytest.mark.parametrize(
    "row",
    [
        {"symbol": "ETHUSDT", "fundingTime": T0, "fundingRate": "0.0001"},
        {"symbol": "BTCUSDT", "fundingTime": "now", "fundingRate": "0.0001"},
        {"symbol": "BTCUSDT", "fundingTime": T0, "fundingRate": 0.0001},
        {"symbol": "BTCUSDT", "fundingTime": T0, "fundingRate": "1e-4"},
        {"symbol": "BTCUSDT", "fundingTime": T0, "fundingRate": "7"},
        "a row",
    ],
)
async def test_an_answer_that_is_not_what_was_agreed_is_refused(venue, row):
    venue.before = lambda: venue.answer(200, [row])
    binance = Binance(rest=_no_rest)
    try:
        with pytest.raises(SourceError, match="funding of BTC/USDT:USDT"):
            await binance.funding("BTC/USDT", start_ms=T0, end_ms=T0 + EIGHT)
    finally:
        await binance.aclose()
