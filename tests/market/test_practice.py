"""The practice market: what it streams is what its history says for ever after."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai import seams
from cryptai.errors import SourceError, UnknownName
from cryptai.market import synthetic, ticks
from cryptai.market.candles import COLUMNS
from cryptai.market.source import LARGE_PAIRS, Bar, Price
from cryptai.market.sources.practice import Practice, closed_bars, forming_bar, price_at, tick
from cryptai.market.synthetic import GENESIS_MS
from cryptai.market.ticks import path
from cryptai.market.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, TIMEFRAMES, WEEK_MS, Timeframe

SEED = 2017
# A Monday at midnight UTC: bars of every timeframe close here.
MONDAY = GENESIS_MS + 500 * WEEK_MS


def same(one, other):
    return len(one) == len(other) and all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in COLUMNS
    )


def bars(timeframe, n, *, end=MONDAY, now=MONDAY, symbol="BTC/USDT"):
    return closed_bars(SEED, symbol, timeframe, end, n, now)


def row(candles):
    return tuple(getattr(candles, name)[-1].item() for name in COLUMNS)


def forget():
    for cached in (synthetic._coin_hours, synthetic._factor_hours, synthetic._days, ticks.path):
        cached.cache_clear()


async def test_history_gives_as_many_closed_bars_as_asked_for_of_all_twelve_pairs():
    with seams.replaced(now_ns=lambda: (MONDAY + 1_234) * 1_000_000):
        for symbol in LARGE_PAIRS:
            candles = await Practice().history(symbol, "1h", bars=1_000)
            assert len(candles) == 1_000
            assert candles.symbol == symbol
            assert candles.close_ts[-1] == MONDAY


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_no_bar_is_closed_before_its_time(timeframe):
    frame = Timeframe(timeframe)
    assert bars(timeframe, 3, end=MONDAY + DAY_MS, now=MONDAY - 1).close_ts[-1] == MONDAY - frame.ms
    assert bars(timeframe, 3, end=MONDAY + DAY_MS, now=MONDAY).close_ts[-1] == MONDAY


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_bars_open_before_the_end_asked_for(timeframe):
    frame = Timeframe(timeframe)
    assert bars(timeframe, 2, end=MONDAY - frame.ms + 1).ts[-1] == MONDAY - frame.ms
    assert bars(timeframe, 2, end=MONDAY - frame.ms).ts[-1] == MONDAY - 2 * frame.ms


@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d"])
def test_history_does_not_depend_on_when_it_is_asked_for(timeframe):
    before = bars(timeframe, 200)
    forget()
    assert same(before, bars(timeframe, 200, now=MONDAY + 700 * DAY_MS))


@pytest.mark.parametrize(("fine", "coarse"), [("1m", "1h"), ("5m", "30m"), ("15m", "4h")])
def test_the_finer_bars_resample_to_the_coarser_to_the_bit(fine, coarse):
    ratio = Timeframe(coarse).ms // Timeframe(fine).ms
    assert same(bars(fine, 24 * ratio).resample(coarse), bars(coarse, 24))


@pytest.mark.parametrize("coarse", ["4h", "1d", "1w"])
def test_hours_resample_to_the_coarser_to_the_bit(coarse):
    ratio = Timeframe(coarse).ms // HOUR_MS
    assert same(bars("1h", 50 * ratio).resample(coarse), bars(coarse, 50))


@pytest.mark.parametrize("symbol", LARGE_PAIRS)
def test_the_path_of_an_hour_touches_its_bar_and_never_leaves_it(symbol):
    for hour in range(MONDAY // HOUR_MS - 20, MONDAY // HOUR_MS):
        way = path(SEED, symbol, hour)
        _, opens, high, low, close, volume = row(bars("1h", 1, end=(hour + 1) * HOUR_MS, symbol=symbol))
        assert (way.price[0], way.price.max(), way.price.min(), way.price[-1]) == (opens, high, low, close)
        assert (way.volume[0], way.volume[-1]) == (0.0, volume)
        assert np.all(np.diff(way.volume) >= 0)


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_a_live_bar_grows_into_the_bar_that_history_gives_later(timeframe):
    frame = Timeframe(timeframe)
    start = MONDAY - frame.ms
    final = row(bars(timeframe, 1))
    steps = sorted({start, *range(start, MONDAY, max(1_000, frame.ms // 40)), MONDAY - 1_000, MONDAY - 1})
    before = forming_bar(SEED, "BTC/USDT", timeframe, start)
    assert before[1:] == (final[1],) * 4 + (0.0,)
    for now in steps:
        ts, opens, high, low, close, volume = forming_bar(SEED, "BTC/USDT", timeframe, now)
        assert (ts, opens) == (start, final[1])
        assert close == price_at(SEED, "BTC/USDT", now)
        assert before[2] <= high <= final[2]
        assert before[3] >= low >= final[3]
        assert before[5] <= volume <= final[5]
        before = (ts, opens, high, low, close, volume)
    # The last second lies between the last look and the close.
    assert max(before[2], final[4]) == final[2]
    assert min(before[3], final[4]) == final[3]


def test_a_tick_tells_closes_first_then_prices_and_unfinished_bars():
    frames = [Timeframe("1h"), Timeframe("4h")]
    events = tick(SEED, ["BTC/USDT", "ETH/USDT"], frames, MONDAY - 600, MONDAY + 400)
    assert [type(event) for event in events] == [Bar] * 4 + [Price, Bar, Bar] * 2
    assert [event.closed for event in events if isinstance(event, Bar)] == [True] * 4 + [False] * 4
    for bar in events[:4]:
        assert bar.row == row(bars(bar.timeframe, 1, symbol=bar.symbol))
    assert {bar.row[0] for bar in events[4:] if isinstance(bar, Bar)} == {MONDAY}


def test_a_tick_within_a_bar_closes_nothing():
    events = tick(SEED, ["BTC/USDT"], [Timeframe("1m")], MONDAY + 1_000, MONDAY + 2_000)
    assert [getattr(event, "closed", None) for event in events] == [None, False]


def test_the_change_is_a_fraction_of_the_price_a_day_before():
    price = tick(SEED, ["SOL/USDT"], [], MONDAY, MONDAY + 5_000)[0]
    before = price_at(SEED, "SOL/USDT", MONDAY + 5_000 - DAY_MS)
    assert price.price == price_at(SEED, "SOL/USDT", MONDAY + 5_000)
    assert price.change_24h == pytest.approx(price.price / before - 1)


async def test_the_stream_ticks_at_each_second_and_its_closes_are_those_of_history():
    clock = MONDAY - 2_500
    waits = []

    async def rest(seconds):
        nonlocal clock
        waits.append(seconds)
        clock += round(seconds * 1_000)

    closes, prices = [], []
    with seams.replaced(now_ns=lambda: clock * 1_000_000):
        stream = Practice(SEED, rest=rest).stream(["BTC/USDT"], ["1m", "1h"])
        async for event in stream:
            if isinstance(event, Price):
                prices.append(event.ts)
            elif event.closed:
                closes.append(event)
            if len(prices) == 65:
                break
        await stream.aclose()
    assert waits[:3] == [0.5, 1.0, 1.0]
    assert prices[:4] == [MONDAY - 2_500, MONDAY - 2_000, MONDAY - 1_000, MONDAY]
    assert [(bar.timeframe, bar.row[0]) for bar in closes] == [
        ("1m", MONDAY - MINUTE_MS), ("1h", MONDAY - HOUR_MS), ("1m", MONDAY),
    ]  # fmt: skip
    for bar in closes:
        later = bars(bar.timeframe, 1, end=bar.row[0] + 1, now=MONDAY + 900 * DAY_MS)
        assert bar.row == row(later)


async def test_a_coin_it_does_not_have_is_answered_with_the_near_names():
    with pytest.raises(UnknownName, match="BTC/USDT"):
        await Practice().history("BTC/USDC", "1h", bars=1)


async def test_nothing_is_older_than_its_first_day():
    with seams.replaced(now_ns=lambda: (GENESIS_MS + 3 * DAY_MS) * 1_000_000):
        assert len(await Practice().history("BTC/USDT", "1d", bars=1_000)) == 3
        assert len(await Practice().history("BTC/USDT", "5m", bars=10, end_ms=GENESIS_MS)) == 0


async def test_a_clock_before_its_first_day_is_told_and_not_ticked():
    with seams.replaced(now_ns=lambda: 0):
        assert len(await Practice().history("BTC/USDT", "1h", bars=10)) == 0
        with pytest.raises(SourceError, match="2017-01-02"):
            await anext(Practice().stream(["BTC/USDT"], ["1h"]))


def test_this_is_still_the_same_market():
    """Pinned values: a change of the generator shows here, and is a change of everybody's stored bars."""
    assert row(bars("1d", 1)) == PINNED["1d"]
    assert forming_bar(SEED, "DOGE/USDT", "4h", MONDAY + 3 * HOUR_MS + 1_234_567) == PINNED["4h"]


PINNED = {
    "1d": (1785628800000, 63645.52, 64305.05, 62450.36, 64231.96, 26395.25),
    "4h": (1785715200000, 0.16839, 0.1707, 0.16829, 0.17064, 96376900.75),
}
