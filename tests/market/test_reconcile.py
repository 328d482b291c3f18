"""Reconciliation: what the venue says of a closed candle later is what the store holds."""

from __future__ import annotations

import pytest
from scripted_source import Scripted, true_row

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.candles import Candles
from cryptai.market.reconcile import Reconciler
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import HOUR_MS

NOON = 1_700_049_600_000


class World:
    def __init__(self, folder):
        self.ms = NOON + 60_000
        self.source = Scripted()
        self.store = CandleStore(folder)
        self.reconciler = Reconciler(self.source, self.store, ["BTC/USDT", "ETH/USDT"], ["1h"])

    def keep(self, *times, close=None, symbol="BTC/USDT"):
        rows = [true_row("1h", ts) for ts in times]
        ts, opens, high, low, closes, volume = zip(*rows, strict=True)
        closes = closes if close is None else [close] * len(rows)
        self.store.write("venue", Candles(ts, opens, high, low, closes, volume, symbol, "1h"))

    def close(self, ts):
        return self.store.read("venue", "BTC/USDT", "1h", start_ms=ts, end_ms=ts + 1).close.tolist()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    with seams.replaced(now_ns=lambda: world.ms * 1_000_000):
        yield world


async def test_a_candle_that_the_venue_corrected_is_replaced(world):
    last = NOON - HOUR_MS
    true = true_row("1h", last)[4]
    world.keep(last - HOUR_MS)
    world.keep(last, close=true + 0.25)
    await world.reconciler.compare()
    assert world.close(last) == [true]
    assert world.close(last - HOUR_MS) == [true_row("1h", last - HOUR_MS)[4]]


async def test_a_market_that_cannot_be_asked_does_not_keep_the_others_from_their_corrections(world):
    last = NOON - HOUR_MS
    world.keep(last, close=true_row("1h", last)[4] + 0.25)
    world.source.errors = {"ETH/USDT": SourceError("The venue sleeps.")}
    await world.reconciler.compare()
    assert world.close(last) == [true_row("1h", last)[4]]
    asked = len(world.source.asked)
    world.source.errors.clear()
    await world.reconciler.compare()
    assert [one[0] for one in world.source.asked[asked:]] == ["ETH/USDT"]


async def test_a_candle_that_nobody_brought_is_added(world):
    world.keep(NOON - 3 * HOUR_MS, NOON - HOUR_MS)
    await world.reconciler.compare()
    assert world.close(NOON - 2 * HOUR_MS) == [true_row("1h", NOON - 2 * HOUR_MS)[4]]


async def test_a_series_is_asked_for_once_at_each_of_its_closes(world):
    await world.reconciler.compare()
    await world.reconciler.compare()
    assert len(world.source.asked) == 2
    world.ms = NOON + HOUR_MS + 10_000  # too early: its last trades may still come in
    await world.reconciler.compare()
    assert len(world.source.asked) == 2
    world.ms = NOON + HOUR_MS + 30_000
    await world.reconciler.compare()
    assert [(symbol, bars) for symbol, _, _, bars in world.source.asked[2:]] == [
        ("BTC/USDT", 3), ("ETH/USDT", 3),
    ]  # fmt: skip


async def test_after_a_time_without_an_answer_that_time_is_compared_too(world):
    await world.reconciler.compare()
    world.source.errors = {"BTC/USDT": SourceError("The venue sleeps."), "ETH/USDT": InputError("Gone.")}
    world.ms += 5 * HOUR_MS
    await world.reconciler.compare()
    world.source.errors.clear()
    world.source.asked.clear()
    await world.reconciler.compare()
    assert [(symbol, bars) for symbol, _, _, bars in world.source.asked] == [("BTC/USDT", 7)]


async def test_what_the_venue_lacks_between_its_bars_is_recorded_once(world):
    world.source.holes = {NOON - 3 * HOUR_MS, NOON - 2 * HOUR_MS, NOON - 7 * HOUR_MS}
    await world.reconciler.compare()
    world.ms += 2 * HOUR_MS
    world.source.holes.add(NOON)
    await world.reconciler.compare()
    recorded = [one[:3] for one in world.store.absences.of("venue", "BTC/USDT", "1h")]
    assert recorded == [
        (NOON - 7 * HOUR_MS, NOON - 6 * HOUR_MS, "venue"), (NOON - 3 * HOUR_MS, NOON - HOUR_MS, "venue"),
        (NOON, NOON + HOUR_MS, "venue"),
    ]  # fmt: skip


async def test_what_may_only_be_late_is_recorded_as_no_hole(world):
    world.keep(NOON - 4 * HOUR_MS)
    world.source.holes = {NOON - 2 * HOUR_MS, NOON - HOUR_MS}  # its newest: nothing has come after them yet
    await world.reconciler.compare()
    assert world.store.absences.of("venue", "BTC/USDT", "1h") == []


async def test_a_market_that_was_refused_is_asked_for_as_soon_as_its_bars_go_on(world):
    kept = {("BTC/USDT", "1h"): true_row("1h", NOON - 2 * HOUR_MS)}
    reconciler = Reconciler(world.source, world.store, ["BTC/USDT"], ["1h"], kept)
    world.source.errors = {"BTC/USDT": InputError("Gone.")}
    await reconciler.compare()
    world.source.errors.clear()
    await reconciler.compare()
    assert len(world.source.asked) == 1
    kept["BTC/USDT", "1h"] = true_row("1h", NOON - HOUR_MS)
    world.source.errors = {"BTC/USDT": SourceError("The venue sleeps.")}
    await reconciler.compare()
    assert len(world.source.asked) == 2
    world.source.errors.clear()
    await reconciler.compare()
    assert len(world.source.asked) == 3
    world.ms += HOUR_MS  # and at its next close, like any other
    await reconciler.compare()
    assert len(world.source.asked) == 4


async def test_what_was_said_before_or_kept_from_the_stream_is_not_written_again(world, monkeypatch):
    row = true_row("1h", NOON)
    kept = {("BTC/USDT", "1h"): row}
    reconciler = Reconciler(world.source, world.store, ["BTC/USDT"], ["1h"], kept)
    await reconciler.compare()
    world.keep(NOON)
    written = []
    write = world.store.write
    monkeypatch.setattr(
        world.store, "write", lambda *args, **options: written.append(args) or write(*args, **options)
    )
    world.ms += HOUR_MS
    await reconciler.compare()
    assert written == []
    kept["BTC/USDT", "1h"] = (*row[:5], row[5] + 1.0)
    world.ms += HOUR_MS
    world.source.revised = {NOON: 0.25}
    await reconciler.compare()
    assert world.close(NOON) == [row[4] + 0.25]
    world.ms += HOUR_MS
    world.source.revised = {}
    await reconciler.compare()
    assert world.close(NOON) == [row[4]]
