"""A folder of candle files as a source: read as by `data import`, followed as it changes, refused by name."""

from __future__ import annotations

import asyncio
import os

import numpy as np
import pytest

from cryptai import seams
from cryptai.cli.up import _follow_folder
from cryptai.errors import DataError, InputError, SourceError, UnknownName
from cryptai.market.candles import Candles
from cryptai.market.download import download
from cryptai.market.feed import Feed
from cryptai.market.source import Bar, Price, open_source
from cryptai.market.sources.folder import Folder
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import HOUR_MS
from cryptai.market.writing import write_candles

T0 = 1_700_000_000_000 // HOUR_MS * HOUR_MS
BARS = 50


def bars(n=BARS, symbol="BTC/USDT", timeframe="1h", first=T0):
    ts = first + np.arange(n) * HOUR_MS
    close = 100.0 + np.arange(n)
    return Candles(ts, close, close + 1, close - 1, close, np.ones(n), symbol, timeframe)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "files"
    made.mkdir()
    write_candles(made / "BTCUSDT_1h.parquet", bars())
    write_candles(made / "ETH-USDT_1h.csv", bars(10, "ETH/USDT"))
    (made / "notes.txt").write_text("nothing of ours")
    (made / "totals.csv").write_text("a,b\n1,2\n")
    monkeypatch.setenv("CRYPTAI_FOLDER", str(made))
    with seams.replaced(now_ns=lambda: (T0 + BARS * HOUR_MS) * 1_000_000):
        yield made


@pytest.fixture
def source(folder):
    return Folder(rest=lambda _: asyncio.sleep(0))


async def test_history_is_what_the_file_holds_to_the_bit(source):
    candles = await source.history("BTC/USDT", "1h", bars=1_000)
    assert candles.digest == bars().digest
    part = await source.history("BTC/USDT", "1h", end_ms=T0 + 20 * HOUR_MS, bars=5)
    assert part.digest == bars()[15:20].digest
    assert len(await source.history("ETH/USDT", "1h", bars=0)) == 0
    await source.ping()


async def test_a_bar_that_has_not_ended_by_our_clock_is_not_given(source):
    with seams.replaced(now_ns=lambda: (T0 + (BARS - 1) * HOUR_MS + 1) * 1_000_000):
        assert (await source.history("BTC/USDT", "1h", bars=2)).ts[-1] == T0 + (BARS - 2) * HOUR_MS


async def test_what_the_folder_has_not_is_answered_with_what_it_has(source):
    with pytest.raises(UnknownName, match="known are: BTC/USDT 1h, ETH/USDT 1h"):
        await source.history("BTC/USDT", "4h", bars=1)


async def test_a_file_that_holds_no_candles_is_refused_by_its_name_and_row(source, folder):
    (folder / "ADAUSDT_1h.csv").write_text("ts,open,high,low,close,volume\n0,1,1,1,nan,1\n")
    with pytest.raises(DataError, match=r"ADAUSDT_1h\.csv: Row 0"):
        await source.history("ADA/USDT", "1h", bars=1)
    assert len(await source.history("BTC/USDT", "1h", bars=5)) == 5, "the others are read"


async def test_two_files_of_one_series_are_refused_by_their_names(source, folder):
    write_candles(folder / "BTC-USDT_1h.csv", bars(3))
    with pytest.raises(
        InputError, match=r"BTC-USDT_1h\.csv and BTCUSDT_1h\.parquet .* both hold BTC/USDT 1h"
    ):
        await source.history("BTC/USDT", "1h", bars=1)


@pytest.mark.parametrize(("told", "said"), [("", "names no folder"), ("/nowhere/at/all", "cannot be read")])
async def test_a_folder_that_is_not_there_is_told_once_and_for_good(monkeypatch, told, said):
    monkeypatch.setenv("CRYPTAI_FOLDER", told)
    with pytest.raises(SourceError, match=said) as caught:
        await open_source("folder").ping()
    assert caught.value.permanent


async def test_an_empty_folder_says_how_files_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"BTCUSDT_1h\.parquet"):
        await Folder(tmp_path).ping()


async def test_bars_that_come_to_a_file_are_followed_as_closed(source, folder):
    now = [T0 + BARS * HOUR_MS]
    with seams.replaced(now_ns=lambda: now[0] * 1_000_000):
        stream = source.stream(["BTC/USDT", "ETH/USDT"], ["1h", "4h"])
        seen = [await anext(stream), await anext(stream)]
        assert seen == [
            Price("BTC/USDT", 149.0, T0 + BARS * HOUR_MS), Price("ETH/USDT", 109.0, T0 + 10 * HOUR_MS),
        ]  # fmt: skip
        now[0] += 2 * HOUR_MS
        write_candles(folder / "BTCUSDT_1h.parquet", bars(BARS + 3), force=True)
        os.utime(folder / "BTCUSDT_1h.parquet", ns=(1, 1))
        seen = [await anext(stream)]
        while not isinstance(seen[-1], Price) or seen[-1].price == 149.0:
            seen.append(await anext(stream))
        assert [event.row[0] for event in seen if isinstance(event, Bar)] == [
            T0 + BARS * HOUR_MS, T0 + (BARS + 1) * HOUR_MS,
        ], "not the one that has not ended"  # fmt: skip
        assert all(event.closed for event in seen if isinstance(event, Bar))
        assert seen[-1] == Price("BTC/USDT", 151.0, now[0])
        (folder / "BTCUSDT_1h.parquet").write_bytes(b"PAR1 and no more")
        with pytest.raises(SourceError, match=r"BTCUSDT_1h\.parquet"):
            await _to_the_end(stream)


async def _to_the_end(stream):
    async for _ in stream:
        pass


async def test_it_fills_the_store_by_download_and_by_the_feed(source, folder, tmp_path):
    store = CandleStore(tmp_path / "candles")
    done = await download(source, store, ["BTC/USDT"], ["1h"], since_ms=T0)
    assert [(one.added, one.failed) for one in done] == [(BARS, None)]
    assert store.read("folder", "BTC/USDT", "1h").digest == bars().digest
    feed = Feed(
        store, lambda _event: None, exchange="folder", symbols=["BTC/USDT", "ETH/USDT"], timeframes=["1h"],
        find=lambda _name: Folder(folder),
    )  # fmt: skip
    running = asyncio.ensure_future(feed.run())
    async with asyncio.timeout(30):
        while feed.status.state != "live":
            assert not running.done(), running.result()
            await asyncio.sleep(0.02)
    feed.stop()
    await running
    assert store.read("folder", "ETH/USDT", "1h").digest == bars(10, "ETH/USDT").digest


def test_what_it_holds_is_what_the_platform_follows_where_nothing_is_named(folder, monkeypatch):
    assert Folder().series() == [("BTC/USDT", "1h"), ("ETH/USDT", "1h")]
    monkeypatch.setenv("CRYPTAI_SYMBOLS", "")
    monkeypatch.setenv("CRYPTAI_TIMEFRAMES", "4h")
    _follow_folder()
    assert os.environ["CRYPTAI_SYMBOLS"] == "BTC/USDT,ETH/USDT"
    assert os.environ["CRYPTAI_TIMEFRAMES"] == "4h", "what a person names stays"
