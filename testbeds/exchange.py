"""Bed 1: an exchange on loopback, in Binance's shape, that lies in sixteen ways and remembers everything."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve

from cryptai import seams
from cryptai.market.timeframe import Timeframe
from testbeds.ledger import Ledger
from testbeds.malformed import spoilt_body
from testbeds.streams import Streams
from testbeds.wire import Answer, speak

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from testbeds.faults import Faults
    from testbeds.ledger import Request
    from testbeds.truth import Traded, Truth

_WEIGHTS: Final = {"/api/v3/klines": 2, "/api/v3/exchangeInfo": 20}


class LyingExchange:
    """REST and streams over one truth, with faults drawn from a seed.

    Parameters
    ----------
    clock
        Returns the venue's time in ms UTC. Candles open and close by it, and answers are dated with it.
    """

    def __init__(self, truth: Truth, faults: Faults, clock: Callable[[], int], seed: int = 0) -> None:
        self.truth = truth
        self.faults = faults
        self.clock = clock
        self.ledger = Ledger()
        self.delisted: set[str] = set()
        self.halted: set[str] = set()  # listed, not traded
        self.gone: set[str] = set()  # on no list any more, or not yet
        self.fails_first = 0  # so many requests fail before any is answered
        self.names = {symbol.replace("/", ""): symbol for symbol in truth.symbols}
        # Rows of closed bars by open time, "" where there is none, after so many changes of the truth.
        self._written: dict[tuple[str, Timeframe], tuple[int, dict[int, str]]] = {}
        self._random = seams.rng([seed, 19])
        self.streams = Streams(self, seams.rng([seed, 23]))
        self.rest = ""
        self.ws = ""

    def strikes(self, kind: str, share: float = 1.0) -> bool:
        """Draw whether a fault of this kind strikes now, at a share of its rate."""
        rate = self.faults.rate(kind) * share
        if rate <= 0.0 or self._random.random() >= rate:
            return False
        self.faults.note(kind)
        return True

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LyingExchange]:
        """Listen on two free ports of loopback, and stream, while the block runs."""
        rest = await asyncio.start_server(partial(speak, self.answer), "127.0.0.1", 0)
        async with (
            rest,
            serve(self.streams.serve, "127.0.0.1", 0, ping_interval=None, compression=None) as ws,
        ):
            self.rest = f"http://127.0.0.1:{rest.sockets[0].getsockname()[1]}"
            self.ws = f"ws://127.0.0.1:{next(iter(ws.sockets)).getsockname()[1]}"
            ticking = asyncio.create_task(self.streams.run())
            try:
                yield self
            finally:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)

    async def answer(self, target: str) -> Answer:
        """Answer one request; `target` is its path and query."""
        address = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        request = self.ledger.take(self.clock(), address.path, _WEIGHTS.get(address.path, 1))
        refused = self.ledger.refusal(request) or self._injected(request)
        if refused:
            status, seconds = refused
            # A pause without a length is a pause all the same: the venue's minute.
            told = {"Retry-After": str(seconds)}
            return self._said(request, status, {"code": -1003, "msg": "Too many requests."}, told)
        if self.fails_first or self.strikes("error"):
            self.fails_first = max(0, self.fails_first - 1)
            return self._said(request, (500, 502, 503)[self._random.integers(3)], {"code": -1000})
        if self.strikes("late_error"):
            if self._random.random() < 0.5:
                await asyncio.sleep(30.0)  # longer than anyone waits
            return self._said(request, 504, {"code": -1007})
        status, body = self._result(address.path, query)
        if status == 200 and self.strikes("malformed"):
            body = spoilt_body(body, self._random)
        if self.strikes("reset"):
            broken = self._said(request, 200, body)
            request.status = 0
            return replace(broken, end="half open" if self._random.random() < 0.5 else "reset")
        return self._said(request, status, body)

    def _injected(self, request: Request) -> tuple[int, int] | None:
        refused = None
        if self.strikes("pause"):
            refused = self.ledger.pause(request.at_ms, int(self._random.integers(1, 40)))
        elif self.strikes("ban"):
            refused = self.ledger.ban(request.at_ms)
        request.injected = refused is not None
        return refused

    def _result(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path == "/api/v3/klines":
            return self._klines(query)
        if path == "/api/v3/ticker/24hr":
            return self._tickers(query)
        answers: dict[str, Callable[[], Any]] = {
            "/api/v3/ping": dict,
            "/api/v3/time": lambda: {"serverTime": self.clock()},
            "/api/v3/exchangeInfo": self._info,
            "/fapi/v1/exchangeInfo": lambda: {"timezone": "UTC", "rateLimits": [], "symbols": []},
        }
        if path in answers:
            return 200, answers[path]()
        return 404, {"code": -1, "msg": f"There is nothing at {path}."}

    def _klines(self, query: dict[str, str]) -> tuple[int, Any]:
        symbol = self.names.get(query.get("symbol", ""))
        if symbol is None or symbol in self.delisted | self.gone:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        frame = Timeframe(query["interval"])
        limit = min(int(query.get("limit", "500")), 1000)
        now = self.clock()
        start, end = int(query.get("startTime", "0")), int(query.get("endTime", str(now)))
        if "startTime" in query:
            # From the start on, oldest first.
            end = min(end, start + limit * frame.ms - 1)
        if self.strikes("pages"):
            if self._random.random() < 0.5:
                limit = max(1, limit // 2)
            else:
                end, limit = end + 2 * frame.ms, limit + 2
        rows = self._rows(symbol, frame, (start, end), limit, now)
        return 200, f"[{','.join(reversed(rows))}]".encode()

    def _rows(
        self, symbol: str, frame: Timeframe, within: tuple[int, int], limit: int, now: int
    ) -> list[str]:
        """Return up to `limit` rows, newest first; the closed ones are kept until the truth changes."""
        start, end = max(within[0], self.truth.start_ms), within[1]
        changes, known = self._written.get((symbol, frame), (-1, {}))
        if changes != self.truth.changes[symbol]:
            known = {}
            self._written[symbol, frame] = self.truth.changes[symbol], known
        rows: list[str] = []
        ts = frame.floor(min(now, end))
        while len(rows) < limit and ts >= start:
            row = known.get(ts)
            if row is None:
                bar = self.truth.bar(symbol, frame, ts, now)
                row = "" if bar is None else _row(ts, frame.ms, bar)
                if ts + frame.ms <= now:
                    known[ts] = row
            if row:
                rows.append(row)
            ts -= frame.ms
        return rows

    def _tickers(self, query: dict[str, str]) -> tuple[int, Any]:
        asked = json.loads(query["symbols"]) if "symbols" in query else list(self.names)
        there = {raw: symbol for raw, symbol in self.names.items() if symbol not in self.gone}
        if "symbols" in query and not set(asked) <= set(there):
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        now, frame = self.clock(), Timeframe("1m")
        rows = []
        for raw in asked:
            symbol = there.get(raw)
            if symbol is not None:
                bar = None if symbol in self.halted else self.truth.bar(symbol, frame, frame.floor(now), now)
                last = "0.00000000" if bar is None else bar.strings()[3]
                rows.append({"symbol": raw, "lastPrice": last, "openPrice": last, "closeTime": now})
        return 200, rows

    def _info(self) -> dict[str, Any]:
        symbols = []
        for raw, symbol in self.names.items():
            base, _, quote = symbol.partition("/")
            if symbol in self.gone:
                continue
            status = "BREAK" if symbol in self.delisted | self.halted else "TRADING"
            filters = [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.01",
                    "maxPrice": "1000000.00",
                    "tickSize": "0.01",
                },
                {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000.000", "stepSize": "0.001"},
                {"filterType": "NOTIONAL", "minNotional": "5.00"},
            ]
            symbols.append(
                {"symbol": raw, "status": status, "baseAsset": base, "quoteAsset": quote, "filters": filters}
            )
        limits = [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": most}
            for most in (self.ledger.limit,)
            if most
        ]
        return {"timezone": "UTC", "serverTime": self.clock(), "rateLimits": limits, "symbols": symbols}

    def _said(
        self, request: Request, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> Answer:
        request.status = status
        content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        used = str(self.ledger.used)
        if self.strikes("weights"):
            used = ("0", "999999999", "-1", "NaN")[self._random.integers(4)]
        told = {
            "Date": formatdate(self.clock() // 1000, usegmt=True),
            "Content-Type": "application/json;charset=UTF-8",
            "X-MBX-USED-WEIGHT-1M": used,
        }
        return Answer(status, content, told | (headers or {}))


def _row(ts: int, length_ms: int, bar: Traded) -> str:
    row = [ts, *bar.strings(), ts + length_ms - 1, "0", 1, "0", "0", "0"]
    return json.dumps(row, separators=(",", ":"))


@asynccontextmanager
async def named(exchange: LyingExchange) -> AsyncIterator[LyingExchange]:
    """Open the exchange and point the product at it, by the settings a person has."""
    names = ("CRYPTAI_BINANCE_REST", "CRYPTAI_BINANCE_WS")
    before = {name: os.environ.get(name) for name in names}
    async with exchange.open():
        os.environ.update(CRYPTAI_BINANCE_REST=exchange.rest, CRYPTAI_BINANCE_WS=exchange.ws)
        try:
            yield exchange
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
