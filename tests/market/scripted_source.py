"""A source under a test's command: true bars for history, and a stream that says what it is told to."""

from __future__ import annotations

import asyncio

import numpy as np
from binance_standin import true_row

from cryptai import seams
from cryptai.market.candles import Candles
from cryptai.market.source import Bar
from cryptai.market.timeframe import Timeframe


def true_bar(symbol, timeframe, ts, *, closed=True):
    return Bar(symbol, timeframe, true_row(timeframe, ts), closed)


class Scripted:
    """`holes` are bars it never had; `errors` maps a symbol to what asking for it raises.

    `revised` maps the time of a bar to what its close and high are more than was said first.
    """

    title = "The venue"

    def __init__(self, *, name="venue", practice=False):
        self.name = name
        self.practice = practice
        self.holes = set()
        self.errors = {}
        self.revised = {}
        self.asked = []
        self.pinged = None
        self.closed = False
        self.streams = 0
        self.connected = asyncio.Event()
        self.said = asyncio.Queue()
        self.heard = asyncio.Event()

    def now_ms(self):
        return seams.now_ms()

    async def ping(self):
        if self.pinged:
            raise self.pinged

    async def aclose(self):
        self.closed = True

    async def history(self, symbol, timeframe, *, end_ms=None, bars):
        frame = Timeframe(timeframe)
        now = seams.now_ms()
        self.asked.append((symbol, str(timeframe), end_ms, bars))
        await asyncio.sleep(0)
        if symbol in self.errors:
            raise self.errors[symbol]
        end = min(frame.floor((now if end_ms is None else end_ms) - 1) + frame.ms, frame.floor(now))
        times = [ts for ts in range(end - bars * frame.ms, end, frame.ms) if ts not in self.holes]
        columns = np.array([true_row(timeframe, ts)[1:] for ts in times]).reshape(-1, 5).T
        more = np.array([self.revised.get(ts, 0.0) for ts in times])
        columns[1] += more
        columns[3] += more
        return Candles(np.array(times, np.int64), *columns, symbol, frame)

    async def stream(self, symbols, timeframes):
        self.streams += 1
        self.connected.set()
        while True:
            if self.said.empty():
                self.heard.set()
            event = await self.said.get()
            if isinstance(event, BaseException):
                raise event
            yield event

    def say(self, *events):
        self.heard.clear()
        for event in events:
            self.said.put_nowait(event)
