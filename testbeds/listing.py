"""B7: markets are delisted, renamed, halted and listed anew while they are followed; the others go on."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cryptai import seams
from cryptai.market.feed import Feed
from cryptai.market.prices import PriceBook
from cryptai.market.source import open_source
from cryptai.market.store import CandleStore
from cryptai.market.symbol_sync import sync_symbols
from cryptai.market.symbols import SymbolBook
from cryptai.market.timeframe import MINUTE_MS, Timeframe
from testbeds import faults
from testbeds.exchange import LyingExchange, named
from testbeds.follow import START_MS
from testbeds.home import a_folder
from testbeds.reader import Reader
from testbeds.simulated import Clock, simulate
from testbeds.truth import Truth

if TYPE_CHECKING:
    from pathlib import Path

Fate = Literal["delisted", "renamed", "halted", "relisted"]
_FATES: Final[tuple[Fate, ...]] = ("delisted", "renamed", "halted", "relisted")
_HISTORY: Final = 60
_CALM: Final = 15  # minutes before the first fate, to know what is usual
_AWAY: Final = 20  # minutes until what is listed anew is back
_SYNC_S: Final = 300.0
# The others' closes may come so much later than before.
_SLOWER: Final = 1.10


@dataclass
class _Seen:
    """What was published: how late the closes of unharmed markets came (ms), and prices that are none."""

    calm: list[int] = field(default_factory=list)
    struck: list[int] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)


def listings(seed: int, symbols: int, struck: int, minutes: int) -> dict[str, Any]:
    """Follow so many markets, of which some meet a fate in these minutes; return what came of it."""
    with a_folder() as folder:
        start = START_MS - _HISTORY * MINUTE_MS
        return simulate(lambda clock: _Run(seed, symbols, struck, minutes, clock, folder).run(), start, seed)


class _Run:
    def __init__(
        self, seed: int, symbols: int, struck: int, minutes: int, clock: Clock, folder: Path
    ) -> None:
        self.seed, self.minutes, self.clock = seed, minutes, clock
        self.random = seams.rng([seed, 53])
        self.symbols = [f"C{i:03d}/USDT" for i in range(symbols)]
        chosen = sorted(self.random.choice(symbols, struck, replace=False).tolist())
        self.fates = {self.symbols[i]: _FATES[k % len(_FATES)] for k, i in enumerate(chosen)}
        self.after = {old: old.replace("C", "N") for old, fate in self.fates.items() if fate == "renamed"}
        length = _HISTORY + _CALM + minutes + 60
        self.truth = Truth(seed, [*self.symbols, *self.after.values()], clock.start_ms, length)
        self.exchange = LyingExchange(self.truth, faults.none(), clock.venue_ms, seed)
        self.exchange.gone |= set(self.after.values())
        self.store = CandleStore(folder / "candles")
        self.book = SymbolBook(folder / "symbols.sqlite3")
        self.prices = PriceBook(folder / "prices.sqlite3")
        self.at_ms: dict[str, int] = {}
        self.seen = _Seen()

    def publish(self, event: dict[str, Any]) -> None:
        if event["type"] == "price" and not 0.0 < event["price"] < math.inf:
            self.seen.impossible.append(f"{event['symbol']} at {event['price']}")
        if event["type"] == "candle" and event["closed"] and event["symbol"] not in self.fates:
            late = self.clock.venue_ms() - event["bar"][0] - MINUTE_MS
            (self.seen.struck if self.at_ms else self.seen.calm).append(late)

    async def run(self) -> dict[str, Any]:
        await asyncio.sleep(_HISTORY * 60)
        crashed = ""
        async with named(self.exchange):
            feed = Feed(self.store, self.publish, symbols=self.symbols, timeframes=["1m"], bars=_HISTORY)
            tasks = [asyncio.create_task(work) for work in (feed.run(), self.keep_books(), self.strike())]
            try:
                await asyncio.wait(tasks, timeout=(_CALM + self.minutes) * 60, return_when="FIRST_EXCEPTION")
                # Judged in the middle of a minute.
                await asyncio.wait(tasks[:2], timeout=630.0, return_when="FIRST_EXCEPTION")
                crashed = " ".join(
                    repr(task.exception()) for task in tasks if task.done() and task.exception()
                )
                return await asyncio.to_thread(self.figures, crashed)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def keep_books(self) -> None:
        """Do what the platform's jobs do, more often: keep the venue's list and its last prices."""
        source = open_source("binance")
        try:
            while True:
                await sync_symbols(source, self.book)
                prices: Any = source
                self.prices.add("binance", await prices.prices([*self.symbols, *self.after.values()]))
                await asyncio.sleep(_SYNC_S)
        finally:
            await source.aclose()

    async def strike(self) -> None:
        await asyncio.sleep(_CALM * 60)
        # The first at once: from here on lateness is judged.
        moments = sorted(
            [0.0, *self.random.uniform(0.0, (self.minutes - _AWAY - 5) * 60.0, len(self.fates) - 1).tolist()]
        )
        now = 0.0
        for moment, (symbol, fate) in zip(moments, self.fates.items(), strict=True):
            await asyncio.sleep(moment - now)
            now = moment
            self.meet(symbol, fate)

    def meet(self, symbol: str, fate: Fate) -> None:
        """Let a market meet its fate at the next minute."""
        now = self.clock.venue_ms()
        self.at_ms[symbol] = now
        first = Timeframe("1m").floor(now) + MINUTE_MS
        left = (self.truth.end_ms - first) // MINUTE_MS
        exchange, loop = self.exchange, asyncio.get_running_loop()
        if fate == "halted":
            self.truth.stop(symbol, first, left)
            exchange.halted.add(symbol)
        else:
            self.truth.stop(symbol, first, _AWAY if fate == "relisted" else left)
            loop.call_later(60.0, exchange.gone.add, symbol)
        if fate == "relisted":
            loop.call_later(60.0 * _AWAY, exchange.gone.discard, symbol)
        if fate == "renamed":
            new = self.after[symbol]
            self.truth.stop(new, self.truth.start_ms, (first - self.truth.start_ms) // MINUTE_MS)
            loop.call_later(60.0, exchange.gone.discard, new)

    def figures(self, crashed: str) -> dict[str, Any]:
        self.rename()
        told = {
            symbol: {event.kind for event in self.book.events("binance", symbol)} for symbol in self.fates
        }
        wanted = {
            "delisted": {"delisted"}, "renamed": {"delisted", "renamed"}, "halted": {"halted"},
            "relisted": {"delisted", "listed"},
        }  # fmt: skip
        unrecorded = [symbol for symbol, fate in self.fates.items() if not wanted[fate] <= told[symbol]]
        reader = Reader(self.store, self.truth, self.clock.venue_ms, ["1m"])
        # What is gone cannot be asked for any more: all that it had until then is there.
        wrong = [symbol for symbol in self.symbols if not self.whole(reader, symbol)]
        quotes, now = self.prices.latest("binance"), self.clock.venue_ms()
        dead = [symbol for symbol, fate in self.fates.items() if fate != "relisted"]
        valued = [
            symbol for symbol in dead
            if symbol in quotes and quotes[symbol].ts > self.at_ms.get(symbol, now) + 2 * MINUTE_MS
        ]  # fmt: skip
        impossible = [
            *self.seen.impossible,
            *(q.symbol for q in quotes.values() if not 0.0 < q.price < math.inf),
        ]
        calm, struck = (float(np.percentile(late or [0], 99)) for late in (self.seen.calm, self.seen.struck))
        return {
            "seed": self.seed, "symbols": len(self.symbols), "struck": len(self.fates), "crashed": crashed,
            "impossible_prices": len(impossible), "dead_with_a_new_price": len(valued),
            "unrecorded": len(unrecorded), "universe_wrong": self.universe_wrong(), "different": len(wrong),
            "closes": len(self.seen.calm) + len(self.seen.struck), "p99_before_ms": calm,
            "p99_after_ms": struck, "connections": self.exchange.streams.opened,
            "examples": [*impossible, *unrecorded, *wrong, *valued][:5],
            "fell_short": [
                words for words, broken in {
                    "something crashed": bool(crashed),
                    "a price of 0 or none was published or kept": bool(impossible),
                    "a dead market has a price of today": bool(valued),
                    "the book of symbols lacks an event": bool(unrecorded),
                    "the universe as of a moment is wrong": self.universe_wrong() > 0,
                    "the store differs from the truth": bool(wrong),
                    "the others' closes came later than before": struck > calm * _SLOWER,
                    "no close was seen": not (self.seen.calm and self.seen.struck),
                }.items() if broken
            ],
        }  # fmt: skip

    def rename(self) -> None:
        """Say what a venue's list does not: which market goes on under another name."""
        listed = {info.symbol for info in self.book.universe("binance")}
        for old, new in self.after.items():
            if new in listed:
                self.book.renamed("binance", old, new, self.at_ms[old], self.clock.venue_ms())

    def whole(self, reader: Reader, symbol: str) -> bool:
        stored = reader.read(symbol, Timeframe("1m"))
        # The feed began with the last bars of the history.
        now = self.clock.venue_ms()
        true = self.truth.candles(symbol, Timeframe("1m"), self.truth.start_ms, now)
        return stored is not None and stored.digest == true.digest

    def universe_wrong(self) -> int:
        """How many moments there are as of which the universe is not what was traded then."""
        now = self.clock.venue_ms()
        before, after = set(self.symbols), set(self.symbols) | set(self.after.values())
        after -= {symbol for symbol, fate in self.fates.items() if fate != "relisted"}
        wrong = {info.symbol for info in self.book.universe("binance")} != after
        began = min(self.at_ms.values(), default=now) - MINUTE_MS
        then = {info.symbol for info in self.book.universe("binance", as_of_ms=began)}
        now_ = {info.symbol for info in self.book.universe("binance", as_of_ms=now)}
        return int(wrong) + (then != before) + (now_ != after)
