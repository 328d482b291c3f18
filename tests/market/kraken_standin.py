"""A stand-in for Kraken on loopback, as ccxt speaks to it: REST and WebSocket v2, and its own clock."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from contextlib import asynccontextmanager
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

from binance_standin import truth
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

from cryptai.market.timeframe import Timeframe
from cryptai.market.times import iso

PAIRS = {
    "XXBTZUSD": ("XBT/USD", "XXBT", "ZUSD"),
    "SOLUSD": ("SOL/USD", "SOL", "ZUSD"),
    "OLDUSD": ("OLD/USD", "OLD", "ZUSD"),
}
FRAMES = {"1": "1m", "60": "1h", "1440": "1d", "10080": "1w"}


class Kraken:
    """Gives bars from a time on, the unfinished one with them; `faults` are answers it gives first."""

    def __init__(self, now_ms):
        self.now_ms = now_ms
        self.first_ms = 0
        self.page = 720
        self.holes = set()
        self.faults = []
        self.asked = []
        self.sockets = []
        self.subscribed = []
        self.heard = asyncio.Condition()

    def answer(self, status, body, **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        told = {
            "Date": formatdate(self.now_ms // 1000, usegmt=True),
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
        }
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(status, "said", Headers(told), content)

    def request(self, _connection, request):
        address = urlsplit(request.path)
        if not address.path.startswith("/0/public/"):
            return None
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        name = address.path.removeprefix("/0/public/")
        self.asked.append((name, query))
        if self.faults and name == "OHLC":
            status, body, headers = self.faults.pop(0)
            return self.answer(status, body, **headers)
        return self.answer(200, {"error": [], "result": getattr(self, name)(query)})

    def Time(self, _query):  # noqa: N802 (Kraken's name)
        return {"unixtime": self.now_ms // 1000}

    def AssetPairs(self, _query):  # noqa: N802 (Kraken's name)
        return {
            key: {
                "altname": key, "wsname": name, "base": base, "quote": quote, "pair_decimals": 1,
                "lot_decimals": 8, "ordermin": "0.0001", "costmin": "0.5", "fees": [], "fees_maker": [],
                "leverage_buy": [], "status": "cancel_only" if key == "OLDUSD" else "online",
            }
            for key, (name, base, quote) in PAIRS.items()
        }  # fmt: skip

    def OHLC(self, query):  # noqa: N802 (Kraken's name)
        frame = Timeframe(FRAMES[query["interval"]])
        first = max(int(query["since"]) * 1000 + frame.ms, self.first_ms)
        ts = frame.floor(first + frame.ms - 1)
        rows = []
        while ts <= self.now_ms and len(rows) < self.page:
            if ts not in self.holes:
                opens, high, low, close, volume = truth(frame, ts)
                rows.append([ts // 1000, opens, high, low, close, "0", volume, 1])
            ts += frame.ms
        return {query["pair"]: rows, "last": self.now_ms // 1000}

    def Ticker(self, _query):  # noqa: N802 (Kraken's name)
        price = {"c": ["37000.5", "1"], "o": "37500.0", "v": ["1", "2"], "p": ["1", "1"]}
        price |= {"h": ["1", "1"], "l": ["1", "1"], "a": ["1", "1", "1"], "b": ["1", "1", "1"], "t": [1, 1]}
        return {"XXBTZUSD": price}

    async def socket(self, connection):
        self.sockets.append(connection)
        async for text in connection:
            message = json.loads(text)
            if message.get("method") == "ping":
                await connection.send(json.dumps({"method": "pong", "req_id": message.get("req_id")}))
            if message.get("method") == "subscribe":
                self.subscribed.append(message["params"])
                async with self.heard:
                    self.heard.notify_all()

    async def subscriptions(self, count):
        async with self.heard:
            await self.heard.wait_for(lambda: len(self.subscribed) >= count)

    async def send_price(self, last):
        data = {"symbol": "BTC/USD", "last": last, "change_pct": 2.0, "volume": 1, "vwap": 1}
        await self.sockets[-1].send(json.dumps({"channel": "ticker", "type": "update", "data": [data]}))

    async def send_bar(self, timeframe, ts, close):
        opens, high, low, _, volume = (float(v) for v in truth(Timeframe(timeframe), ts))
        minutes = Timeframe(timeframe).ms // 60_000
        data = {
            "symbol": "BTC/USD", "open": opens, "high": max(high, close), "low": min(low, close),
            "close": close, "volume": volume, "interval": minutes,
            "interval_begin": iso(ts).replace("Z", ".000000000Z"),
        }  # fmt: skip
        await self.sockets[-1].send(json.dumps({"channel": "ohlc", "type": "update", "data": [data]}))


@asynccontextmanager
async def standing_in(monkeypatch, now_ms):
    """Run a stand-in and point ccxt's exchanges at it; its requests have a budget of their own."""
    kraken = Kraken(now_ms)
    home = tempfile.mkdtemp(prefix="cryptai-standin-")
    monkeypatch.setenv("CRYPTAI_HOME", home)
    async with serve(kraken.socket, "127.0.0.1", 0, process_request=kraken.request) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("CRYPTAI_CCXT_REST", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("CRYPTAI_CCXT_WS", f"ws://127.0.0.1:{port}")
        yield kraken
    shutil.rmtree(home)
