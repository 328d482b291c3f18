"""The Binance source, against recorded payloads and a stand-in on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from decimal import Decimal

import pytest
from binance_standin import standing_in, true_row
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.source import Bar, Price
from cryptai.market.sources._binance_messages import parse_json, parse_klines, parse_message
from cryptai.market.sources.binance import Binance
from cryptai.market.timeframe import DAY_MS, HOUR_MS, TIMEFRAMES, Timeframe

NOON = 1_700_000_000_000 // HOUR_MS * HOUR_MS
NOW = NOON + 600_000
HOUR = Timeframe("1h")
NAMES = {"BTCUSDT": "BTC/USDT"}


@pytest.fixture
def clock():
    """Our own clocks, stopped at the venue's time; what is waited for is written down, not waited for."""
    with seams.replaced(now_ns=lambda: NOW * 1_000_000, monotonic=lambda: Waits.now):
        Waits.now, Waits.told = 0.0, []
        yield Waits


class Waits:
    """Waiting, told and not done: the monotonic clock goes on by it."""

    @classmethod
    async def rest(cls, seconds):
        cls.told.append(seconds)
        cls.now += seconds


@pytest.fixture
async def exchange(monkeypatch, clock):
    async with standing_in(monkeypatch, NOW) as standing:
        yield standing


@pytest.fixture
async def binance(exchange):
    source = Binance(rest=Waits.rest)
    yield source
    await source.aclose()


# What Binance recorded


@pytest.mark.shared
def test_a_recorded_page_is_read_exactly(shared):
    text = (shared / "data/payloads/binance_recorded/rest_klines_ETHUSDT_1d_page1.json").read_bytes()
    rows = json.loads(text)
    candles = parse_klines(parse_json(text, "a page"), "ETH/USDT", Timeframe("1d"))
    assert len(candles) == len(rows) == 1_000
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    for i, row in enumerate(rows):
        assert candles.ts[i] == row[0]
        # The nearest float to the venue's decimal: printed with its decimals it is the venue's again.
        assert [Decimal(f"{column[i]:.8f}") for column in columns] == [Decimal(v) for v in row[1:6]]


@pytest.mark.shared
def test_recorded_stream_messages_are_understood_or_left_alone(shared):
    folder = shared / "data/payloads/binance_recorded"
    lines = gzip.decompress((folder / "BINANCE_US.ws.1.0.txt.gz").read_bytes()).decode().splitlines()
    lines += (folder / "BINANCE.ws.1.0.txt").read_text().splitlines()
    names = {"OMGBUSD": "OMG/BUSD", "LRCBTC": "LRC/BTC", "NKNUSDT": "NKN/USDT"}
    messages = [line.split(": ", 1)[1] for line in lines if ": {" in line]
    events = [event for text in messages if (event := parse_message(text, names)) is not None]
    assert len(messages) > 700
    assert all(isinstance(event, Bar) for event in events)
    assert [event.symbol for event in events].count("OMG/BUSD") == 5
    assert [event.row for event in events if event.closed] == [
        (1633998240000, 13.7212, 13.8076, 13.7212, 13.7664, 536.51)
    ]
    assert events[-1] == Bar("LRC/BTC", "1m", (1633998480000, *[0.00000638] * 4, 177.0), closed=False)


def test_the_documented_mini_ticker_gives_price_and_change():
    data = {"e": "24hrMiniTicker", "E": 1672515782136, "s": "BTCUSDT", "c": "0.0025", "o": "0.0010"}
    event = parse_message(json.dumps({"stream": "x", "data": data}), NAMES)
    assert event == Price("BTC/USDT", 0.0025, 1672515782136, pytest.approx(1.5))


@settings(max_examples=200)
@given(
    st.lists(
        st.decimals(0, 10**9, places=8, allow_nan=False)
        | st.decimals(0, 10**7, places=8, allow_nan=False)
        | st.decimals(0, 10**12, places=3, allow_nan=False),
        min_size=1,
        max_size=8,
    )
)
def test_a_page_of_decimals_is_read_as_the_nearest_numbers(volumes):
    rows = [[i * HOUR_MS, "10.0", "12.0", "9.0", "11.0", f"{one:f}"] for i, one in enumerate(volumes)]
    eight = [[row[0], *(f"{float(price):.8f}" for price in row[1:5]), row[5]] for row in rows]
    for page in (rows, eight):
        assert parse_klines(page, "BTC/USDT", "1h").volume.tolist() == [float(row[5]) for row in rows]


# What it must refuse

GOOD = [NOON, "10.0", "12.0", "9.0", "11.0", "5.0", NOON + HOUR_MS - 1, "0", 1, "0", "0", "0"]


def spoilt(i, value):
    return [[*GOOD[:i], value, *GOOD[i + 1 :]]]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"code": 0}, "another shape"),
        ([GOOD[:5]], "another shape"),
        (["row"], "another shape"),
        (spoilt(1, 10.0), "where a number stands"),
        (spoilt(1, "NaN"), "where a number stands"),
        (spoilt(1, "inf"), "where a number stands"),
        (spoilt(1, "1e3"), "where a number stands"),
        (spoilt(1, "1_0"), "where a number stands"),
        (spoilt(1, "1,0"), "where a number stands"),
        (
            [[NOON, "10.00000000,10.00000000", "12.00000000", "9.00000000", "11.00000000", "5.00000000"]],
            "where a number stands",
        ),
        (spoilt(1, "\N{ARABIC-INDIC DIGIT NINE}"), "where a number stands"),
        (spoilt(1, ""), "where a number stands"),
        (spoilt(1, None), "where a number stands"),
        (spoilt(1, "-10.0"), "where a number stands"),
        (spoilt(1, "0.0"), "price above 0"),
        (spoilt(2, "8.0"), "below low"),
        (spoilt(3, "10.5"), "must lie between"),
        (spoilt(5, "-5.0"), "where a number stands"),
        (spoilt(0, NOON + 1), "off the timeframe's grid"),
        (spoilt(0, str(NOON)), "which is not one"),
        (spoilt(0, True), "which is not one"),
        (spoilt(0, 10**30), "which is not one"),
        ([GOOD, GOOD], "doubled"),
        ([GOOD, [NOON - HOUR_MS, *GOOD[1:]]], "earlier"),
    ],
)
def test_a_page_that_cannot_be_is_refused_with_a_sentence(rows, told):
    with pytest.raises(SourceError, match=told) as caught:
        parse_klines(rows, "BTC/USDT", HOUR)
    assert not caught.value.permanent


@pytest.mark.parametrize(
    "text", ["", "{", "[1,2", "[NaN]", "[Infinity]", "<html>", "[" * 100_000, b"\xff\xfe"]
)
def test_what_is_not_strict_json_is_refused(text):
    with pytest.raises(SourceError, match="not JSON"):
        parse_json(text, "an answer")


def kline(said_ms=NOON + HOUR_MS, **changes):
    k = {"t": NOON, "i": "1h", "o": "10", "h": "12", "l": "9", "c": "11", "v": "5", "x": True} | changes
    return json.dumps({"stream": "x", "data": {"e": "kline", "E": said_ms, "s": "BTCUSDT", "k": k}})


def test_a_kline_is_closed_when_the_venue_says_so_and_only_then():
    assert parse_message(kline(x=True), NAMES).closed is True
    assert parse_message(kline(x=False), NAMES).closed is False
    for said in (1, "true", None):
        with pytest.raises(SourceError, match="neither closed nor open"):
            parse_message(kline(x=said), NAMES)


def test_a_kline_called_closed_before_its_end_is_not():
    assert parse_message(kline(said_ms=NOON + HOUR_MS - 1), NAMES).closed is False
    with pytest.raises(SourceError, match=r"lacks 'E'|the time None"):
        parse_message(kline(said_ms=None), NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "[]", "{}", '{"data": 1}', kline(o="NaN"), kline(h="1"), kline(t=NOON + 1), kline(v="-1"),
        kline(c=11),
        '{"data": {"e": "kline", "s": "BTCUSDT"}}', '{"data": {"e": "kline", "s": "BTCUSDT", "k": 3}}',
        '{"data": {"e": "24hrMiniTicker", "s": "BTCUSDT", "E": 1, "c": "1"}}',
        '{"data": {"e": "24hrMiniTicker", "s": "BTCUSDT", "E": 1, "c": "-1", "o": "1"}}',
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_is_refused(text):
    with pytest.raises(SourceError, match="Binance sent"):
        parse_message(text, NAMES)


def test_messages_about_other_things_are_left_alone():
    assert parse_message(kline(i="3m"), NAMES) is None
    assert parse_message(kline(), {"ETHUSDT": "ETH/USDT"}) is None
    assert parse_message('{"data": {"e": "trade", "s": "BTCUSDT"}}', NAMES) is None


# History


async def test_history_gives_the_last_closed_bars_and_never_the_unfinished_one(binance):
    candles = await binance.history("btcusdt", "1h", bars=5)
    assert candles.symbol == "BTC/USDT"
    assert candles.ts.tolist() == [NOON - k * HOUR_MS for k in (5, 4, 3, 2, 1)]
    assert [
        candles.open[-1],
        candles.high[-1],
        candles.low[-1],
        candles.close[-1],
        candles.volume[-1],
    ] == list(true_row("1h", NOON - HOUR_MS)[1:])


async def test_a_clock_of_ours_that_is_ahead_closes_no_bar(binance, exchange):
    for skew in (600_000, HOUR_MS, 24 * HOUR_MS):
        with seams.replaced(now_ns=lambda ms=NOW + skew: ms * 1_000_000):
            candles = await binance.history("BTC/USDT", "1h", bars=3)
        assert candles.ts[-1] == NOON - HOUR_MS


async def test_a_clock_of_ours_that_is_behind_loses_no_bar_once_the_venue_was_heard(binance):
    with seams.replaced(now_ns=lambda: (NOW - 24 * HOUR_MS) * 1_000_000):
        await binance.ping()
        candles = await binance.history("BTC/USDT", "1h", bars=3)
    assert candles.ts[-1] == NOON - HOUR_MS


async def test_long_histories_come_in_pages_without_seam_or_overlap(binance, exchange):
    candles = await binance.history("BTC/USDT", "1h", bars=2_345)
    assert len(candles) == 2_345
    assert set((candles.ts[1:] - candles.ts[:-1]).tolist()) == {HOUR_MS}
    # The first page has the unfinished bar with it: that the venue began it proves the one before it closed.
    assert [query["limit"] for _, query in exchange.asked[1:]] == ["1000", "1000", "346"]


def test_a_market_without_a_trade_has_no_price_and_costs_nobody_the_connection():
    names = {"BTCUSDT": "BTC/USDT"}
    said = {"e": "24hrMiniTicker", "s": "BTCUSDT", "E": NOON, "c": "0.00000000", "o": "7.00000000"}
    assert parse_message(json.dumps({"data": said}), names) is None
    price = parse_message(json.dumps({"data": said | {"c": "7.5", "o": "0.00000000"}}), names)
    assert (price.price, price.change_24h) == (7.5, None)


async def test_a_short_page_that_holds_only_the_next_bar_is_not_taken_for_a_hole(binance, exchange):
    # The page was to prove that the bar before noon closed, and came without that bar.
    await binance.history("BTC/USDT", "1h", end_ms=NOON - HOUR_MS, bars=1)
    short = exchange.klines({"symbol": "BTCUSDT", "interval": "1h", "limit": "1"})
    assert short[0][0] == NOON
    exchange.faults = [exchange.answer(200, short)]
    candles = await binance.history("BTC/USDT", "1h", end_ms=NOON, bars=1)
    assert candles.ts.tolist() == [NOON - HOUR_MS]


async def test_a_hole_of_the_venue_stays_a_hole(binance, exchange):
    exchange.holes = {NOON - 2 * HOUR_MS}
    candles = await binance.history("BTC/USDT", "1h", bars=3)
    assert candles.ts.tolist() == [NOON - k * HOUR_MS for k in (4, 3, 1)]


async def test_a_market_that_is_younger_gives_what_there_is(binance, exchange):
    exchange.first_ms = NOON - 3 * HOUR_MS
    assert len(await binance.history("BTC/USDT", "1h", bars=1_000)) == 3


async def test_bars_end_before_the_time_asked_for(binance):
    candles = await binance.history("BTC/USDT", "4h", end_ms=NOON - 100 * HOUR_MS, bars=2)
    assert candles.close_ts[-1] <= NOON - 100 * HOUR_MS + 4 * HOUR_MS
    assert candles.ts[-1] < NOON - 100 * HOUR_MS


async def test_other_bars_than_asked_for_are_refused(binance, exchange):
    exchange.klines = lambda query: [[NOON + HOUR_MS, *map(str, true_row("1h", NOON + HOUR_MS)[1:])]]
    with pytest.raises(SourceError, match="other BTC/USDT 1h klines than were asked for"):
        await binance.history("BTC/USDT", "1h", end_ms=NOON, bars=3)


async def test_a_market_the_venue_does_not_have_is_the_askers_mistake(binance):
    with pytest.raises(InputError, match="Binance has no market NONEUSDT"):
        await binance.history("NONE/USDT", "1h", bars=3)


# Failures


@pytest.mark.parametrize("status", [403, 451])
async def test_a_refusal_for_good_is_permanent_and_asked_once(binance, exchange, status):
    exchange.faults = [exchange.answer(status, {})] * 9
    with pytest.raises(SourceError, match=rf"does not serve this address \(HTTP {status}\)") as caught:
        await binance.history("BTC/USDT", "1h", bars=3)
    assert caught.value.permanent
    assert len(exchange.asked) == 1


@pytest.mark.parametrize("status", [429, 418])
async def test_a_pause_the_venue_asks_for_is_kept(binance, exchange, status):
    exchange.faults = [exchange.answer(status, {}, Retry_After="37")]
    assert len(await binance.history("BTC/USDT", "1h", bars=3)) == 3
    assert sum(Waits.told) >= 37


@pytest.mark.parametrize("told", [{"Retry_After": "60"}, {}])
async def test_the_usual_pause_of_a_minute_is_waited_out(binance, exchange, told):
    exchange.faults = [exchange.answer(429, {}, **told)]
    assert len(await binance.history("BTC/USDT", "1h", bars=3)) == 3
    assert sum(Waits.told) >= 60


async def test_during_a_long_pause_nothing_is_asked_at_all(binance, exchange):
    exchange.faults = [exchange.answer(418, {}, Retry_After="7200")]
    for _ in range(5):
        with pytest.raises(SourceError, match="pause") as caught:
            await binance.history("BTC/USDT", "1h", bars=3)
        assert not caught.value.permanent
        Waits.now += 600
    assert len(exchange.asked) == 1
    Waits.now += 7_200
    assert len(await binance.history("BTC/USDT", "1h", bars=3)) == 3


async def test_troubles_of_the_venue_are_tried_again_with_growing_pauses(binance, exchange):
    exchange.faults = [exchange.answer(503, {}), exchange.answer(502, b""), exchange.answer(500, {})]
    assert len(await binance.history("BTC/USDT", "1h", bars=3)) == 3
    assert len(Waits.told) == 3
    assert Waits.told == sorted(Waits.told)


async def test_a_venue_in_lasting_trouble_is_given_up_for_now(binance, exchange):
    exchange.faults = [exchange.answer(503, {})] * 99
    with pytest.raises(SourceError, match=r"trouble of its own \(HTTP 503\)") as caught:
        await binance.history("BTC/USDT", "1h", bars=3)
    assert not caught.value.permanent
    assert len(exchange.asked) == 4


@pytest.mark.parametrize("body", [b"<html>", b'[[1499040000000,"0.01', b"[" + b" " * (5 << 20) + b"]", b"{}"])
async def test_one_answer_that_makes_no_sense_is_asked_for_again(binance, exchange, body):
    await binance.ping()
    exchange.faults = [exchange.answer(200, body)] * 3
    assert len(await binance.history("BTC/USDT", "1h", bars=3)) == 3
    assert len(Waits.told) == 3


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_a_page_without_a_row_is_read_for_every_timeframe(timeframe):
    assert len(parse_klines([], "BTC/USDT", Timeframe(timeframe))) == 0


async def test_all_weeks_of_a_market_younger_than_a_page_are_had(binance, exchange):
    first = Timeframe("1w").floor(NOON) - 5 * 7 * DAY_MS
    exchange.first_ms = first
    weeks = await binance.history("BTC/USDT", "1w", bars=1000)
    assert weeks.ts.tolist() == [first + i * 7 * DAY_MS for i in range(5)]


async def test_truncated_json_is_refused(binance, exchange):
    exchange.faults = [exchange.answer(200, b'[[1499040000000,"0.0163')] * 4
    with pytest.raises(SourceError, match="not JSON"):
        await binance.history("BTC/USDT", "1h", bars=3)


async def test_a_venue_that_is_not_there_is_said_to_be_unreachable(monkeypatch, clock):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("CRYPTAI_BINANCE_REST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("CRYPTAI_BINANCE_WS", f"ws://127.0.0.1:{port}")
    source = Binance(rest=Waits.rest)
    with pytest.raises(SourceError, match=r"can't be reached from here \(connection refused\)") as caught:
        await source.ping()
    assert not caught.value.permanent
    assert Waits.told == []
    with pytest.raises(SourceError, match=r"stream can't be reached \(connection refused\)"):
        await anext(source.stream(["BTC/USDT"], ["1h"]))
    await source.aclose()


# The stream


async def test_the_stream_asks_for_every_market_and_yields_what_comes(binance, exchange):
    stream = binance.stream(["BTC/USDT", "eth-usdt"], ["1h", "4h"])
    first = asyncio.ensure_future(anext(stream))
    await exchange.connected.wait()
    asked = exchange.streams[0].request.path
    assert asked == (
        "/stream?streams=btcusdt@kline_1h/btcusdt@kline_4h/btcusdt@miniTicker"
        "/ethusdt@kline_1h/ethusdt@kline_4h/ethusdt@miniTicker"
    )
    await exchange.send_bar("BTC/USDT", "1h", NOON, closed=False)
    await exchange.send({"stream": "x", "data": {"e": "trade", "s": "BTCUSDT"}})
    await exchange.send_price("ETH/USDT", "110.5")
    assert await first == Bar("BTC/USDT", "1h", true_row("1h", NOON), closed=False)
    assert await anext(stream) == Price("ETH/USDT", 110.5, NOW, pytest.approx(0.105))
    await stream.aclose()


async def test_a_stream_that_breaks_off_says_so(binance, exchange):
    first = asyncio.ensure_future(anext(binance.stream(["BTC/USDT"], ["1h"])))
    await exchange.connected.wait()
    await exchange.disconnect()
    with pytest.raises(SourceError, match="broke off") as caught:
        await first
    assert not caught.value.permanent


async def test_a_stream_that_is_refused_for_good_is_permanent(binance, exchange):
    exchange.refuse_streams = 451
    with pytest.raises(SourceError, match="HTTP 451") as caught:
        await anext(binance.stream(["BTC/USDT"], ["1h"]))
    assert caught.value.permanent


async def test_a_message_that_cannot_be_read_ends_nothing(binance, exchange, caplog):
    stream = binance.stream(["BTC/USDT"], ["1h"])
    first = asyncio.ensure_future(anext(stream))
    await exchange.connected.wait()
    for _ in range(3):
        for _ in range(9):
            await exchange.send('{"data": {"e": "kli')
        await exchange.send_price("BTC/USDT", "110.5")
    async with asyncio.timeout(10):
        assert (await first).price == 110.5
        for _ in range(2):
            assert (await anext(stream)).price == 110.5
    assert caplog.text.count("not JSON") == 1
    await stream.aclose()


async def test_nothing_but_nonsense_in_the_stream_ends_it(binance, exchange):
    first = asyncio.ensure_future(anext(binance.stream(["BTC/USDT"], ["1h"])))
    await exchange.connected.wait()
    for _ in range(10):
        await exchange.send('{"data": [NaN]}')
    async with asyncio.timeout(10):
        with pytest.raises(SourceError, match="not JSON"):
            await first


async def test_nonsense_about_one_market_ends_nothing_for_the_others(binance, exchange, caplog):
    stream = binance.stream(["BTC/USDT", "ETH/USDT"], ["1h"])
    first = asyncio.ensure_future(anext(stream))
    await exchange.connected.wait()
    for _ in range(3):
        await exchange.send_price("BTC/USDT", "NaN")
    await exchange.send({"data": {"e": "kline", "E": NOW, "s": "BTCUSDT", "k": {"i": "1h", "x": True}}})
    await exchange.send_price("ETH/USDT", "110.5")
    assert (await first).symbol == "ETH/USDT"
    assert caplog.text.count("BTC/USDT") == 1
    await stream.aclose()
