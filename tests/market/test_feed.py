"""The feed: connect, fill, follow, and what it promises about order, durability and honesty."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from binance_standin import standing_in, true_row
from scripted_source import Scripted, true_bar

from cryptai import seams
from cryptai.errors import InputError, SourceError, UnknownName, WorkspaceError
from cryptai.market import following, reaching
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.feed import Feed
from cryptai.market.source import LARGE_PAIRS, Price, open_source
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import HOUR_MS

NOON = 1_700_049_600_000
NOW = NOON + 600_000


class World:
    """A clock to set, a store, and everything a feed publishes."""

    def __init__(self, folder):
        self.ms = NOW
        self.seconds = 0.0
        self.store = CandleStore(folder)
        self.events = []
        self.changed = asyncio.Event()
        self.waits = []
        self.durable = []

    def publish(self, event):
        if event["type"] == "candle" and event["closed"]:
            ts = event["bar"][0]
            kept = self.store.read(event["exchange"], event["symbol"], event["timeframe"], start_ms=ts)
            self.durable.append([getattr(kept, name)[0].item() for name in COLUMNS] == event["bar"])
        self.events.append(event)
        self.changed.set()

    async def rest(self, seconds):
        self.waits.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    async def until(self, true):
        async with asyncio.timeout(10):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    async def state(self, name, times=1):
        await self.until(lambda: self.states().count(name) >= times)

    def states(self):
        told = [event["state"] for event in self.events if event["type"] == "state"]
        return [state for i, state in enumerate(told) if i == 0 or state != told[i - 1]]

    def candles(self, **wanted):
        return [
            event for event in self.events
            if event["type"] == "candle" and all(event[key] == value for key, value in wanted.items())
        ]  # fmt: skip

    def closes(self, **wanted):
        return [event["bar"][0] for event in self.candles(closed=True, **wanted)]

    def stored(self, symbol="BTC/USDT", timeframe="1h", exchange="venue"):
        return self.store.read(exchange, symbol, timeframe).ts.tolist()

    @asynccontextmanager
    async def following(self, source=None, **options):
        """Run a feed of this source (and the practice market) while the block runs."""
        options = {"symbols": ["BTC/USDT"], "timeframes": ["1h"], "bars": 10, "exchange": "venue"} | options
        feed = Feed(
            self.store, self.publish,
            find=lambda name: source if source and name == source.name else open_source(name),
            rest=self.rest, **options,
        )  # fmt: skip
        task = asyncio.create_task(feed.run())
        try:
            yield feed
        finally:
            feed.stop()
            await asyncio.wait_for(task, 10)


@pytest.fixture
async def world(tmp_path, monkeypatch):
    world = World(tmp_path)
    monkeypatch.setattr(following, "_GATHER_S", 0.0)
    with seams.replaced(now_ns=lambda: world.ms * 1_000_000, monotonic=lambda: world.seconds):
        yield world


@pytest.fixture
def source(world):
    return Scripted()


# Connecting


async def test_it_connects_fills_and_goes_live(world, source):
    async with world.following(source, timeframes=["1h", "4h"]) as feed:
        assert feed.status.state == "connecting"
        await world.state("live")
        assert feed.status.exchange == "venue"
        assert not feed.status.practice
        assert (feed.status.done, feed.status.total) == (2, 2)
        assert len(world.stored()) == len(world.stored(timeframe="4h")) == 10
    assert world.states() == ["connecting", "backfilling", "live", "stopped"]
    assert source.closed


async def test_each_change_of_state_is_published_as_the_whole_status(world, source):
    async with world.following(source) as feed:
        await world.state("live")
        assert world.events[-1] == feed.status.as_event() | {"type": "state"}
        assert set(world.events[-1]) == {
            "type", "exchange", "practice", "state", "message", "done", "total", "since_ms",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("why", "permanent"),
    [
        ("Binance can't be reached from here (connection refused)", False),
        ("Binance does not serve this address (HTTP 451)", True),
    ],
)
async def test_a_venue_that_cannot_be_reached_is_replaced_by_the_practice_market(
    world, source, why, permanent
):
    source.pinged = SourceError(f"{why}.", permanent=permanent)
    async with world.following(source) as feed:
        await world.state("live")
        assert feed.status.exchange == "practice"
        assert feed.status.practice
        assert feed.status.message == f"{why}; this is the practice market, with synthetic prices."
        await world.until(world.candles)
    assert source.closed
    assert source.asked == []
    assert world.store.exchanges() == ["practice"]
    told = [event for event in world.events if event["type"] != "state"]
    assert {event["exchange"] for event in told} == {"practice"}
    assert {event["type"] for event in told} == {"price", "candle"}


@pytest.mark.parametrize(
    "failures",
    [
        [SourceError("Binance can't be reached from here (no answer in time).")] * 2,
        [SourceError("Binance has trouble of its own (HTTP 503).", answered=True)] * 8,
        [
            SourceError("Binance can't be reached from here (connection reset)."),
            SourceError("Binance asks for a pause of 3 s (HTTP 429).", answered=True),
        ]
        * 3,
    ],
)
async def test_a_fault_that_passes_at_the_start_does_not_lead_to_the_practice_market(world, source, failures):
    left = list(failures)

    async def ping():
        if left:
            raise left.pop()

    source.ping = ping
    async with world.following(source) as feed:
        await world.state("live")
        assert feed.status.exchange == "venue"
    assert feed_never_turned_to_practice(world)
    assert left == []
    assert len(world.waits) == len(failures)


async def test_the_venue_is_followed_as_soon_as_it_can_be_reached(world, source, monkeypatch):
    monkeypatch.setattr(reaching, "_LOOK_S", 0.01)
    source.pinged = SourceError("Binance can't be reached from here (connection refused).")
    async with world.following(source) as feed:
        await world.state("live")
        assert feed.status.practice
        source.pinged = None
        await world.until(lambda: (feed.status.exchange, feed.status.state) == ("venue", "live"))
        assert not feed.status.practice
        assert feed.status.message == "Following The venue."
        assert world.stored() == [NOON - k * HOUR_MS for k in range(10, 0, -1)]
    assert world.states()[:2] == ["connecting", "backfilling"]


async def test_in_place_of_markets_that_the_practice_market_lacks_it_shows_those_it_has(world, source):
    source.pinged = SourceError("Binance can't be reached from here (connection refused).")
    async with world.following(source, symbols=["PEPE/USDT", "WIF/USDT"]) as feed:
        await world.state("live")
        assert feed.status.practice
        assert len(world.store.markets("practice")) == 12


async def test_a_refusal_for_good_is_not_asked_about_again(world, source, monkeypatch):
    monkeypatch.setattr(reaching, "_LOOK_S", 0.01)
    source.errors["BTC/USDT"] = SourceError("Not served (HTTP 451).", permanent=True)
    async with world.following(source) as feed:
        await world.state("live")
        await asyncio.sleep(0.1)
        assert feed.status.practice
    assert world.states().count("live") == 1


async def test_a_refusal_for_good_after_the_ping_leads_to_the_practice_market_too(world, source):
    source.errors["BTC/USDT"] = SourceError("Not served (HTTP 451).", permanent=True)
    async with world.following(source) as feed:
        await world.state("live")
        assert feed.status.practice
        assert feed.status.message.startswith("Not served (HTTP 451); this is the practice market")


async def test_the_practice_market_asked_for_by_name_tries_no_network(world, monkeypatch):
    asked = []
    monkeypatch.setattr("socket.socket.connect", lambda *args: asked.append(args))
    async with world.following(
        exchange="practice", symbols=LARGE_PAIRS, timeframes=["1h", "4h", "1d"]
    ) as feed:
        assert feed.status.practice
        await world.state("live")
        assert feed.status.message == "This is the practice market, with synthetic prices."
        await world.until(lambda: len({e["symbol"] for e in world.events if e["type"] == "price"}) == 12)
    assert asked == []
    assert len(world.store.markets("practice")) == 36


async def test_an_exchange_that_does_not_exist_is_answered_with_the_near_name(world):
    feed = Feed(world.store, world.publish, exchange="binanse")
    with pytest.raises(UnknownName, match="binance"):
        await feed.run()
    assert feed.status.state == "stopped"


# Following


async def test_prices_and_unfinished_bars_are_published(world, source):
    async with world.following(source):
        await world.state("live")
        source.say(Price("BTC/USDT", 101.5, NOW, 0.02), true_bar("BTC/USDT", "1h", NOON, closed=False))
        await world.until(world.candles)
    assert [event for event in world.events if event["type"] != "state"] == [
        {"type": "price", "exchange": "venue", "symbol": "BTC/USDT", "price": 101.5, "ts": NOW,
         "change_24h": 0.02},
        {"type": "candle", "exchange": "venue", "symbol": "BTC/USDT", "timeframe": "1h",
         "bar": list(true_row("1h", NOON)), "closed": False},
    ]  # fmt: skip
    assert NOON not in world.stored()


async def test_a_close_is_durable_before_it_is_published(world, source):
    async with world.following(source, symbols=["BTC/USDT", "ETH/USDT"]):
        await world.state("live")
        source.say(true_bar("BTC/USDT", "1h", NOON), true_bar("ETH/USDT", "1h", NOON))
        await world.until(lambda: len(world.closes()) == 2)
    assert world.durable == [True, True]


async def test_the_closes_of_one_instant_are_one_transaction(world, source, monkeypatch):
    writes = []
    write = CandleStore.write

    def counted(self, exchange, *candles, **told):
        writes.append(len(candles))
        return write(self, exchange, *candles, **told)

    async with world.following(source, symbols=LARGE_PAIRS, timeframes=["1h", "4h"]):
        await world.state("live")
        monkeypatch.setattr(CandleStore, "write", counted)
        source.say(*(true_bar(symbol, "1h", NOON) for symbol in LARGE_PAIRS))
        source.say(*(true_bar(symbol, "4h", NOON) for symbol in LARGE_PAIRS))
        await world.until(lambda: len(world.closes()) == 24)
    assert writes == [24]


async def test_a_close_that_is_said_twice_is_published_once(world, source):
    async with world.following(source):
        await world.state("live")
        source.say(true_bar("BTC/USDT", "1h", NOON), true_bar("BTC/USDT", "1h", NOON))
        source.say(true_bar("BTC/USDT", "1h", NOON - 2 * HOUR_MS), true_bar("BTC/USDT", "1h", NOON))
        source.say(true_bar("BTC/USDT", "1h", NOON + HOUR_MS))
        await world.until(lambda: NOON + HOUR_MS in world.closes())
    assert world.closes() == [NOON, NOON + HOUR_MS]


async def test_what_is_missing_before_a_close_is_filled_and_published_first(world, source):
    async with world.following(source):
        await world.state("live")
        world.ms += 4 * HOUR_MS
        source.say(true_bar("BTC/USDT", "1h", NOON + 3 * HOUR_MS))
        await world.until(lambda: len(world.closes()) == 4)
    assert world.closes() == [NOON + k * HOUR_MS for k in range(4)]
    assert all(world.durable)


async def test_a_hole_of_the_venue_is_asked_for_once_and_stays(world, source):
    async with world.following(source):
        await world.state("live")
        source.holes = {NOON + HOUR_MS}
        source.asked.clear()
        world.ms += 4 * HOUR_MS
        source.say(true_bar("BTC/USDT", "1h", NOON), true_bar("BTC/USDT", "1h", NOON + 2 * HOUR_MS))
        source.say(true_bar("BTC/USDT", "1h", NOON + 3 * HOUR_MS))
        await world.until(lambda: len(world.closes()) == 3)
    assert NOON + HOUR_MS not in world.stored()
    assert source.asked == [("BTC/USDT", "1h", NOON + 2 * HOUR_MS, 1)]


async def test_an_unfinished_bar_waits_for_the_close_before_it(world, source):
    async with world.following(source):
        await world.state("live")
        source.say(true_bar("BTC/USDT", "1h", NOON + HOUR_MS, closed=False), Price("BTC/USDT", 1.0, NOW))
        await world.until(lambda: any(event["type"] == "price" for event in world.events))
        assert world.candles() == []
        source.say(true_bar("BTC/USDT", "1h", NOON))
        await world.until(world.closes)
        source.say(true_bar("BTC/USDT", "1h", NOON + HOUR_MS, closed=False))
        await world.until(lambda: len(world.candles()) == 2)
    assert [event["closed"] for event in world.candles()] == [True, False]


async def test_a_close_that_never_came_is_fetched_when_its_successor_is_seen(world, source):
    async with world.following(source):
        await world.state("live")
        world.ms += HOUR_MS
        growing = true_bar("BTC/USDT", "1h", NOON + HOUR_MS, closed=False)
        source.say(growing, Price("BTC/USDT", 1.0, NOW))
        await world.until(lambda: any(event["type"] == "price" for event in world.events))
        world.seconds += 4.0
        source.say(growing)
        await world.until(lambda: len(world.candles()) == 2)
    assert [(event["bar"][0], event["closed"]) for event in world.candles()] == [
        (NOON, True), (NOON + HOUR_MS, False),
    ]  # fmt: skip


async def test_a_series_that_could_not_be_filled_is_filled_before_its_first_close(world, source):
    source.errors["ETH/USDT"] = SourceError("Nonsense.")
    async with world.following(source, symbols=["BTC/USDT", "ETH/USDT"]):
        await world.state("live")
        source.errors.clear()
        world.ms += HOUR_MS
        source.say(true_bar("ETH/USDT", "1h", NOON))
        await world.until(lambda: NOON in world.closes(symbol="ETH/USDT"))
    assert world.stored("ETH/USDT") == [NOON + k * HOUR_MS for k in range(-10, 1)]


async def test_a_market_whose_history_makes_no_sense_stands_still_and_no_other(world, source):
    async with world.following(source, symbols=["BTC/USDT", "ETH/USDT"]):
        await world.state("live")
        source.errors["ETH/USDT"] = SourceError("Nonsense.")
        world.ms += 3 * HOUR_MS
        source.say(true_bar("ETH/USDT", "1h", NOON + HOUR_MS), true_bar("BTC/USDT", "1h", NOON))
        await world.until(lambda: NOON in world.closes(symbol="BTC/USDT"))
        assert world.closes(symbol="ETH/USDT") == []
        source.errors.clear()
        source.say(true_bar("ETH/USDT", "1h", NOON + 2 * HOUR_MS))
        await world.until(lambda: len(world.closes(symbol="ETH/USDT")) == 3)
    assert world.closes(symbol="ETH/USDT") == [NOON + k * HOUR_MS for k in range(3)]
    assert "stale" not in world.states()
    assert source.streams == 1


async def test_many_such_markets_stop_no_other_while_the_venue_answers(world, source):
    bad = [f"BAD{i}/USDT" for i in range(5)]
    async with world.following(source, symbols=[*bad, "BTC/USDT"]):
        await world.state("live")
        source.errors = {symbol: SourceError("Nonsense.") for symbol in bad}
        world.ms += 2 * HOUR_MS
        source.say(*(true_bar(symbol, "1h", NOON + HOUR_MS) for symbol in bad))
        source.say(true_bar("BTC/USDT", "1h", NOON))
        await world.until(lambda: NOON in world.closes(symbol="BTC/USDT"))
    assert "stale" not in world.states()
    assert source.streams == 1


async def test_a_close_that_contradicts_the_store_does_not_hold_up_the_others(world, source):
    wrong = Candles([NOON], [1.0], [2.0], [0.5], [1.5], [1.0], "BTC/USDT", "1h")
    async with world.following(source, symbols=["BTC/USDT", "ETH/USDT"]):
        await world.state("live")
        world.store.write("venue", wrong)
        source.say(true_bar("BTC/USDT", "1h", NOON), true_bar("ETH/USDT", "1h", NOON))
        await world.until(world.closes)
        source.say(true_bar("BTC/USDT", "1h", NOON + HOUR_MS))
        await world.until(lambda: NOON + HOUR_MS in world.closes())
    assert world.closes() == [NOON, NOON + HOUR_MS]
    assert world.store.read("venue", "BTC/USDT", "1h", start_ms=NOON).open[0] == 1.0


async def test_a_slow_reader_sees_the_newest_price_and_every_close(world, source, monkeypatch):
    begun, let_go = threading.Event(), threading.Event()
    write = CandleStore.write

    def slow(self, exchange, *candles, **told):
        begun.set()
        let_go.wait(5)
        return write(self, exchange, *candles, **told)

    async with world.following(source):
        await world.state("live")
        monkeypatch.setattr(CandleStore, "write", slow)
        source.say(true_bar("BTC/USDT", "1h", NOON))
        await asyncio.to_thread(begun.wait, 5)
        for k in range(1, 30):
            source.say(Price("BTC/USDT", float(k), NOW + k), true_bar("BTC/USDT", "1h", NOON + k * HOUR_MS))
        await source.heard.wait()
        let_go.set()
        await world.until(lambda: len(world.closes()) == 30)
    assert world.closes() == [NOON + k * HOUR_MS for k in range(30)]
    assert [event["price"] for event in world.events if event["type"] == "price"] == [29.0]


# Losing the venue


async def test_a_lost_connection_is_stale_then_back_with_what_was_missed_in_order(world, source):
    async with world.following(source) as feed:
        await world.state("live")
        source.say(SourceError("The stream broke off."))
        world.ms += 3 * HOUR_MS
        await world.state("live", times=2)
        assert feed.status.exchange == "venue"
        source.say(true_bar("BTC/USDT", "1h", NOON + 3 * HOUR_MS))
        await world.until(lambda: len(world.closes()) == 4)
    assert world.states() == ["connecting", "backfilling", "live", "stale", "backfilling", "live", "stopped"]
    assert world.closes() == [NOON + k * HOUR_MS for k in range(4)]
    assert all(world.durable)
    assert source.streams == 2
    stale = next(event for event in world.events if event.get("state") == "stale")
    assert stale["message"].startswith("The stream broke off; trying again in ")


async def test_a_close_that_comes_during_the_filling_is_published_after_what_was_missed(world, source):
    async with world.following(source):
        await world.state("live")
        source.say(SourceError("The stream broke off."))
        world.ms += 2 * HOUR_MS
        source.say(true_bar("BTC/USDT", "1h", NOON + 2 * HOUR_MS))
        await world.until(lambda: len(world.closes()) == 3)
    assert world.closes() == [NOON, NOON + HOUR_MS, NOON + 2 * HOUR_MS]


async def test_waits_between_tries_grow_while_the_venue_stays_away(world, source):
    async with world.following(source):
        await world.state("live")
        source.errors["BTC/USDT"] = SourceError("The venue is ill.")
        world.ms += HOUR_MS
        for _ in range(12):
            source.say(SourceError("The stream broke off."))
        await world.until(lambda: len(world.waits) >= 9)
        assert feed_never_turned_to_practice(world)
    assert all(wait <= 60 for wait in world.waits)
    assert world.waits[8] > 8 * world.waits[0]


def feed_never_turned_to_practice(world):
    return not any(event["practice"] for event in world.events if event["type"] == "state")


async def test_a_market_that_is_delisted_stops_itself_and_no_other(world, source):
    async with world.following(source, symbols=["BTC/USDT", "ETH/USDT"]):
        await world.state("live")
        source.errors["BTC/USDT"] = InputError("The venue has no market BTC/USDT.")
        world.ms += 3 * HOUR_MS
        # Two of its bars are missing, and nobody can be asked for them any more.
        source.say(true_bar("BTC/USDT", "1h", NOON + 2 * HOUR_MS))
        source.say(true_bar("ETH/USDT", "1h", NOON + 2 * HOUR_MS))
        await world.until(lambda: len(world.closes(symbol="ETH/USDT")) == 3)
        await world.until(lambda: world.closes(symbol="BTC/USDT") == [NOON + 2 * HOUR_MS])
        assert source.streams == 1
    assert world.states() == ["connecting", "backfilling", "live", "stopped"]
    assert NOON + HOUR_MS not in world.stored("BTC/USDT")


async def test_a_refusal_for_good_after_it_was_live_stays_stale_and_never_turns_synthetic(world, source):
    async with world.following(source):
        await world.state("live")
        for _ in range(3):
            source.say(SourceError("Not served (HTTP 451).", permanent=True))
        await world.until(lambda: len(world.waits) >= 3)
    assert feed_never_turned_to_practice(world)
    assert world.store.exchanges() == ["venue"]


async def test_a_stream_that_never_opens_is_not_called_live_and_history_still_brings_the_closes(
    world, source
):
    for _ in range(4):
        source.say(SourceError("The stream can't be reached (connection refused)."))
    async with world.following(source):
        await world.state("backfilling", times=1)
        world.ms += HOUR_MS
        await world.until(lambda: world.closes() and len(world.waits) >= 4)
        assert "live" not in world.states()[: world.states().index("connecting", 1) + 1]
        assert world.closes() == [NOON]
        await world.state("live")


async def test_a_stream_that_is_refused_for_good_leads_to_the_practice_market(world, source):
    source.say(SourceError("Not served (HTTP 451).", permanent=True))
    async with world.following(source) as feed:
        await world.state("live")
        assert feed.status.practice


async def test_an_open_but_silent_connection_is_dead(world, source):
    async with world.following(source, silence_s=0.05):
        await world.state("stale")
        await world.until(lambda: source.streams >= 2)
    stale = next(event for event in world.events if event.get("state") == "stale")
    assert "The venue has sent nothing for 0.05 s" in stale["message"]


async def test_a_venue_that_halted_all_that_is_followed_is_halted_and_not_stale_until_something_comes(
    world, source
):
    halted, asked = True, []

    async def all_halted(of, symbols):
        asked.append((of.name, tuple(symbols)))
        return halted

    async with world.following(source, silence_s=0.05, halted=all_halted) as feed:
        await world.state("halted")
        await world.until(lambda: source.streams >= 3)
        assert feed.status.state == "halted"
        assert feed.status.message == "The venue has halted all that is followed; nothing is to come."
        source.say(true_bar("BTC/USDT", "1h", NOON))
        await world.until(lambda: world.closes() == [NOON])
        assert feed.status.state == "live"
        halted = False
        await world.state("stale", times=2)
    assert set(asked) == {("venue", ("BTC/USDT",))}
    told = world.states()
    at = told.index("halted")
    assert told[at - 1 : at + 3] == ["stale", "halted", "live", "stale"]


async def test_a_market_that_is_gone_does_not_stop_the_feed(world, source):
    source.errors["ETH/USDT"] = InputError("No such market.")
    async with world.following(source, symbols=["BTC/USDT", "ETH/USDT"]):
        await world.state("live")
        source.say(true_bar("BTC/USDT", "1h", NOON))
        await world.until(world.closes)
    assert world.closes() == [NOON]


# Ending


async def test_it_stops_when_told_to_whatever_it_is_doing(world, source):
    for moment in ("connecting", "backfilling", "live"):
        async with world.following(source) as feed:
            await world.until(lambda wanted=moment, feed=feed: feed.status.state in {wanted, "live"})
        assert feed.status.state == "stopped"
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_stopped_before_it_ran_it_does_not_run(world, source):
    feed = Feed(world.store, world.publish, exchange="venue", find=lambda _: source)
    feed.stop()
    await feed.run()
    assert source.streams == 0


async def test_cancelled_it_cleans_up_and_is_cancelled(world, source):
    feed = Feed(
        world.store, world.publish, exchange="venue", symbols=["BTC/USDT"], timeframes=["1h"], bars=5,
        find=lambda _: source,
    )  # fmt: skip
    task = asyncio.create_task(feed.run())
    await world.state("live")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed
    assert feed.status.state == "stopped"


async def test_a_store_that_cannot_keep_a_close_stops_the_feed_and_nothing_is_published(
    world, source, monkeypatch
):
    def full(*_, **__):
        raise WorkspaceError("The disk is full.")

    feed = Feed(
        world.store, world.publish, exchange="venue", symbols=["BTC/USDT"], timeframes=["1h"], bars=5,
        find=lambda _: source,
    )  # fmt: skip
    task = asyncio.create_task(feed.run())
    await world.state("live")
    monkeypatch.setattr(CandleStore, "write", full)
    source.say(true_bar("BTC/USDT", "1h", NOON))
    with pytest.raises(WorkspaceError, match="full"):
        await task
    assert world.closes() == []
    assert feed.status.state == "stopped"
    assert feed.status.message == "The feed stopped: The disk is full."


# With the Binance source and a stand-in


async def test_over_real_sockets_a_disconnect_loses_no_close(world, monkeypatch):
    async with standing_in(monkeypatch, NOW) as exchange:
        async with world.following(exchange="binance", timeframes=["1h", "4h"]) as feed:
            await world.state("live")
            await exchange.connected.wait()
            await exchange.send_bar("BTC/USDT", "1h", NOON, closed=False)
            await world.until(world.candles)
            exchange.now_ms = world.ms = NOON + HOUR_MS + 1_000
            await exchange.send_bar("BTC/USDT", "1h", NOON, closed=True)
            await world.until(lambda: world.closes() == [NOON])
            await exchange.disconnect()
            exchange.now_ms = world.ms = NOON + 6 * HOUR_MS + 1_000
            await world.state("live", times=2)
            await exchange.connected.wait()
            exchange.now_ms = world.ms = NOON + 7 * HOUR_MS
            await exchange.send_bar("BTC/USDT", "1h", NOON + 6 * HOUR_MS, closed=True)
            await world.until(lambda: NOON + 6 * HOUR_MS in world.closes(timeframe="1h"))
            assert not feed.status.practice
        assert world.closes(timeframe="1h") == [NOON + k * HOUR_MS for k in range(7)]
        assert world.closes(timeframe="4h") == [NOON]
        assert all(world.durable)
        kept = world.store.read("binance", "BTC/USDT", "1h")
        for i, ts in enumerate(kept.ts.tolist()):
            assert tuple(getattr(kept, name)[i].item() for name in COLUMNS) == true_row("1h", ts)


async def test_over_real_sockets_a_451_opens_the_practice_market(world, monkeypatch):
    async with standing_in(monkeypatch, NOW) as exchange:
        exchange.faults = [exchange.answer(451, {"msg": "restricted location"})]
        async with world.following(exchange="binance") as feed:
            await world.state("live")
            assert feed.status.message == (
                "Binance does not serve this address (HTTP 451); "
                "this is the practice market, with synthetic prices."
            )
        assert len(exchange.asked) == 1
