"""The streams of the exchange that lies: prices, forming bars and closes, with what may befall events."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed

from cryptai.market.timeframe import MINUTE_MS, Timeframe
from testbeds.malformed import spoilt_message
from testbeds.truth import Traded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from websockets.asyncio.server import ServerConnection

    from testbeds.exchange import LyingExchange

_TICK_MS: Final = 15_000
# Closes reach the wire a little after the minute.
_LAG_S: Final = 0.12
_LATE_S: Final = 30.0
# Some malformed messages in a row cost the whole connection, so of messages fewer are than of answers: where
# each lived for a minute only, what happens on a long one would never be tried.
_RARER: Final = 0.1
# So many markets of each connection trade, and say what forms, at each tick: who follows many hears of each
# from time to time, and of none of their connections nothing.
_TRADING: Final = 2


@dataclass(eq=False)
class Listener:
    """One connection: what it subscribed to, and whether it hears anything."""

    socket: ServerConnection
    names: set[str] = field(default_factory=set)
    silent: bool = False
    heard_ms: int = 0
    left_ms: int = 0

    def symbols(self, symbols: Sequence[str]) -> list[str]:
        """Return of which of these markets it hears the bars."""
        raw = {name.partition("@kline_")[0] for name in self.names if "@kline_" in name}
        return [symbol for symbol in symbols if symbol.replace("/", "").lower() in raw]


class Streams:
    """Everybody who listens, and the ticking that gives them something to hear."""

    def __init__(self, exchange: LyingExchange, random: np.random.Generator) -> None:
        self._exchange = exchange
        self._random = random
        self.listeners: dict[Listener, None] = {}  # in the order in which they came, the same in every run
        self.opened = 0
        self.silences: list[tuple[int, Listener]] = []
        self.hold = False
        self._held: list[tuple[str, dict[str, Any]]] = []
        self._later: set[asyncio.Task[None]] = set()

    async def serve(self, socket: ServerConnection) -> None:
        """Keep one connection: `/stream?streams=a/b` or `/ws/a`, and SUBSCRIBE on both."""
        address = urlsplit(socket.request.path if socket.request else "")
        query = parse_qs(address.query).get("streams", [""])[0]
        names = query.split("/") if query else address.path.removeprefix("/ws").strip("/").split("/")
        listener = Listener(socket, {name for name in names if "@" in name})
        listener.heard_ms = self._exchange.clock()
        self.opened += 1
        self.listeners[listener] = None
        try:
            async for text in socket:
                await self._order(listener, text)
        except ConnectionClosed:
            pass
        finally:
            listener.left_ms = self._exchange.clock()
            self.listeners.pop(listener, None)

    async def _order(self, listener: Listener, text: str | bytes) -> None:
        order = json.loads(text)
        names = set(order.get("params") or ())
        if order.get("method") == "SUBSCRIBE":
            listener.names |= names
        elif order.get("method") == "UNSUBSCRIBE":
            listener.names -= names
        await listener.socket.send(json.dumps({"result": None, "id": order.get("id")}))

    async def disconnect(self) -> None:
        """Close every connection, as a venue does for maintenance."""
        await asyncio.gather(*(one.socket.close(1001, "maintenance") for one in list(self.listeners)))

    def hush(self) -> None:
        """Leave every open connection open, and say nothing on it any more."""
        for listener in self.listeners:
            if not listener.silent:
                listener.silent = True
                self.silences.append((listener.heard_ms, listener))

    async def release(self) -> int:
        """Say at once all bars that were held back; return how many."""
        self.hold = False
        held, self._held = self._held, []
        for name, data in held:
            await self._say(name, data)
        return len(held)

    async def run(self) -> None:
        """Tick for ever: some times a minute what forms, and each minute what closed."""
        while True:
            now = self._exchange.clock()
            wait = _TICK_MS - now % _TICK_MS
            await asyncio.sleep(wait / 1000 + _LAG_S)
            now = self._exchange.clock()
            if now // MINUTE_MS != (now - _TICK_MS) // MINUTE_MS:
                await self._closes(now)
            if self._exchange.strikes("reset"):
                await self.disconnect()
            if self._exchange.strikes("silence"):
                self.hush()
            await self._forming(now)

    async def _closes(self, now: int) -> None:
        for symbol in self._exchange.truth.symbols:
            for frame in map(Timeframe, ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w")):
                ts = frame.last_closed(now)
                if ts + frame.ms == now - now % MINUTE_MS:
                    bar = self._exchange.truth.bar(symbol, frame, ts, now)
                    if bar is not None:
                        await self.say_bar(symbol, frame, ts, bar, closed=True)

    async def _forming(self, now: int) -> None:
        exchange = self._exchange
        for symbol in self._trading(now):
            for name in self._frames(symbol):
                frame = Timeframe(name)
                ts = frame.floor(now)
                bar = exchange.truth.bar(symbol, frame, ts, now)
                if bar is not None:
                    lie = exchange.strikes("unfinished")
                    await self.say_bar(symbol, frame, ts, bar, closed=lie)
            bar = exchange.truth.bar(symbol, Timeframe("1m"), now - now % MINUTE_MS, now)
            if bar is not None:
                await self._say_price(symbol, bar, now)
        for symbol in sorted(exchange.halted):
            await self._say_price(symbol, Traded(0, 0, 0, 0, 0), now)

    def _trading(self, now: int) -> list[str]:
        """Draw which markets trade at this tick: a few of each connection, of those that can."""
        minute, truth = Timeframe("1m"), self._exchange.truth
        drawn: dict[str, None] = {}
        for listener in self.listeners:
            there = [
                symbol for symbol in listener.symbols(truth.symbols)
                if truth.bar(symbol, minute, minute.floor(now), now) is not None
            ]  # fmt: skip
            if len(there) > _TRADING:
                places = self._random.choice(len(there), _TRADING, replace=False)
                there = [there[i] for i in sorted(places.tolist())]
            drawn |= dict.fromkeys(there)
        return list(drawn)

    def _frames(self, symbol: str) -> list[str]:
        start = f"{symbol.replace('/', '').lower()}@kline_"
        names = {name for one in self.listeners for name in one.names if name.startswith(start)}
        return sorted(name.removeprefix(start) for name in names)

    async def say_bar(self, symbol: str, frame: Timeframe, ts: int, bar: Traded, *, closed: bool) -> None:
        """Send a bar to those who follow it."""
        raw = symbol.replace("/", "")
        opens, high, low, close, volume = bar.strings()
        k = {"t": ts, "T": ts + frame.ms - 1, "s": raw, "i": str(frame), "x": closed, "o": opens, "h": high}
        k |= {"l": low, "c": close, "v": volume, "q": "0", "n": 1, "V": "0", "Q": "0", "B": "0"}
        data = {"e": "kline", "E": self._exchange.clock(), "s": raw, "k": k}
        name = f"{raw.lower()}@kline_{frame}"
        if self.hold:
            self._held.append((name, data))
        else:
            await self._say(name, data)

    async def _say_price(self, symbol: str, bar: Traded, now: int) -> None:
        raw = symbol.replace("/", "")
        opens, high, low, close, volume = bar.strings()
        data = {"e": "24hrMiniTicker", "E": now, "s": raw, "c": close, "o": opens, "h": high, "l": low}
        await self._say(f"{raw.lower()}@miniTicker", data | {"v": volume, "q": "0"})

    async def _say(self, name: str, data: dict[str, Any]) -> None:
        if not any(name in listener.names for listener in self.listeners):
            return
        exchange = self._exchange
        if exchange.strikes("drop"):
            return
        message = {"stream": name, "data": data}
        text = json.dumps(message, separators=(",", ":"))
        if exchange.strikes("malformed", _RARER):
            text = spoilt_message(message, self._random)
        if exchange.strikes("reorder"):
            late = asyncio.create_task(self._send_late(name, text, _LATE_S * self._random.random()))
            self._later.add(late)
            late.add_done_callback(self._later.discard)
            return
        await self._send(name, text)
        if exchange.strikes("duplicate"):
            await self._send(name, text)

    async def _send_late(self, name: str, text: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._send(name, text)

    async def _send(self, name: str, text: str) -> None:
        for listener in list(self.listeners):
            if name in listener.names and not listener.silent:
                listener.heard_ms = self._exchange.clock()
                try:
                    await listener.socket.send(text)
                except ConnectionClosed:
                    self.listeners.pop(listener, None)
