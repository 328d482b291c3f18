"""Every other exchange through ccxt: against a stand-in on loopback that speaks as Kraken does."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from decimal import Decimal

import pytest

from cryptai import seams
from cryptai.cli.main import main
from cryptai.errors import InputError, SourceError, UnknownName
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.feed import Feed
from cryptai.market.source import Bar, Price, PriceSource, check_source, has_source, open_source
from cryptai.market.store import CandleStore
from cryptai.market.symbol_sync import SymbolSource
from cryptai.market.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, TIMEFRAMES, Timeframe
from cryptai.market.times import iso
from cryptai.workspace import workspace_root

pytest.importorskip("ccxt", reason='ccxt is not installed: pip install "cryptai[exchanges]"')

from binance_standin import true_row
from kraken_standin import standing_in

from cryptai.market.sources import other_exchanges
from cryptai.market.sources._ccxt_reading import read_bars, read_markets, read_price
from cryptai.market.sources.other_exchanges import OtherExchange

NOON = 1_700_000_000_000 // DAY_MS * DAY_MS + 12 * HOUR_MS
NOW = NOON + 600_000
HOUR = Timeframe("1h")


class Waits:
    """Waiting, told and not done: the clocks go on by it."""

    now = 0.0

    @classmethod
    async def rest(cls, seconds):
        cls.told.append(seconds)
        cls.now += max(seconds, 0.0)
        await asyncio.sleep(0.002)


@pytest.fixture
def clock():
    with seams.replaced(
        now_ns=lambda: NOW * 1_000_000 + int(Waits.now * 1e9), monotonic=lambda: 1000.0 + Waits.now
    ):
        Waits.now, Waits.told = 0.0, []
        yield Waits


@pytest.fixture
async def venue(monkeypatch, clock):
    async with standing_in(monkeypatch, NOW) as standing:
        yield standing


@pytest.fixture
async def kraken(venue):
    source = OtherExchange("kraken", rest=Waits.rest)
    yield source
    await source.aclose()


def rows(candles):
    names = ("ts", "open", "high", "low", "close", "volume")
    return list(zip(*(getattr(candles, name).tolist() for name in names), strict=True))


def truth(timeframe, start, end, holes=()):
    step = Timeframe(timeframe).ms
    return [true_row(timeframe, ts) for ts in range(start, end, step) if ts not in holes]


# Found by name


def test_any_exchange_of_ccxt_is_a_source_by_its_name_and_ours_stay_ours():
    assert has_source("kraken")
    assert has_source("binance")
    assert not has_source("krakken")
    check_source("okx")
    assert type(open_source("binance")).__name__ == "Binance"


def test_an_unknown_exchange_is_answered_with_the_near_ones():
    with pytest.raises(UnknownName, match="did you mean kraken") as caught:
        open_source("krakn")
    assert caught.value.field == "exchange"
    with pytest.raises(UnknownName, match="known are: binance"):
        open_source("???")


def test_names_are_known_without_importing_ccxt_and_the_lack_of_it_says_what_to_install(monkeypatch):
    code = "import sys; from cryptai.market.source import has_source; "
    code += "assert has_source('kraken'); assert 'ccxt' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    other_exchanges._names.cache_clear()
    monkeypatch.setattr(other_exchanges.importlib.util, "find_spec", lambda _name: None)
    try:
        assert not has_source("kraken")
        with pytest.raises(InputError, match=r'pip install "cryptai\[exchanges\]"'):
            open_source("kraken")
        with pytest.raises(UnknownName, match="did you mean binance"):
            open_source("binanse")
    finally:
        other_exchanges._names.cache_clear()


async def test_it_offers_what_our_own_sources_do(kraken):
    assert isinstance(kraken, PriceSource)
    assert isinstance(kraken, SymbolSource)
    assert (kraken.name, kraken.title, kraken.practice) == ("kraken", "Kraken", False)


# History


async def test_history_is_the_venues_to_the_bit_and_only_what_is_closed(venue, kraken):
    candles = await kraken.history("BTC/USD", "1h", bars=48)
    assert rows(candles) == truth("1h", NOON - 48 * HOUR_MS, NOON)
    assert all(name != "Assets" for name, _ in venue.asked), "nothing that is not needed is asked for"


async def test_many_bars_are_asked_for_by_pages_and_each_once(venue, kraken):
    candles = await kraken.history("BTC/USD", "1h", end_ms=NOON, bars=2_000)
    assert rows(candles) == truth("1h", NOON - 2_000 * HOUR_MS, NOON)
    assert len([1 for name, _ in venue.asked if name == "OHLC"]) <= 6


async def test_weeks_begin_on_monday_and_come_whole(venue, kraken):
    candles = await kraken.history("BTC/USD", "1w", bars=30)
    last = Timeframe("1w").floor(NOON) - 7 * DAY_MS
    assert candles.ts.tolist() == list(range(last - 29 * 7 * DAY_MS, last + 1, 7 * DAY_MS))


async def test_a_hole_stays_a_hole_and_one_longer_than_a_page_is_crossed(venue, kraken):
    venue.holes = {NOON - i * HOUR_MS for i in range(3, 5)} | {NOON - i * HOUR_MS for i in range(20, 1_500)}
    candles = await kraken.history("BTC/USD", "1h", end_ms=NOON, bars=30)
    assert rows(candles)[-17:] == truth("1h", NOON - 19 * HOUR_MS, NOON, venue.holes)
    assert len(candles) == 30
    assert candles.ts[0] == NOON - 1_512 * HOUR_MS, "what lies before the hole is found by the days"


async def test_a_hole_that_came_since_is_crossed_by_the_days_of_now(venue, kraken):
    venue.holes = {NOON - i * HOUR_MS for i in range(1, 800)}
    assert (await kraken.history("BTC/USD", "1h", end_ms=NOON, bars=5)).ts[-1] == NOON - 800 * HOUR_MS
    later = NOON + 100 * DAY_MS
    venue.now_ms = later + 600_000
    Waits.now += 100 * DAY_MS / 1000
    venue.holes |= {later - i * HOUR_MS for i in range(1, 1_100)}
    await kraken.ping()
    candles = await kraken.history("BTC/USD", "1h", end_ms=later, bars=5)
    assert candles.ts[-1] == later - 1_100 * HOUR_MS


async def test_before_a_markets_first_bar_nothing_comes_and_it_is_asked_once(venue, kraken):
    venue.first_ms = NOON - 12 * HOUR_MS
    assert len(await kraken.history("BTC/USD", "1h", bars=500)) == 12
    asked = len(venue.asked)
    assert len(await kraken.history("BTC/USD", "1h", end_ms=NOON - 12 * HOUR_MS, bars=500)) == 0
    assert len(venue.asked) - asked <= 1
    assert await kraken.listed_ms("BTC/USD") == NOON - 12 * HOUR_MS, "the day of the first bar"


async def test_a_bar_that_ended_is_closed_only_when_the_venue_has_begun_the_next(venue, kraken):
    venue.now_ms = NOON + 2_000
    venue.holes = {NOON}
    assert (await kraken.history("BTC/USD", "1h", bars=2)).ts.tolist() == [
        NOON - 3 * HOUR_MS,
        NOON - 2 * HOUR_MS,
    ]
    venue.holes = set()
    assert (await kraken.history("BTC/USD", "1h", bars=2)).ts.tolist() == [NOON - 2 * HOUR_MS, NOON - HOUR_MS]


async def test_a_wrong_clock_of_ours_makes_no_bar_closed(venue, kraken):
    venue.now_ms = NOON - 30 * MINUTE_MS
    candles = await kraken.history("BTC/USD", "1h", bars=3)
    assert candles.ts[-1] == NOON - 2 * HOUR_MS


async def test_what_the_venue_has_not_is_refused_with_a_sentence(kraken):
    with pytest.raises(
        UnknownName, match="There is no market of Kraken named 'BTC/USDT'; known are: BTC/USD"
    ):
        await kraken.history("BTC/USDT", "1h", bars=1)
    kraken.exchange.timeframes = {"1m": 1, "1h": 60, "2h": 120}
    with pytest.raises(InputError, match="Kraken has no bars of 4h; it has 1m, 1h"):
        await kraken.history("BTC/USD", "4h", bars=1)
    kraken.exchange.has["fetchOHLCV"] = False
    with pytest.raises(InputError, match="gives no candles"):
        await kraken.history("BTC/USD", "1h", bars=1)


# Trouble


async def test_a_429_is_everybodys_pause_and_the_request_comes_again(venue, kraken):
    venue.faults = [(429, {"error": []}, {"Retry_After": "7"})]
    assert len(await kraken.history("BTC/USD", "1h", bars=5)) == 5
    assert any(7.0 <= seconds <= 9.0 for seconds in Waits.told), Waits.told


async def test_too_many_requests_said_in_other_words_is_a_pause_too(venue, kraken):
    venue.faults = [(200, {"error": ["EAPI:Rate limit exceeded"]}, {})]
    assert len(await kraken.history("BTC/USD", "1h", bars=5)) == 5
    assert any(seconds >= 59.0 for seconds in Waits.told), Waits.told


async def test_a_long_pause_is_refused_by_the_next_process_too(venue, kraken):
    venue.faults = [(418, {"error": []}, {"Retry_After": "600"})]
    with pytest.raises(SourceError, match="asked for a pause, of which 5"):
        await kraken.history("BTC/USD", "1h", bars=5)
    other = OtherExchange("kraken", rest=Waits.rest)
    asked = len(venue.asked)
    with pytest.raises(SourceError, match="asked for a pause"):
        await other.ping()
    await other.aclose()
    assert len(venue.asked) == asked


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_no_bars_are_no_error_for_any_timeframe(timeframe):
    assert len(read_bars([], "A/B", Timeframe(timeframe), "A venue")) == 0


async def test_requests_keep_to_the_rate_that_the_venue_publishes(venue, kraken):
    assert kraken._rest.budget.state().limit == 60, "ccxt says of Kraken: one a second"
    began = Waits.now
    for _ in range(70):
        await kraken.call("fetch_time")
    assert Waits.now - began >= 30.0


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"error": [], "result"', "not JSON"),
        (b"<html>maintenance</html>", "not JSON"),
        (b'{"error": [], "result": {"XXBTZUSD": [[1, NaN]]}}', "not JSON"),
        (b"", "not JSON"),
        (b'{"error": ["EGeneral:Internal error"]}', "Kraken"),
        (b'{"error": [], "result": {"XXBTZUSD": [[1699999200, "x", "2", "1", "1", "0", "1", 1]]}}', "no bar"),
        (
            b'{"error": [], "result": {"XXBTZUSD": [[1699999201, "1", "2", "1", "1", "0", "1", 1]]}}',
            "cannot be",
        ),
        (
            b'{"error": [], "result": {"XXBTZUSD": [[1699999200, "1", "2", "3", "1", "0", "1", 1]]}}',
            "cannot be",
        ),
    ],
)
async def test_an_answer_that_cannot_be_is_refused_and_stays_so_after_all_tries(venue, kraken, body, told):
    venue.faults = [(200, body, {})] * 4
    with pytest.raises(SourceError, match=told):
        await kraken.history("BTC/USD", "1h", end_ms=1_699_999_200_000 + 5 * HOUR_MS, bars=5)


async def test_trouble_that_passes_is_tried_again_and_a_refusal_for_good_is_not(venue, kraken):
    venue.faults = [(503, b"busy", {}), (200, b"{", {})]
    assert len(await kraken.history("BTC/USD", "1h", bars=5)) == 5
    venue.faults = [(451, b"", {})]
    with pytest.raises(SourceError, match="does not serve this address") as caught:
        await kraken.history("BTC/USD", "1h", bars=5)
    assert caught.value.permanent


async def test_a_venue_that_is_away_is_told_in_one_try(kraken, monkeypatch):
    monkeypatch.setenv("CRYPTAI_CCXT_REST", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="Kraken can't be reached from here"):
        await kraken.ping()


async def test_the_setting_names_scheme_and_host_only(venue, monkeypatch):
    monkeypatch.setenv("CRYPTAI_CCXT_REST", "http://127.0.0.1:9/path")
    with pytest.raises(InputError, match="scheme and host only"):
        OtherExchange("kraken")


# Symbols and prices


async def test_symbols_come_with_their_rules_and_status(kraken):
    found = {info.symbol: info for info in await kraken.symbols()}
    assert sorted(found) == ["BTC/USD", "OLD/USD", "SOL/USD"]
    one = found["BTC/USD"]
    assert (one.tick, one.step) == (Decimal("0.1"), Decimal("1E-8"))
    assert (one.min_amount, one.min_notional, one.status) == (Decimal("0.0001"), Decimal("0.5"), "trading")
    assert found["OLD/USD"].status == "halted"


async def test_prices_are_asked_for_at_once(venue, kraken):
    (price,) = await kraken.prices(["BTC/USD", "NONE/USD"])
    assert (price.symbol, price.price) == ("BTC/USD", 37000.5)
    assert await kraken.prices(["NONE/USD"]) == []


def test_markets_are_read_by_what_their_precision_counts():
    def market(**told):
        return {"spot": True, "precision": {"price": 2, "amount": 3}, "active": None} | told

    found = read_markets({"A/B": market()}, 2)["A/B"]
    assert (found.tick, found.step, found.status) == (Decimal("0.01"), Decimal("0.001"), "trading")
    assert read_markets({"A/B": market()}, 3) == {}, "significant digits are no step"
    odd = {
        "A/B-2030": market(),
        "a/b": market(),
        "C/D": market(spot=False, option=True),
        "E/F": market(precision={}),
    }
    assert read_markets(odd, 4) == {}
    assert read_markets(None, 4) == {}


@pytest.mark.parametrize("last", [None, 0.0, -1.0, "1", float("nan"), True])
def test_a_ticker_without_a_price_is_none(last):
    assert read_price({"symbol": "A/B", "last": last}, ["A/B"], NOW) is None
    assert read_price({"symbol": "C/D", "last": 1.0}, ["A/B"], NOW) is None
    assert read_price({"symbol": "A/B", "last": 1, "timestamp": "x"}, ["A/B"], NOW) == Price("A/B", 1.0, NOW)


@pytest.mark.parametrize(
    "found", [{}, [1], [[NOON]], [[float(NOON), 1, 1, 1, 1, 1]], [[NOON, 1, 1, 1, None, 1]]]
)
def test_bars_of_another_shape_are_refused(found):
    with pytest.raises(SourceError):
        read_bars(found, "A/B", HOUR, "A venue")


# The stream


async def until(stream, wanted, first=None):
    """Return the events up to the first that is wanted; `first` is the one that is awaited already."""
    seen = []
    async with asyncio.timeout(30):
        while not seen or not wanted(seen[-1]):
            seen.append(await (first if first and not seen else anext(stream)))
    return seen


def is_closed(event):
    return isinstance(event, Bar) and event.closed


async def test_the_stream_pushes_prices_and_the_bar_of_now_and_closes_by_history(venue, kraken):
    stream = kraken.stream(["BTC/USD"], ["1h"])
    coming = asyncio.ensure_future(anext(stream))
    async with asyncio.timeout(20):
        await venue.subscriptions(2)
    assert {params["channel"] for params in venue.subscribed} == {"ticker", "ohlc"}
    kraken.rest = asyncio.sleep  # the close is an hour away from now on, and so is the venue's clock
    await venue.send_bar("1h", NOON - HOUR_MS, 1.0)
    await venue.send_bar("1h", NOON, 101.5)
    await venue.send_price(100.25)
    seen = await until(stream, lambda event: isinstance(event, Price), coming)
    bars = [event for event in seen if isinstance(event, Bar) and not event.closed]
    assert {bar.row[0] for bar in bars} <= {NOON}, "an older bar of the stream is not taken for anything"
    assert seen[-1].price == 100.25
    assert seen[-1].change_24h == pytest.approx(0.02)
    await stream.aclose()


async def test_a_close_is_what_history_says_after_it(venue, kraken):
    stream = kraken.stream(["BTC/USD", "SOL/USD"], ["1h", "1m"])
    coming = asyncio.ensure_future(anext(stream))
    async with asyncio.timeout(20):
        await venue.subscriptions(2)
    # The waits are done at once: the venue's clock has to follow.
    venue.now_ms = NOON + HOUR_MS + 5_000
    closed = (await until(stream, is_closed, coming))[-1]
    assert closed.row in truth(closed.timeframe, NOON, NOON + HOUR_MS + MINUTE_MS)
    await stream.aclose()


async def test_where_nothing_is_pushed_prices_are_asked_for(venue, kraken):
    kraken.exchange.has |= {"watchOHLCV": False, "watchTickers": False, "watchTicker": None}
    stream = kraken.stream(["BTC/USD"], ["1h"])
    price = (await until(stream, lambda event: isinstance(event, Price)))[-1]
    assert price.price == 37000.5
    await stream.aclose()
    assert venue.sockets == []
    kraken.exchange.has["fetchTickers"] = "emulated"
    stream = kraken.stream(["BTC/USD"], ["1h"])
    assert (await until(stream, lambda event: isinstance(event, Price)))[-1].price == 37000.5
    await stream.aclose()


async def test_a_stream_that_breaks_off_says_so(venue, kraken):
    stream = kraken.stream(["BTC/USD"], ["1h"])
    kraken.rest = asyncio.sleep
    coming = asyncio.ensure_future(anext(stream))
    async with asyncio.timeout(20):
        await venue.subscriptions(1)
        await venue.sockets[-1].close(1001, "maintenance")
        with pytest.raises(SourceError, match="Kraken"):
            await _to_the_end(coming, stream)
    await stream.aclose()


async def _to_the_end(coming, stream):
    await coming
    while True:
        await anext(stream)


async def test_the_feed_follows_it_as_any_other(venue, kraken, tmp_path):
    told = []
    kraken.rest = asyncio.sleep  # it stays within this hour
    feed = Feed(
        CandleStore(tmp_path), told.append, exchange="kraken", symbols=["BTC/USD"],
        timeframes=["1h", "4h"], bars=20, find=lambda _name: kraken, rest=Waits.rest,
    )  # fmt: skip
    running = asyncio.ensure_future(feed.run())
    async with asyncio.timeout(30):
        while feed.status.state != "live":
            assert not running.done(), running.result()
            await asyncio.sleep(0.05)
    feed.stop()
    await running
    assert rows(CandleStore(tmp_path).read("kraken", "BTC/USD", "1h")) == truth(
        "1h", NOON - 20 * HOUR_MS, NOON
    )
    assert feed.status.exchange == "kraken"


# The command


async def command(*args):
    """Run the command in a thread, as a process would run it beside this loop; return its status."""
    return await asyncio.to_thread(main, [*args])


async def test_the_command_downloads_checks_and_syncs_symbols_of_it(venue, capsys):
    venue.holes, venue.first_ms = {NOON - 3 * HOUR_MS}, NOON - 60 * DAY_MS
    said = ["--symbols", "BTC/USD", "--timeframes", "1h", "--since", iso(NOON - 20 * HOUR_MS)]
    assert await command("data", "download", "--exchange", "kraken", *said, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    (series,) = answer["series"]
    assert (answer["exchange"], series["bars"], series["missing"]) == ("kraken", 19, 1)
    assert [hole["cause"] for hole in series["holes"]] == ["the venue has none"]
    assert await command("symbols", "list", "--exchange", "kraken", "--json") == 0
    told = json.loads(capsys.readouterr().out)["symbols"]
    assert [row["symbol"] for row in told] == ["BTC/USD", "SOL/USD"]
    assert await command("data", "download", "--exchange", "krakn", *said) == 2
    assert "did you mean kraken" in capsys.readouterr().err


async def test_it_is_a_second_source_whose_candles_keep_its_name(venue, capsys, monkeypatch, tmp_path):
    venue.first_ms = NOON - 60 * DAY_MS
    store = CandleStore(workspace_root() / "candles")
    whole = [true_row("1h", NOON - i * HOUR_MS) for i in range(20, 0, -1)]
    kept = [row for i, row in enumerate(whole) if i != 7]
    columns = dict(zip(COLUMNS, map(list, zip(*kept, strict=True)), strict=True))
    store.write("folder", Candles(**columns, symbol="BTC/USD", timeframe="1h"))
    (tmp_path / "BTC-USD_1h.csv").write_text("ts,open,high,low,close,volume\n0,1,1,1,1,1\n")
    monkeypatch.setenv("CRYPTAI_FOLDER", str(tmp_path))
    monkeypatch.setenv("CRYPTAI_SECOND", "kraken")
    assert await command("data", "repair", "--exchange", "folder", "--json") == 0
    (series,) = json.loads(capsys.readouterr().out)["series"]
    assert (series["added"], series["missing"]) == (1, 0)
    assert rows(store.read("folder", "BTC/USD", "1h")) == whole
    (revision,) = store.revisions("folder", "BTC/USD", "1h", ts=whole[7][0])
    assert revision.source == "kraken"
