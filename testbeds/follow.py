"""The product follows the exchange that lies through simulated days: store = truth (B1) and relatives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from cryptai.market.feed import Feed
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import DAY_MS, MINUTE_MS, Timeframe
from testbeds import faults as kinds_of_fault
from testbeds.exchange import LyingExchange, named
from testbeds.home import a_folder
from testbeds.reader import Reader
from testbeds.simulated import Clock, simulate
from testbeds.truth import Truth
from testbeds.wire import in_memory

if TYPE_CHECKING:
    from testbeds.faults import Faults

START_MS: Final = 1_700_006_400_000  # 2023-11-15, midnight UTC
_POLL_S: Final = 20.0
_LOOKED_AT: Final = 2
# How long after the last fault everything must have healed, in simulated time.
_HEAL_S: Final = 420.0
_AFTER_MINUTES: Final = 1500
# Longer bans are earned by not obeying, which the run has told already.
_LONGEST_BAN_S: Final = 600.0


@dataclass(frozen=True)
class Volume:
    """How much is followed: symbols, timeframes, minutes with faults, minutes of history before.

    `in_memory` is the share of requests that reach the venue in memory (see `testbeds.wire`).
    """

    symbols: int = 4
    frames: tuple[str, ...] = ("1m", "5m")
    minutes: int = 120
    history: int = 180
    start_ms: int = START_MS
    in_memory: float = 0.0


@dataclass
class Outcome:
    """What a run came to; `fell_short` names what was promised and did not hold."""

    seed: int
    minutes: int
    candles: int = 0
    untrue: int = 0
    different: int = 0
    holes_different: int = 0
    derived_different: int = 0
    holes_unrecorded: int = 0
    holes_misrecorded: int = 0
    live_share: float = 0.0
    early: int = 0
    own_bans: int = 0
    own_pauses: int = 0
    requests: int = 0
    connections: int = 0
    crashed: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def fell_short(self) -> list[str]:
        """Return what did not hold, as words; nothing where all did."""
        broken = {
            "the feed died": bool(self.crashed),
            "no candle was seen": self.candles == 0,
            "untrue closed candles were visible": self.untrue > 0,
            "the store differs from the truth": self.different > 0,
            "the holes are not the venue's outages": self.holes_different > 0,
            "coarser bars made of the store are not those made of the truth": self.derived_different > 0,
            "holes are not recorded as the venue's": self.holes_unrecorded > 0,
            "bars that the venue has are recorded as holes": self.holes_misrecorded > 0,
            "requests came before they were allowed": self.early > 0,
            "the venue banned us for our own doing": self.own_bans > 0,
        }
        return [words for words, is_broken in broken.items() if is_broken]


def follow(seed: int, volume: Volume, faults: Faults | None = None) -> Outcome:
    """Let the product follow an exchange with these faults (None: drawn from the seed)."""
    faults = kinds_of_fault.draw(seed) if faults is None else faults
    with a_folder() as folder:
        start = volume.start_ms - volume.history * MINUTE_MS
        return simulate(lambda clock: _Run(seed, volume, faults, clock, folder).run(), start, seed)


class _Run:
    def __init__(self, seed: int, volume: Volume, faults: Faults, clock: Clock, folder: Path) -> None:
        self.seed, self.volume, self.faults, self.clock = seed, volume, faults, clock
        symbols = [f"C{i:03d}/USDT" for i in range(volume.symbols)]
        minutes = volume.history + volume.minutes + _AFTER_MINUTES
        self.truth = Truth(seed, symbols, clock.start_ms, minutes)
        self.random = seams.rng([seed, 29])
        self.exchange = LyingExchange(self.truth, faults, clock.venue_ms, seed)
        self.store = CandleStore(folder / "candles")
        self.reader = Reader(CandleStore(folder / "candles"), self.truth, clock.venue_ms, volume.frames)
        self.live = asyncio.Event()
        # How long the feed was live while there were faults: a run that never is would prove little.
        self.live_s = self.since_s = self.until_s = 0.0
        self._went_live_s: float | None = None

    def publish(self, event: dict[str, Any]) -> None:
        self.reader.heard(event)
        if event["type"] == "state":
            self._count_live()
            self._went_live_s = seams.monotonic() if event["state"] == "live" else None
            if event["state"] == "live":
                self.live.set()

    def _count_live(self) -> None:
        if self._went_live_s is not None and self.faults.on:
            self.live_s += seams.monotonic() - max(self._went_live_s, self.since_s)
            self._went_live_s = seams.monotonic()

    async def run(self) -> Outcome:
        volume = self.volume
        for symbol in self.truth.symbols:
            # What the venue did not trade in the past is a hole, too.
            first = self.truth.start_ms + int(self.random.integers(10, volume.history - 20)) * MINUTE_MS
            self.truth.stop(symbol, first, int(self.random.integers(1, 12)))
        await asyncio.sleep(volume.history * 60)
        self.faults.on = False
        async with named(self.exchange):
            with in_memory(self.exchange.answer, self.seed, volume.in_memory):
                return await self.follow()

    async def follow(self) -> Outcome:
        volume, faults = self.volume, self.faults
        feed = Feed(
            self.store, self.publish, symbols=self.truth.symbols, timeframes=volume.frames,
            bars=volume.history + volume.minutes + _AFTER_MINUTES,
        )  # fmt: skip
        following = asyncio.create_task(feed.run())
        reading = asyncio.create_task(self.read())
        fate = asyncio.create_task(self.fate())
        try:
            live = asyncio.create_task(self.live.wait())
            await asyncio.wait([following, live], return_when="FIRST_COMPLETED")
            faults.on, self.since_s = True, seams.monotonic()
            await asyncio.wait([following, reading], timeout=volume.minutes * 60)
            self._count_live()
            faults.on, self.until_s = False, seams.monotonic()
            await self.heal(following)
            return await self.outcome(following, reading)
        finally:
            for task in (following, reading, fate):
                task.cancel()
            await asyncio.gather(following, reading, fate, return_exceptions=True)

    async def read(self) -> None:
        while True:
            await asyncio.to_thread(self.reader.look, 90, some=_LOOKED_AT)
            await asyncio.sleep(_POLL_S)

    async def heal(self, following: asyncio.Task[None]) -> None:
        """Wait until the venue allows requests again, let go of every connection, and give time to heal."""
        banned_s = max(0, self.exchange.ledger.allowed_ms - self.clock.venue_ms()) / 1000
        banned_s = min(banned_s, _LONGEST_BAN_S)
        await asyncio.wait([following], timeout=banned_s + _HEAL_S)
        await self.exchange.streams.disconnect()
        await asyncio.wait([following], timeout=_HEAL_S)
        await self.exchange.streams.disconnect()
        # A halt may outlast the faults, and both of these, by a minute; its minutes are recorded, too.
        # Judged in the middle of a minute, when what closed is on its way no more.
        now = self.clock.venue_ms()
        await asyncio.wait([following], timeout=_HEAL_S + (MINUTE_MS - now % MINUTE_MS) / 1000 + 40.0)

    async def outcome(self, following: asyncio.Task[None], reading: asyncio.Task[None]) -> Outcome:
        await asyncio.to_thread(self.reader.look)
        crashed = ""
        for task in (following, reading):
            if task.done():
                crashed += f"{task.exception()!r} "
        found = await asyncio.to_thread(self.reader.differences, self.truth.start_ms)
        ledger = self.exchange.ledger
        return Outcome(
            seed=self.seed, minutes=self.volume.minutes, candles=self.reader.seen, untrue=self.reader.wrong,
            different=found.series, holes_different=found.holes, derived_different=found.derived,
            holes_unrecorded=found.unrecorded, holes_misrecorded=found.misrecorded,
            live_share=round(self.live_s / max(1.0, self.until_s - self.since_s), 3), early=ledger.early,
            own_bans=ledger.count(418, injected=False), own_pauses=ledger.count(429, injected=False),
            requests=len(ledger.requests), connections=self.exchange.streams.opened, crashed=crashed.strip(),
            faults=dict(sorted(self.faults.struck.items())), examples=self.reader.untrue,
        )  # fmt: skip

    async def fate(self) -> None:
        """Once a minute: revisions, halts, delistings and clocks that jump."""
        while True:
            await asyncio.sleep(60.0)
            now = self.clock.venue_ms()
            for symbol in self.truth.symbols:
                if self.happens("revision"):
                    ts = Timeframe("1m").last_closed(now) - int(self.random.integers(0, 20)) * MINUTE_MS
                    self.truth.revise(symbol, ts, now, self.seed)
                if symbol not in self.exchange.delisted and self.happens("listing"):
                    self.halt(symbol, now)
            if self.happens("clock"):
                self.clock.skew_ms = int(self.random.integers(-600_000, 600_001))
                self.clock.drift_ppm = float(self.random.integers(-500, 501))

    def happens(self, kind: str) -> bool:
        if self.random.random() >= self.faults.rate(kind) * MINUTE_MS / DAY_MS:
            return False
        self.faults.note(kind)
        return True

    def halt(self, symbol: str, now: int) -> None:
        minutes = int(self.random.integers(2, 15))
        first = Timeframe("1m").floor(now) + MINUTE_MS
        self.truth.stop(symbol, first, minutes)
        if self.random.random() < 0.5:
            loop = asyncio.get_running_loop()
            loop.call_later(60.0, self.exchange.delisted.add, symbol)
            loop.call_later(60.0 * minutes, self.exchange.delisted.discard, symbol)


def with_kinds(seed: int, *kinds: str, often: float = 1.0) -> Faults:
    """Return an exchange with only these faults, each at its most; those by the day `often` times that."""
    drawn = kinds_of_fault.draw(seed, kinds)
    most = kinds_of_fault.MOST
    return replace(drawn, rates={kind: most[kind] * (often if most[kind] > 1.0 else 1.0) for kind in kinds})
