"""History by pages from a stand-in: all of it, once, with its holes, whatever else the venue answers."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from binance_standin import standing_in, true_row
from scripted_source import Scripted as Told

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.download import download
from cryptai.market.quality_report import Hole, quality_report
from cryptai.market.repair import repair
from cryptai.market.second import open_second
from cryptai.market.sources.binance import Binance
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import DAY_MS, HOUR_MS, MINUTE_MS

NOON = 1_700_049_600_000
SINCE = NOON - 200 * DAY_MS


@pytest.fixture
def clock():
    class Clock:
        ms = NOON + 30_000
        s = 0.0

    with seams.replaced(now_ns=lambda: Clock.ms * 1_000_000):
        yield Clock


@pytest.fixture
async def venue(monkeypatch, clock):
    async with standing_in(monkeypatch, clock.ms) as exchange:
        yield exchange


@pytest.fixture
def store(tmp_path):
    return CandleStore(tmp_path / "candles")


async def get(store, *symbols, timeframes=("1h",), since=SINCE, until=None, second=None, progress=None):
    source = Binance(rest=lambda _: asyncio.sleep(0))
    try:
        return await download(
            source, store, symbols or ["BTC/USDT"], timeframes,
            since_ms=since, until_ms=until, second=second, progress=progress,
        )  # fmt: skip
    finally:
        await source.aclose()


async def mend(store, series=None, second=None):
    source = Binance(rest=lambda _: asyncio.sleep(0))
    try:
        return await repair(source, store, series, second=second)
    finally:
        await source.aclose()


def klines(venue):
    return [query for path, query in venue.asked if path.endswith("klines")]


def stored(store, symbol="BTC/USDT", timeframe="1h"):
    candles = store.read("binance", symbol, timeframe)
    return list(zip(*(getattr(candles, name).tolist() for name in COLUMNS), strict=True))


def truth(timeframe, start, end, step, holes=()):
    return [true_row(timeframe, ts) for ts in range(start, end, step) if ts not in holes]


async def test_all_bars_from_since_to_the_last_closed_one_are_stored_to_the_bit(venue, store):
    done = await get(store, "BTC/USDT", "ETH/USDT", timeframes=["1h", "1d"])
    assert [(one.symbol, one.timeframe, one.added, one.failed) for one in done] == [
        ("BTC/USDT", "1h", 4800, None), ("BTC/USDT", "1d", 199, None),
        ("ETH/USDT", "1h", 4800, None), ("ETH/USDT", "1d", 199, None),
    ]  # fmt: skip
    assert stored(store, "ETH/USDT") == truth("1h", SINCE, NOON, HOUR_MS)
    assert {entry.status for entry in store.sync_log.entries()} == {"COMPLETED"}
    assert sum(entry.bars for entry in store.sync_log.entries()) == 2 * 4999


async def test_a_second_run_asks_only_for_what_is_new(venue, store, clock):
    await get(store)
    venue.asked.clear()
    await get(store)
    assert klines(venue) == []
    clock.ms += 3 * HOUR_MS
    venue.now_ms = clock.ms
    (one,) = await get(store)
    assert one.added == 3
    assert max(int(query["limit"]) for query in klines(venue)) <= 4
    assert stored(store)[-1][0] == NOON + 2 * HOUR_MS


async def test_until_ends_the_range_and_an_earlier_since_brings_what_precedes(venue, store):
    await get(store, since=NOON - 20 * DAY_MS, until=NOON - 10 * DAY_MS + 1)
    assert stored(store) == truth("1h", NOON - 20 * DAY_MS, NOON - 10 * DAY_MS + 1, HOUR_MS)
    await get(store, since=NOON - 30 * DAY_MS)
    assert stored(store) == truth("1h", NOON - 30 * DAY_MS, NOON, HOUR_MS)


async def test_holes_of_the_venue_are_recorded_and_not_asked_for_again(venue, store):
    gap = {NOON - k * HOUR_MS for k in (900, 899, 898, 100)} | {NOON - k * HOUR_MS for k in range(3000, 4200)}
    venue.holes = gap
    await get(store)
    assert stored(store) == truth("1h", SINCE, NOON, HOUR_MS, gap)
    report = quality_report(store, "binance", "BTC/USDT", "1h")
    assert report.holes == (
        Hole(NOON - 4199 * HOUR_MS, 1200, "the venue has none"),
        Hole(NOON - 900 * HOUR_MS, 3, "the venue has none"),
        Hole(NOON - 100 * HOUR_MS, 1, "the venue has none"),
    )
    assert (report.gaps, report.missing, report.unfetched) == (3, 1204, 0)
    venue.asked.clear()
    await get(store)
    assert klines(venue) == []


async def test_what_is_not_given_at_first_is_asked_for_once_more(venue, store, monkeypatch):
    gap = {NOON - 900 * HOUR_MS}
    venue.holes = set(gap)
    klines_of = type(venue).klines

    def forgetful(self, query):
        if NOON - 1000 * HOUR_MS < int(query["endTime"]) < NOON - 800 * HOUR_MS:
            self.holes.clear()
        return klines_of(self, query)

    monkeypatch.setattr(type(venue), "klines", forgetful)
    await get(store)
    assert stored(store)[-899][0] == NOON - 899 * HOUR_MS
    assert quality_report(store, "binance", "BTC/USDT", "1h").missing == 0


async def test_what_precedes_the_listing_costs_few_questions_and_is_no_hole(venue, store):
    venue.first_ms = NOON - 3 * DAY_MS
    (one,) = await get(store, timeframes=["1m"], since=NOON - 100 * DAY_MS)
    assert one.added == 3 * 1440
    assert len(klines(venue)) < 40
    assert quality_report(store, "binance", "BTC/USDT", "1m").missing == 0


async def test_the_newest_bars_that_the_venue_has_not_yet_are_no_hole(venue, store, clock):
    await get(store)
    clock.ms += 5 * HOUR_MS  # our clock is ahead
    await get(store)
    assert store.absences.of("binance", "BTC/USDT", "1h") == []


async def test_failures_that_pass_change_nothing(venue, store):
    venue.faults = [
        venue.answer(200, {"serverTime": venue.now_ms}),
        venue.answer(503, b"busy"),
        venue.answer(429, b"{}", Retry_After="0"),
        venue.answer(200, b"[[170004960"),
        venue.answer(500, b""),
        venue.answer(200, [[1, 2, 3]]),
    ]
    (one,) = await get(store)
    assert (one.added, one.failed) == (4800, None)
    assert stored(store) == truth("1h", SINCE, NOON, HOUR_MS)


async def test_an_unknown_market_is_refused_before_anything_is_stored(venue, store):
    with pytest.raises(InputError, match="NONE"):
        await get(store, "BTC/USDT", "NONE/USDT")
    assert store.markets() == []


async def test_a_venue_that_refuses_for_good_ends_it_with_its_reason_in_the_log(venue, store):
    await get(store, until=NOON - 100 * DAY_MS)
    venue.faults = [venue.answer(451, b"{}")] * 50
    with pytest.raises(SourceError, match="451"):
        await get(store)
    assert len(stored(store)) == 2400
    newest = store.sync_log.entries(limit=1)[0]
    assert newest.status == "FAILED"
    assert "451" in str(newest.reason)


async def test_progress_ends_at_the_whole(venue, store):
    seen = []
    await get(store, "BTC/USDT", "ETH/USDT", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (9600, 9600)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


async def test_a_cancelled_download_says_so_in_the_log_and_goes_on_later(venue, store):
    work = None

    def stop(done, _total):
        if done > 5_000:
            work.cancel()

    work = asyncio.ensure_future(get(store, timeframes=["1m"], since=NOON - 20 * DAY_MS, progress=stop))
    with pytest.raises(asyncio.CancelledError):
        await work
    (entry,) = store.sync_log.entries()
    assert (entry.status, entry.reason) == ("FAILED", "stopped before it was done")
    await get(store, timeframes=["1m"], since=NOON - 20 * DAY_MS)
    assert stored(store, timeframe="1m") == truth("1m", NOON - 20 * DAY_MS, NOON, MINUTE_MS)


async def test_repair_fills_the_holes_a_venue_has_mended_and_changes_no_bar(venue, store):
    venue.holes = {NOON - 900 * HOUR_MS, NOON - 100 * HOUR_MS}
    await get(store)
    before = stored(store)
    venue.holes = {NOON - 100 * HOUR_MS}
    (one,) = await mend(store)
    assert (one.added, one.absent) == (1, [(NOON - 100 * HOUR_MS, NOON - 99 * HOUR_MS)])
    assert set(before) < set(stored(store))
    assert stored(store) == truth("1h", SINCE, NOON, HOUR_MS, venue.holes)


async def test_repair_keeps_a_second_sources_candle_as_that_sources(venue, store):
    hole = NOON - 100 * HOUR_MS
    venue.holes = {hole, NOON - 50 * HOUR_MS}
    await get(store)

    class Other:
        name, title, practice = "other", "The other venue", False

        async def history(self, symbol, timeframe, *, end_ms=None, bars):
            candles = Candles([hole], [1.0], [2.0], [0.5], [1.5], [9.0], symbol, timeframe)
            return candles.between(None, end_ms)

    (one,) = await mend(store, second=Other())
    assert one.added == 1
    (revision,) = [r for r in store.revisions("binance", "BTC/USDT", "1h") if r.source == "other"]
    assert (revision.first_ts, revision.bars) == (hole, 1)
    report = quality_report(store, "binance", "BTC/USDT", "1h")
    assert [(h.first_ts, h.cause) for h in report.holes] == [(NOON - 50 * HOUR_MS, "the venue has none")]
    sources = {absence.source for absence in store.absences.of("binance", "BTC/USDT", "1h")}
    assert sources == {"binance", "other"}


async def test_a_download_asks_the_second_source_for_what_the_venue_has_not(venue, store):
    hole = NOON - 100 * HOUR_MS
    venue.holes = {hole}
    (one,) = await get(store, second=Scripted({"BTC/USDT": [hole]}))
    assert one.absent == []
    assert store.markets("binance")[0].holes == 0
    (revision,) = store.revisions("binance", "BTC/USDT", "1h", ts=hole)
    assert revision.source == "other"


async def test_a_second_source_that_fails_leaves_the_hole_and_says_so(venue, store):
    venue.holes = {NOON - 100 * HOUR_MS}
    await get(store)
    (one,) = await mend(store, second=Scripted({}, failing=SourceError("It is away.")))
    assert one.failed == "The other venue as the second source: It is away."
    assert store.markets("binance")[0].holes == 1
    (one,) = await mend(store, second=Scripted({}, failing=InputError("It has no such market.")))
    assert (one.failed, one.absent) == (None, [(NOON - 100 * HOUR_MS, NOON - 99 * HOUR_MS)])
    assert {a.source for a in store.absences.of("binance", "BTC/USDT", "1h")} == {"binance"}, "not asked"


@pytest.mark.parametrize(
    ("setting", "named", "found"),
    [("", None, None), ("coinbase", None, "other"), ("binance", None, None), ("", "coinbase", "other")],
)
def test_a_second_source_is_asked_only_where_one_is_named(monkeypatch, setting, named, found):
    monkeypatch.setattr("cryptai.market.second.open_source", lambda _name: Scripted({}))
    monkeypatch.setenv("CRYPTAI_SECOND", setting)
    second = open_second("binance", named)
    assert (second and second.name) == found


def test_no_venue_is_its_own_second_nor_is_the_practice_market(monkeypatch):
    with pytest.raises(InputError, match="another source than binance"):
        open_second("binance", "binance")
    monkeypatch.setenv("CRYPTAI_SECOND", "practice")
    with pytest.raises(InputError, match="synthetic") as caught:
        open_second("binance")
    assert caught.value.field == "CRYPTAI_SECOND"


class Scripted:
    """A second source with a few bars of its own."""

    name, title, practice = "other", "The other venue", False

    def __init__(self, has, failing=None):
        self.has, self.failing = has, failing

    async def history(self, symbol, timeframe, *, end_ms=None, bars):
        if self.failing:
            raise self.failing
        ts = self.has.get(symbol, [])
        n = len(ts)
        columns = [[1.0] * n, [2.0] * n, [0.5] * n, [1.5] * n, [9.0] * n]
        return Candles(ts, *columns, symbol, timeframe).between(None, end_ms)


async def test_repair_of_what_is_not_stored_says_how_to_get_it(venue, store):
    with pytest.raises(InputError, match="cryptai data download"):
        await mend(store, [("BTC/USDT", "1h")])


async def test_bars_know_that_they_came_from_the_venue(venue, store, clock):
    await get(store)
    assert {revision.source for revision in store.revisions("binance", "BTC/USDT", "1h")} == {"binance"}
    assert np.all(np.diff(store.read("binance", "BTC/USDT", "1h").ts) == HOUR_MS)


async def test_one_empty_answer_about_its_newest_bar_leaves_no_series_out(store, venue):
    klines, empty = venue.klines, [True]

    def forgetful(query):
        return [] if empty and empty.pop() else klines(query)

    venue.klines = forgetful
    (one,) = await get(store)
    assert not empty
    assert one.added > 1_000


async def test_a_ban_is_told_once_and_waited_out(store, clock):
    source, told, waits = Told(), [], []
    banned = SourceError("The venue asked for a pause.", answered=True, pause_s=120.0)
    source.errors = {"BTC/USDT": banned, "ETH/USDT": banned}

    async def rest(seconds):
        waits.append(seconds)
        source.errors.clear()
        await asyncio.sleep(0)

    done = await download(
        source, store, ["BTC/USDT", "ETH/USDT"], ["1h"], since_ms=NOON - 30 * HOUR_MS,
        paused=told.append, rest=rest,
    )  # fmt: skip
    assert [(one.added, one.failed) for one in done] == [(30, None)] * 2
    assert told == [120.0]
    assert set(waits) == {121.0}


async def test_a_ban_of_days_and_bans_without_end_are_not_waited_out(store, clock):
    for pause_s, most in ((2 * 86_400.0, 0), (600.0, 6)):
        source, waits = Told(), []
        source.errors["BTC/USDT"] = SourceError("Banned.", answered=True, pause_s=pause_s)

        async def rest(seconds, waits=waits):
            waits.append(seconds)
            clock.s += seconds
            await asyncio.sleep(0)

        with seams.replaced(monotonic=lambda: clock.s):
            (one,) = await download(source, store, ["BTC/USDT"], ["1h"], since_ms=NOON - HOUR_MS, rest=rest)
        assert one.failed == "Banned."
        assert len(waits) <= most
