"""A stand-in for Binance on loopback: REST and stream on one port, a clock of its own, faults to order."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from contextlib import asynccontextmanager
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe


def truth(timeframe, ts):
    """The one true bar of a time, as the venue's strings: open, high, low, close, volume."""
    step = ts // Timeframe(timeframe).ms
    opens, close = 100 + step % 37 / 8, 100 + (step + 1) % 37 / 8
    return [
        f"{v:.8f}" for v in (opens, max(opens, close) + 0.5, min(opens, close) - 0.5, close, 1 + step % 5)
    ]


def true_row(timeframe, ts):
    return (ts, *map(float, truth(timeframe, ts)))


class Exchange:
    """A venue with a clock (`now_ms`), a first bar, holes, and `faults`: answers it gives first."""

    def __init__(self, now_ms):
        self.now_ms = now_ms
        self.first_ms = 0
        self.holes = set()
        self.faults = []
        self.asked = []
        self.streams = []
        self.connected = asyncio.Event()
        self.refuse_streams = None
        self.info = {}
        self.prices = {}
        self.before = lambda: None

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

    def request(self, _connection, request):  # noqa: PLR0911 (one a path)
        address = urlsplit(request.path)
        if address.path == "/stream":
            return self.answer(self.refuse_streams, {}) if self.refuse_streams else None
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.asked.append((address.path, query))
        told = self.before() or (self.faults.pop(0) if self.faults else None)
        if told is not None:
            return told
        if address.path in ("/api/v3/time", "/fapi/v1/time"):
            return self.answer(200, {"serverTime": self.now_ms})
        if address.path.endswith("/exchangeInfo"):
            return self.answer(200, self.info.get(address.path, {"symbols": []}))
        if address.path.endswith("/ticker/24hr"):
            return self.tickers(query)
        if query["symbol"].startswith("NONE"):
            return self.answer(400, {"code": -1121, "msg": "Invalid symbol."})
        return self.answer(200, self.klines(query))

    def tickers(self, query):
        """Give the prices of all markets, or of those asked for, where none of them is unknown."""
        wanted = json.loads(query["symbols"]) if "symbols" in query else list(self.prices)
        if not set(wanted) <= set(self.prices):
            return self.answer(400, {"code": -1121, "msg": "Invalid symbol."})
        return self.answer(
            200,
            [
                {"symbol": name, "lastPrice": last, "openPrice": before, "closeTime": self.now_ms - 5}
                for name, (last, before) in self.prices.items()
                if name in wanted
            ],
        )

    def klines(self, query):
        """Give the newest `limit` bars that open at `endTime` or before, the unfinished one with them."""
        frame = Timeframe(query["interval"])
        if "endTime" not in query and "startTime" in query:
            return self.first_klines(frame, int(query["startTime"]), int(query["limit"]))
        newest = frame.floor(min(self.now_ms, int(query.get("endTime", self.now_ms))))
        rows, ts = [], newest
        while len(rows) < int(query["limit"]) and ts >= self.first_ms:
            if ts not in self.holes:
                rows.append([ts, *truth(frame, ts), ts + frame.ms - 1, "0", 1, "0", "0", "0"])
            ts -= frame.ms
        return rows[::-1]

    def first_klines(self, frame, start, limit):
        """Give the oldest bars from a time on."""
        ts, rows = frame.floor(max(start, self.first_ms) + frame.ms - 1), []
        while len(rows) < limit and ts <= self.now_ms:
            if ts not in self.holes:
                rows.append([ts, *truth(frame, ts), ts + frame.ms - 1, "0", 1, "0", "0", "0"])
            ts += frame.ms
        return rows

    async def stream(self, socket):
        self.streams.append(socket)
        self.connected.set()
        await socket.wait_closed()

    async def send_bar(self, symbol, timeframe, ts, *, closed, values=None):
        opens, high, low, close, volume = values or truth(timeframe, ts)
        raw = parse_symbol(symbol).replace("/", "")
        k = {"t": ts, "T": ts + Timeframe(timeframe).ms - 1, "s": raw, "i": timeframe, "x": closed}
        k |= {"o": opens, "h": high, "l": low, "c": close, "v": volume}
        await self.send({"stream": "-", "data": {"e": "kline", "E": self.now_ms, "s": raw, "k": k}})

    async def send_price(self, symbol, price, before="100.0"):
        data = {"e": "24hrMiniTicker", "E": self.now_ms, "s": parse_symbol(symbol).replace("/", "")}
        await self.send({"stream": "-", "data": data | {"c": price, "o": before}})

    async def send(self, message):
        text = message if isinstance(message, str) else json.dumps(message)
        await self.streams[-1].send(text)

    async def disconnect(self):
        self.connected.clear()
        await self.streams[-1].close(1001, "maintenance")


@asynccontextmanager
async def standing_in(monkeypatch, now_ms):
    """Run a stand-in and point the Binance source at it; its requests have a budget of their own."""
    exchange = Exchange(now_ms)
    home = tempfile.mkdtemp(prefix="cryptai-standin-")
    monkeypatch.setenv("CRYPTAI_HOME", home)
    async with serve(exchange.stream, "127.0.0.1", 0, process_request=exchange.request) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("CRYPTAI_BINANCE_REST", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("CRYPTAI_BINANCE_WS", f"ws://127.0.0.1:{port}")
        yield exchange
    shutil.rmtree(home)
