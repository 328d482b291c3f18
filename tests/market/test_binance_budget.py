"""The Binance source in its budget: perpetuals, weights, pauses, and several processes against one venue."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest
from binance_standin import standing_in, true_row
from test_symbols import ROW

from cryptai.errors import InputError, SourceError
from cryptai.market.addresses import address
from cryptai.market.budget import budget_states
from cryptai.market.source import Bar, Price
from cryptai.market.sources._binance_streams import connections
from cryptai.market.sources.binance import Binance
from cryptai.market.timeframe import HOUR_MS


@pytest.fixture
def now():
    return int(time.time() * 1000)


@pytest.fixture
async def exchange(monkeypatch, now):
    async with standing_in(monkeypatch, now) as standing:
        yield standing


@pytest.fixture
async def binance(exchange):
    source = Binance()
    yield source
    await source.aclose()


# Perpetuals


async def test_perpetuals_are_asked_for_under_their_own_path(binance, exchange, now):
    candles = await binance.history("BTC/USDT:USDT", "1h", bars=5)
    assert candles.symbol == "BTC/USDT:USDT"
    assert candles.ts[-1] == now // HOUR_MS * HOUR_MS - HOUR_MS
    assert {path for path, _ in exchange.asked} == {"/fapi/v1/time", "/fapi/v1/klines"}
    assert exchange.asked[-1][1]["symbol"] == "BTCUSDT"


async def test_spot_and_perpetual_of_one_name_come_over_connections_of_their_own(binance, exchange, now):
    hour = now // HOUR_MS * HOUR_MS
    stream = binance.stream(["BTC/USDT", "BTC/USDT:USDT"], ["1h"])
    first = asyncio.ensure_future(anext(stream))
    while len(exchange.streams) < 2:
        await exchange.connected.wait()
        await asyncio.sleep(0.01)
    await exchange.send_bar("BTC/USDT", "1h", hour, closed=False)
    events = [await first]
    exchange.streams.reverse()
    await exchange.send_price("BTC/USDT", "110.0")
    events.append(await anext(stream))
    symbols = {event.symbol for event in events}
    assert symbols == {"BTC/USDT", "BTC/USDT:USDT"}
    assert [type(event) for event in events] == [Bar, Price]
    assert events[0].row == true_row("1h", hour)
    await exchange.disconnect()
    with pytest.raises(SourceError, match="broke off"):
        await anext(stream)


def test_hundreds_of_markets_are_spread_over_connections_of_bounded_size():
    symbols = [f"A{k}/USDT" for k in range(300)]
    groups = connections(symbols, ["1m", "1h", "1d"])
    assert [one for group in groups for one in group] == symbols
    assert max(map(len, groups)) * 4 <= 200


# Symbols


async def test_symbols_of_both_parts_come_with_the_limits_of_requests(binance, exchange):
    def told(limit):
        return {
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limit}
            ],
            "symbols": [ROW],
        }

    exchange.info = {"/api/v3/exchangeInfo": told(6000), "/fapi/v1/exchangeInfo": told(2400)}
    assert [one.symbol for one in await binance.symbols()] == ["BTC/USDT", "BTC/USDT:USDT"]
    assert {state.venue: (state.limit, state.used) for state in budget_states()} == {
        "binance": (6000, 20), "binance-perps": (2400, 1),
    }  # fmt: skip


async def test_the_first_bar_says_when_a_market_was_listed(binance, exchange, now):
    exchange.klines = lambda query: [[86_400_000 * 17_395, *map(str, true_row("1d", 0)[1:])]]
    assert await binance.listed_ms("BTC/USDT") == 86_400_000 * 17_395
    assert exchange.asked[-1][1]["startTime"] == "0"
    exchange.klines = lambda query: []
    assert await binance.listed_ms("NEW/USDT") is None


# Answers that are not as agreed


async def test_a_short_page_is_not_taken_for_the_beginning(binance, exchange):
    whole = exchange.klines
    exchange.klines = lambda query: whole(query | {"limit": min(7, int(query["limit"]))})
    candles = await binance.history("BTC/USDT", "1h", bars=40)
    assert len(candles) == 40
    assert set((candles.ts[1:] - candles.ts[:-1]).tolist()) == {HOUR_MS}


async def test_a_clock_of_the_venue_that_runs_ahead_closes_no_bar(binance, exchange, now):
    hour = now // HOUR_MS * HOUR_MS
    page = exchange.klines
    for ahead in (600_000, 3_700_000):
        exchange.klines = lambda query: [row for row in page(query) if row[0] <= hour]
        exchange.now_ms = hour + HOUR_MS - 1_000 + ahead  # its engine has not ended the hour
        candles = await binance.history("BTC/USDT", "1h", end_ms=hour + HOUR_MS, bars=3)
        assert candles.ts[-1] == hour - HOUR_MS, ahead


async def test_a_body_without_end_is_cut_off(binance, exchange):
    await binance.ping()
    exchange.faults = [exchange.answer(200, b"[" + b" " * (5 << 20) + b"]")] * 4
    with pytest.raises(SourceError, match="more than 4 MB in one answer"):
        await binance.history("BTC/USDT", "1h", bars=3)


async def test_an_answer_without_a_date_is_timed_by_the_clock(binance, exchange, now):
    answer = exchange.answer

    def undated(*told, **more):
        response = answer(*told, **more)
        del response.headers["Date"]
        return response

    exchange.answer = undated
    candles = await binance.history("BTC/USDT", "1h", bars=3)
    assert candles.ts[-1] == now // HOUR_MS * HOUR_MS - HOUR_MS


# Settings


@pytest.mark.parametrize(
    "told",
    [
        "127.0.0.1:80",
        "ftp://host",
        "http://host/api/v3",
        "http://",
        "http://u:p@host",
        "http://h:x",
        "wss://h",
    ],
)
def test_an_address_is_scheme_and_host_only(monkeypatch, told):
    monkeypatch.setenv("CRYPTAI_BINANCE_REST", told)
    with pytest.raises(
        InputError, match=r"CRYPTAI_BINANCE_REST is .* names scheme and host only, like http://"
    ):
        Binance()


def test_a_slash_at_its_end_is_taken_off_and_nothing_means_the_venue(monkeypatch):
    monkeypatch.setenv("CRYPTAI_BINANCE_REST", "http://127.0.0.1:8080/")
    assert address("CRYPTAI_BINANCE_REST", "https://x.example") == "http://127.0.0.1:8080"
    monkeypatch.setenv("CRYPTAI_BINANCE_REST", "")
    assert address("CRYPTAI_BINANCE_REST", "https://x.example") == "https://x.example"


# Several processes against one venue

WORKER = """
import asyncio, sys
from cryptai.errors import SourceError
from cryptai.market.sources.binance import Binance

async def main():
    source = Binance()
    async def ask(k):
        for _ in range(4):
            try:
                await source.history("BTC/USDT", "1h", bars=10)
            except SourceError:
                pass
    await asyncio.gather(*(ask(k) for k in range(3)))
    await source.aclose()

{bug}
print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""
NO_RETRY_AFTER = (
    "from cryptai.market.budget import Budget; Budget.refused = lambda self, status, headers: 0.0"
)
BUDGET_EACH = (
    "import pathlib, tempfile; from cryptai.market.budget import Budget\n"
    "Budget._path = lambda self, folder=tempfile.mkdtemp(): pathlib.Path(folder) / 'budget.sqlite3'"
)


class Police:
    """What a venue counts: requests during a pause it asked for, but for those that were under way."""

    def __init__(self, exchange, *, pause_s, at):
        self.exchange = exchange
        self.pause_s = pause_s
        self.at = at
        self.since = self.until = 0.0
        self.seen = 0
        self.early = 0

    def __call__(self):
        self.seen += 1
        now = time.monotonic()
        if now < self.until:
            self.early += now > self.since + 1.5  # on a busy machine, too
            return self.exchange.answer(418, {}, Retry_After=str(self.pause_s))
        if self.seen == self.at:
            self.since, self.until = now, now + self.pause_s
            return self.exchange.answer(429, {}, Retry_After=str(self.pause_s))
        return None


async def policed(monkeypatch, now, bug=""):
    async with standing_in(monkeypatch, now) as exchange:
        exchange.before = Police(exchange, pause_s=5, at=8)
        path = os.pathsep.join(sys.path)
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", WORKER.format(bug=bug), env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
            for _ in range(3)
        ]  # fmt: skip
        for worker in workers:
            assert await worker.stdout.readline() == b"ready\n"
        for worker in workers[:2]:
            worker.stdin.write(b"go\n")
        async with asyncio.timeout(30):
            while not exchange.before.until:  # noqa: ASYNC110 (the venue is no task of ours)
                await asyncio.sleep(0.05)
        await asyncio.sleep(2.0)
        workers[2].stdin.write(b"go\n")  # it comes when the pause has been told to the others only
        for worker in workers:
            await asyncio.wait_for(worker.communicate(), 60)
            assert worker.returncode == 0
        return exchange.before


async def test_three_processes_ask_nothing_before_retry_after(monkeypatch, now):
    police = await policed(monkeypatch, now)
    assert police.until > 0.0
    assert police.seen > 30
    assert police.early == 0


@pytest.mark.parametrize("bug", [NO_RETRY_AFTER, BUDGET_EACH], ids=["no Retry-After", "a budget each"])
async def test_a_planted_bug_is_caught_by_the_venue(monkeypatch, now, bug):
    assert (await policed(monkeypatch, now, bug)).early > 0


async def test_a_pause_that_comes_when_nobody_waits_any_more_is_kept(binance, exchange):
    await binance.ping()
    asked = asyncio.Event()
    exchange.before = asked.set
    exchange.faults = [exchange.answer(429, {}, Retry_After="37")]
    asking = asyncio.create_task(binance.history("BTC/USDT", "1h", bars=3))
    await asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    budget = binance._spot.budget
    async with asyncio.timeout(10):
        while not budget.state().pause_s:  # noqa: ASYNC110 (another process could have heard it)
            await asyncio.sleep(0.01)
    assert 36 < budget.state().pause_s < 39
