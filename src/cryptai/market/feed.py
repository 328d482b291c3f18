"""The feed: one venue followed for ever, from connecting to live prices, with every close kept first."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from cryptai import seams
from cryptai.errors import SourceError
from cryptai.market.exchange import PRACTICE
from cryptai.market.following import Following
from cryptai.market.opens import Opens
from cryptai.market.reaching import answers, reach
from cryptai.market.reconcile import Reconciler
from cryptai.market.source import LARGE_PAIRS, Backoff, open_source
from cryptai.market.symbol import parse_symbol
from cryptai.market.sync import fill
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from cryptai.market.source import CandleSource
    from cryptai.market.store import CandleStore

log = logging.getLogger(__name__)

State: TypeAlias = Literal["connecting", "backfilling", "live", "stale", "halted", "stopped"]
# A connection that held so long was a good one: the next loss is asked about at once.
_STEADY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """Where the feed stands.

    Attributes
    ----------
    exchange
        The exchange in force: after falling back it is "practice", whatever was asked for.
    practice
        Whether its prices are synthetic.
    state
        `connecting` (first time), `backfilling`, `live`, `stale` (it was live, and nothing comes; the feed
        keeps trying), `halted` (so is that, but the venue says that it has halted all that is followed),
        `stopped`.
    message
        One sentence for people.
    done, total
        Series filled so far, and series to fill.
    since_ms
        When this state began.
    """

    exchange: str
    practice: bool
    state: State
    message: str
    done: int
    total: int
    since_ms: int

    def as_event(self) -> dict[str, Any]:
        """Return it as the event that is published at each change."""
        return {"type": "state", **asdict(self)}


class Feed:
    """Follow one exchange: connect, fill the store, then stream; go on with the practice market if need be.

    `publish(event)` is called on the running loop, quickly and in order, with one of::

        {"type": "price", "exchange", "symbol", "price", "ts", "change_24h"}
        {"type": "candle", "exchange", "symbol", "timeframe", "bar": [ts, o, h, l, c, v], "closed": bool}
        {"type": "state", **FeedStatus}

    A closed candle is durable in the store before it is published, and no candle is published before
    the closes that precede it. Prices and unfinished candles are conflated when their reader is slow; closes
    never are. An exchange that cannot be reached at the beginning is replaced by the practice market until it
    can be, and the status says so; one that is lost later stays, `stale`, and is tried for ever.

    Parameters
    ----------
    silence_s
        A connection over which nothing came for so long is dead.
    halted
        Whether the venue says that it has halted all these markets, asked when nothing comes; None: nobody
        is asked.
    find, rest
        How a source is opened by name, and how to wait: replaced in a simulated world.
    """

    def __init__(
        self,
        store: CandleStore,
        publish: Callable[[dict[str, Any]], None],
        *,
        exchange: str = "binance",
        symbols: Sequence[str] = LARGE_PAIRS,
        timeframes: Sequence[str] = ("1h", "4h", "1d"),
        bars: int = 1000,
        silence_s: float = 30.0,
        halted: Callable[[CandleSource, Sequence[str]], Awaitable[bool]] | None = None,
        find: Callable[[str], CandleSource] = open_source,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._publish = publish
        self._exchange = exchange
        self._symbols = tuple(parse_symbol(symbol) for symbol in symbols)
        self._timeframes = tuple(Timeframe(name) for name in timeframes)
        self._bars = bars
        self._silence_s = silence_s
        self._halted = halted
        self._find = find
        self._rest = rest
        self._backoff = Backoff()
        self._notice = ""
        self._was_live = False
        self._is_halted = False
        self._title = exchange
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        total = len(self._symbols) * len(self._timeframes)
        self._status = FeedStatus(
            exchange=exchange,
            practice=exchange == PRACTICE,
            state="connecting",
            message=f"Connecting to {exchange}.",
            done=0,
            total=total,
            since_ms=seams.now_ms(),
        )

    @property
    def status(self) -> FeedStatus:
        """Where the feed stands now."""
        return self._status

    async def run(self) -> None:
        """Follow the exchange until cancelled or stopped.

        Raises
        ------
        UnknownName
            For an exchange there is no source for.
        CryptaiError, OSError
            When the store cannot keep what comes: the feed stops rather than publish what it did not keep.
        """
        if self._stopping:
            self._tell("stopped", "The feed was stopped.")
            return
        self._task = asyncio.create_task(self._run(), name="feed")
        try:
            await self._task
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._tell("stopped", "The feed was stopped.")
            if not self._stopping:
                raise
        except BaseException as error:
            self._tell("stopped", f"The feed stopped: {error}")
            raise

    def stop(self) -> None:
        """Let `run` return; a write that has begun is finished first."""
        self._stopping = True
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        source = await asyncio.to_thread(self._find, self._exchange)  # imports its libraries
        try:
            while True:
                self._enter(source)
                try:
                    if not source.practice:
                        await reach(source, self._backoff, self._rest, self._connecting)
                    await self._follow(source)
                except SourceError as error:
                    if source.practice:
                        raise
                    log.warning("%s", error)
                    await self._practise(error, source)
        finally:
            await source.aclose()

    async def _practise(self, why: SourceError, away: CandleSource) -> None:
        """Follow the practice market until the venue that is away can be reached, if it ever can."""
        practice = await asyncio.to_thread(self._find, PRACTICE)
        try:
            self._enter(practice, f"{str(why).rstrip('.')}; ")
            # It has the large pairs alone: where none of ours is among them, all of those are shown.
            symbols = [symbol for symbol in self._symbols if symbol in LARGE_PAIRS] or LARGE_PAIRS
            if why.permanent:
                await self._follow(practice, symbols)
            await _first(self._follow(practice, symbols), answers(away))
            log.info("%s can be reached again.", away.title)
        finally:
            await practice.aclose()

    def _enter(self, source: CandleSource, why: str = "") -> None:
        self._status = replace(self._status, exchange=source.name, practice=source.practice, done=0)
        self._was_live = self._is_halted = False
        self._title = source.title
        self._notice = ""
        if source.practice:
            text = "this is the practice market, with synthetic prices."
            self._notice = why + text if why else text.capitalize()
        self._connecting(self._notice or f"Connecting to {source.title}.")

    def _connecting(self, text: str) -> None:
        self._tell("connecting", text)

    async def _follow(self, source: CandleSource, symbols: Sequence[str] | None = None) -> None:
        # One turn is one connection. A refusal for good, before anything was live, is the caller's to answer.
        attempt = 0
        symbols = symbols or self._symbols
        following = Following(
            source, self._store, self._heard, symbols, self._timeframes, self._bars, self._silence_s
        )
        opens = Opens(self._store, source.name)
        reconciler = Reconciler(source, self._store, symbols, self._timeframes, following.kept)
        while True:
            began = seams.monotonic()
            try:
                async with following.connected():
                    await self._fill(source, following, symbols, opens)
                    following.check()
                    self._was_live = True
                    self._tell("live", self._notice or f"Following {source.title}.")
                    await _first(following.deliver(), reconciler.run())
            except SourceError as error:
                if error.permanent and not self._was_live:
                    raise
                attempt = 0 if seams.monotonic() - began > _STEADY_S else attempt + 1
                wait = self._backoff.seconds(attempt)
                text = f"{str(error).rstrip('.')}; trying again in {max(1, round(wait))} s."
                log.warning("%s", text)
                if not self._is_halted:
                    self._tell("stale" if self._was_live else "connecting", text)
                await self._ask_for_halt(source, symbols, text)
                await self._rest(wait)

    async def _ask_for_halt(self, source: CandleSource, symbols: Sequence[str], text: str) -> None:
        was = self._is_halted
        self._is_halted = self._was_live and self._halted is not None and await self._halted(source, symbols)
        if self._is_halted:
            self._tell("halted", f"{source.title} has halted all that is followed; nothing is to come.")
        elif was:
            self._tell("stale", text)

    def _heard(self, event: dict[str, Any]) -> None:
        if self._is_halted:
            self._is_halted = False
            self._tell("live", self._notice or f"Following {self._title}.")
        self._publish(event)

    async def _fill(
        self, source: CandleSource, following: Following, symbols: Sequence[str], opens: Opens
    ) -> None:
        self._status = replace(self._status, done=0)
        self._tell("backfilling", self._notice or f"Fetching candles from {source.title}.")

        def progress(done: int, total: int) -> None:
            self._status = replace(self._status, done=done, total=total)
            self._publish(self._status.as_event())

        filled = await fill(
            source, self._store, symbols, self._timeframes,
            bars=self._bars, progress=progress, added=following.catch_up, opens=opens,
        )  # fmt: skip
        following.last.update(filled.last)
        for (symbol, timeframe), why in filled.failed.items():
            log.warning("%s %s could not be filled: %s", symbol, timeframe, why)

    def _tell(self, state: State, message: str) -> None:
        if self._is_halted and state in {"backfilling", "live"}:
            return  # connected as it is: it is live again once something comes
        if state != self._status.state:
            self._status = replace(self._status, since_ms=seams.now_ms())
        self._status = replace(self._status, state=state, message=message)
        self._publish(self._status.as_event())


async def _first(*work: Coroutine[Any, Any, None]) -> None:
    """Do several things at once; the first that ends or fails ends the others, and its failure is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
