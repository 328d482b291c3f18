"""Filling the store: only what is missing is asked for, and nothing is invented."""

from __future__ import annotations

import asyncio
import threading

import pytest
from binance_standin import true_row
from scripted_source import Scripted

from cryptai import seams
from cryptai.errors import InputError, SourceError, WorkspaceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.source import LARGE_PAIRS
from cryptai.market.sources.practice import Practice
from cryptai.market.store import CandleStore
from cryptai.market.sync import fill, keep
from cryptai.market.timeframe import DAY_MS, HOUR_MS

NOON = 1_700_049_600_000
SYMBOLS = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]


@pytest.fixture
def clock():
    class Clock:
        ms = NOON + 600_000

    with seams.replaced(now_ns=lambda: Clock.ms * 1_000_000):
        yield Clock


@pytest.fixture
def store(tmp_path):
    return CandleStore(tmp_path)


@pytest.fixture
def source(clock):
    return Scripted()


def stored(store, symbol="BTC/USDT", timeframe="1h", exchange="venue"):
    candles = store.read(exchange, symbol, timeframe)
    return list(zip(*(getattr(candles, name).tolist() for name in COLUMNS), strict=True))


def hours_before_noon(n):
    return [NOON - k * HOUR_MS for k in range(n, 0, -1)]


async def test_an_empty_store_gets_the_last_bars_of_every_series(store, source):
    filled = await fill(source, store, SYMBOLS, ["1h", "4h", "1d"], bars=30)
    assert filled.failed == {}
    for symbol in SYMBOLS:
        assert stored(store, symbol) == [true_row("1h", ts) for ts in hours_before_noon(30)]
        assert filled.last[symbol, "1h"] == NOON - HOUR_MS
        assert len(stored(store, symbol, "4h")) == len(stored(store, symbol, "1d")) == 30
    assert len(source.asked) == 9


async def test_the_finest_timeframe_of_all_symbols_comes_first(store, source):
    await fill(source, store, SYMBOLS, ["1d", "1h"], bars=3)
    assert [(symbol, frame) for symbol, frame, _, _ in source.asked] == [
        *((symbol, "1h") for symbol in SYMBOLS), *((symbol, "1d") for symbol in SYMBOLS),
    ]  # fmt: skip


async def test_progress_counts_each_series_once_it_is_durable(store, source):
    seen = []

    def progress(done, total):
        seen.append((done, total, sum(market.bars for market in store.markets())))

    await fill(source, store, SYMBOLS, ["1h"], bars=10, progress=progress)
    assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert all(bars >= 10 * done for done, _, bars in seen)


async def test_a_second_fill_asks_for_nothing(store, source):
    await fill(source, store, SYMBOLS, ["1h", "1d"], bars=30)
    source.asked.clear()
    filled = await fill(source, store, SYMBOLS, ["1h", "1d"], bars=30)
    assert source.asked == []
    assert filled.last["ETH/USDT", "1h"] == NOON - HOUR_MS


async def test_only_what_is_newer_than_the_newest_stored_bar_is_asked_for(store, source, clock):
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=30)
    source.asked.clear()
    clock.ms += 5 * HOUR_MS
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=30)
    assert source.asked == [("BTC/USDT", "1h", NOON + 5 * HOUR_MS, 5)]
    assert [row[0] for row in stored(store)] == [
        *hours_before_noon(30),
        *range(NOON, NOON + 5 * HOUR_MS, HOUR_MS),
    ]


async def test_the_unfinished_bar_is_never_stored(store, source, clock):
    for _ in range(30):
        clock.ms += 7 * 60_000
        await fill(source, store, ["BTC/USDT"], ["1h"], bars=3)
        assert stored(store)[-1][0] + HOUR_MS <= clock.ms


async def test_a_hole_of_the_venue_stays_a_hole(store, source):
    source.holes = {NOON - 5 * HOUR_MS, NOON - 4 * HOUR_MS}
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=10)
    expected = [ts for ts in hours_before_noon(10) if ts not in source.holes]
    assert stored(store) == [true_row("1h", ts) for ts in expected]


async def test_a_hole_is_asked_for_again_after_everything_newer_and_filled_if_the_venue_has_it(
    store, source, clock
):
    source.holes = {NOON - 5 * HOUR_MS}
    await fill(source, store, SYMBOLS, ["1h"], bars=10)
    source.holes.clear()
    source.asked.clear()
    clock.ms += HOUR_MS
    await fill(source, store, SYMBOLS, ["1h"], bars=10)
    assert [bars for _, _, _, bars in source.asked] == [1] * 6
    assert {end for _, _, end, _ in source.asked[:3]} == {NOON + HOUR_MS}
    assert {end for _, _, end, _ in source.asked[3:]} == {NOON - 4 * HOUR_MS}
    assert [row[0] for row in stored(store)] == [*hours_before_noon(10), NOON]


async def test_a_gap_between_an_older_download_and_the_live_fill_is_closed_by_the_next_longer_fill(
    store, source, clock
):
    # `up` asks for the last 1,000 bars; what lies before them the daily job asks for, as far as 10,000 bars.
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=10)
    clock.ms += 50 * HOUR_MS
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=10)
    assert len(stored(store)) == 20
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=100)
    assert {row[0] for row in stored(store)} >= set(range(NOON - 10 * HOUR_MS, clock.ms - HOUR_MS, HOUR_MS))


async def test_older_bars_that_are_missing_are_filled_too(store, source):
    part = await source.history("BTC/USDT", "1h", bars=4)
    store.write("venue", part)
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=12)
    assert [row[0] for row in stored(store)] == hours_before_noon(12)


async def test_bars_the_venue_gives_from_outside_the_range_are_not_taken(store, source):
    store.write("venue", await source.history("BTC/USDT", "1h", end_ms=NOON - 2 * HOUR_MS, bars=1))
    whole = await source.history("BTC/USDT", "1h", bars=9)

    async def too_much(symbol, timeframe, *, end_ms=None, bars):
        return whole

    source.history = too_much
    added = []
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=4, added=added.append)
    assert sorted(ts for candles in added for ts in candles.ts.tolist()) == [
        NOON - 4 * HOUR_MS, NOON - 2 * HOUR_MS, NOON - HOUR_MS,
    ]  # fmt: skip


async def test_one_market_that_is_gone_stops_no_other(store, source):
    source.errors["ETH/USDT"] = InputError("The venue has no market ETHUSDT.")
    filled = await fill(source, store, SYMBOLS, ["1h"], bars=5)
    assert filled.failed == {("ETH/USDT", "1h"): "The venue has no market ETHUSDT."}
    assert len(stored(store, "BTC/USDT")) == len(stored(store, "SOL/USDT")) == 5


async def test_one_market_that_fails_stops_no_other(store, source):
    source.errors["BTC/USDT"] = SourceError("The venue sent nonsense.")
    filled = await fill(source, store, SYMBOLS, ["1h"], bars=5)
    assert list(filled.failed) == [("BTC/USDT", "1h")]
    assert len(stored(store, "SOL/USDT")) == 5


async def test_markets_that_fail_stop_no_other_however_many_while_the_venue_answers(store, source):
    source.errors = {f"BAD{i}/USDT": SourceError("The venue sent nonsense.") for i in range(6)}
    for _ in range(2):  # the second time nothing is asked for but what fails
        filled = await fill(source, store, [*source.errors, *SYMBOLS], ["1h"], bars=5)
        assert {symbol for symbol, _ in filled.failed} == set(source.errors)
        assert len(stored(store, "SOL/USDT")) == 5


async def test_a_venue_that_does_not_answer_is_left_alone(store, source):
    source.errors = {symbol: SourceError("The venue is ill.") for symbol in LARGE_PAIRS}
    source.pinged = SourceError("Nobody is there.")
    with pytest.raises(SourceError, match="ill"):
        await fill(source, store, LARGE_PAIRS, ["1h"], bars=5)
    assert len(source.asked) <= 6


async def test_a_venue_that_tells_nothing_but_the_time_is_left_alone(store, source):
    source.errors = {f"M{i}/USDT": SourceError("The venue is ill.") for i in range(40)}
    with pytest.raises(SourceError, match="ill"):
        await fill(source, store, list(source.errors), ["1h"], bars=5)
    assert len(source.asked) <= 16


async def test_a_refusal_for_good_ends_it_and_keeps_what_came_before(store, source):
    source.errors["LTC/USDT"] = SourceError("Not served.", permanent=True)
    symbols = [*SYMBOLS, "LTC/USDT", *(f"{name}/USDT" for name in "ABCDE")]
    with pytest.raises(SourceError, match="Not served"):
        await fill(source, store, symbols, ["1h", "4h", "1d"], bars=5)
    assert len(stored(store, "BTC/USDT")) == 5
    assert len(source.asked) < 24


async def test_a_bar_that_contradicts_the_store_is_told_and_the_stored_one_stays(store, source):
    wrong = Candles([NOON - 3 * HOUR_MS], [1.0], [2.0], [0.5], [1.5], [1.0], "BTC/USDT", "1h")
    store.write("venue", wrong)
    whole = await source.history("BTC/USDT", "1h", bars=9)

    class Contradicting:
        ts = whole.ts

        def __len__(self):
            return len(whole)

        def between(self, start, end):
            return whole

    async def history(symbol, timeframe, *, end_ms=None, bars):
        return Contradicting()

    source.history = history
    filled = await fill(source, store, ["BTC/USDT"], ["1h"], bars=9)
    assert "BTC/USDT" in filled.failed["BTC/USDT", "1h"]
    assert stored(store) == [(NOON - 3 * HOUR_MS, 1.0, 2.0, 0.5, 1.5, 1.0)]


async def test_a_store_that_cannot_be_written_ends_it(store, source, monkeypatch):
    def full(*_, **__):
        raise WorkspaceError("The disk is full.")

    monkeypatch.setattr(CandleStore, "write", full)
    with pytest.raises(WorkspaceError, match="full"):
        await fill(source, store, SYMBOLS, ["1h"], bars=5)


async def test_a_write_that_has_begun_is_finished_before_a_cancellation_goes_on(store, source, monkeypatch):
    begun, let_go = threading.Event(), threading.Event()
    write = CandleStore.write

    def slow(self, exchange, *candles, **told):
        begun.set()
        let_go.wait(5)
        return write(self, exchange, *candles, **told)

    monkeypatch.setattr(CandleStore, "write", slow)
    work = asyncio.create_task(keep(store, "venue", await source.history("BTC/USDT", "1h", bars=5)))
    await asyncio.to_thread(begun.wait, 5)
    work.cancel()
    await asyncio.wait([work], timeout=0.05)
    assert not work.done()
    let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert len(stored(store)) == 5


async def test_the_practice_market_fills_the_store_and_is_the_same_a_month_later(store, clock):
    await fill(Practice(), store, LARGE_PAIRS[:2], ["1h", "4h"], bars=100)
    clock.ms += 30 * DAY_MS
    await fill(Practice(), store, LARGE_PAIRS[:2], ["1h", "4h"], bars=820)
    hourly = store.read("practice", "BTC/USDT", "1h")
    assert len(hourly) == 820
    assert hourly.digest == (await Practice().history("BTC/USDT", "1h", bars=820)).digest


async def test_practice_bars_that_an_older_version_drew_otherwise_are_replaced(store, clock):
    old = Candles([NOON - 9 * HOUR_MS], [1.0], [1.0], [1.0], [1.0], [1.0], "BTC/USDT", "1h")
    store.write("practice", old)
    filled = await fill(Practice(), store, ["BTC/USDT"], ["1h"], bars=20)
    assert filled.failed == {}
    assert (
        store.read("practice", "BTC/USDT", "1h").digest
        == (await Practice().history("BTC/USDT", "1h", bars=20)).digest
    )


async def test_the_sync_log_tells_of_every_series_how_its_sync_ended(store, source):
    source.errors["ETH/USDT"] = SourceError("The venue sent nonsense.")
    await fill(source, store, SYMBOLS, ["1h"], bars=5)
    told = {entry.symbol: (entry.status, entry.reason, entry.bars) for entry in store.sync_log.entries()}
    assert told == {
        "BTC/USDT": ("COMPLETED", None, 5),
        "ETH/USDT": ("FAILED", "The venue sent nonsense.", 0),
        "SOL/USDT": ("COMPLETED", None, 5),
    }


async def test_bars_know_their_venue_and_when_they_were_fetched(store, source, clock):
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=5)
    (revision,) = store.revisions("venue", "BTC/USDT", "1h")
    assert (revision.source, revision.fetched_at_ms, revision.bars) == ("venue", clock.ms, 5)


async def test_one_short_page_makes_no_hole(store, source, monkeypatch):
    # Asked for what lies before its bars, the venue once gives only the older half of them.
    store.write("venue", await source.history("BTC/USDT", "1h", bars=4))
    history, given = source.history, []

    async def short_once(symbol, timeframe, *, end_ms=None, bars):
        page = await history(symbol, timeframe, end_ms=end_ms, bars=bars)
        given.append(bars)
        return page[: len(page) // 2] if len(given) == 1 else page

    monkeypatch.setattr(source, "history", short_once)
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=12)
    assert [row[0] for row in stored(store)] == hours_before_noon(12)
    assert given == [8, 4]
    assert store.absences.of("venue", "BTC/USDT", "1h") == []


async def test_a_hole_asked_for_anew_in_vain_is_recorded_once_a_day(store, source, clock):
    source.holes = {NOON - 5 * HOUR_MS, NOON - 4 * HOUR_MS}
    for _ in range(3):
        await fill(source, store, ["BTC/USDT"], ["1h"], bars=10)
    assert [one[:3] for one in store.absences.of("venue", "BTC/USDT", "1h")] == [
        (NOON - 5 * HOUR_MS, NOON - 3 * HOUR_MS, "venue")
    ]
    clock.ms += DAY_MS
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=40)
    assert len(store.absences.of("venue", "BTC/USDT", "1h")) == 2


async def test_a_hole_asked_for_in_vain_is_left_alone_for_a_day(store, source, clock):
    # A stream that breaks off every minute would otherwise spend the budget on the venue's old outages.
    source.holes = {NOON - 5 * HOUR_MS}
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=10)
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=10)
    source.asked.clear()
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=10)
    assert source.asked == []
    source.holes.clear()
    clock.ms += DAY_MS
    await fill(source, store, ["BTC/USDT"], ["1h"], bars=40)
    assert NOON - 5 * HOUR_MS in [row[0] for row in stored(store)]
