"""Simulated time: an event loop whose clock jumps ahead as soon as nothing is left to do."""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

from cryptai import seams

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, in which everything runs in one thread, in one order.

    With nothing to do the clock jumps to the next timer, so an hour of waiting takes as long as the work in
    it. What is meant for a thread runs in the loop, in its turn; a connection to a port that is listened on
    in this loop is a pair of sockets, where what one end wrote is at the other at once. So a seed gives the
    same run again. Everything on both ends of a connection must run in this loop.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._listening: dict[int, tuple[asyncio.Server, Callable[[], Any]]] = {}
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return simulated seconds since the loop was made."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Move the clock; for the selector only."""
        self._now += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run it here, in its turn; the clock stands still meanwhile."""
        del executor
        done = self.create_future()

        def work() -> None:
            if done.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 (not swallowed: whoever awaits it gets it)
                done.set_exception(error)
            else:
                done.set_result(result)

        self.call_soon(work)
        return done

    async def create_server(
        self, protocol_factory: Callable[[], Any], *args: Any, **options: Any
    ) -> asyncio.Server:
        """Listen as ever, and remember who does."""
        server = await super().create_server(protocol_factory, *args, **options)
        for one in server.sockets:
            self._listening[one.getsockname()[1]] = server, protocol_factory
        return server

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        """Connect to what this loop listens on by a pair of sockets."""
        server, accept = self._listening.get(port, (None, None))
        if server is None or accept is None or not server.is_serving():
            return await super().create_connection(protocol_factory, host, port, **options)
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        await self.connect_accepted_socket(accept, theirs)
        return await super().create_connection(protocol_factory, sock=ours)


class _Jumping(selectors.SelectSelector):
    """A selector that moves the clock in place of waiting."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self._loop.jump(timeout)
        return ready


class Clock:
    """Two clocks of one world: the venue's, which is right, and this machine's, which may be wrong.

    Attributes
    ----------
    skew_ms
        This machine's clock less the venue's, when `drift_ppm` is 0.
    drift_ppm
        How much faster this machine's clock runs, in millionths, since the beginning.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ms: int) -> None:
        self._loop = loop
        self.start_ms = start_ms
        self.skew_ms = 0
        self.drift_ppm = 0.0

    def venue_ms(self) -> int:
        """Return the true time in ms UTC."""
        return self.start_ms + round(self._loop.time() * 1000)

    def our_ns(self) -> int:
        """Return what this machine believes the time is, in ns UTC."""
        elapsed = self._loop.time() * (1.0 + self.drift_ppm / 1e6)
        return (self.start_ms + self.skew_ms) * 1_000_000 + round(elapsed * 1e9)


def simulate(main: Callable[[Clock], Coroutine[Any, Any, T]], start_ms: int, seed: int = 0) -> T:
    """Run `main(clock)` in a world that begins at `start_ms` and has a clock and chances of its own."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        clock = Clock(runner.get_loop(), start_ms)
        with _doors(clock, runner.get_loop(), seed):
            return runner.run(main(clock))


@contextmanager
def _doors(clock: Clock, loop: asyncio.AbstractEventLoop, seed: int) -> Iterator[None]:
    chance = seams.rng([seed, 41])
    with ExitStack() as stack:
        stack.enter_context(seams.replaced(now_ns=clock.our_ns, monotonic=loop.time, entropy=chance.bytes))
        if "sniffio" not in sys.modules:
            # Where it is not installed, the HTTP client looks for it on the disk at every request.
            sys.modules["sniffio"] = None  # type: ignore[assignment]
            stack.callback(sys.modules.pop, "sniffio")
        # Which connections are used again must not depend on how busy this machine is.
        stack.enter_context(patch("httpcore._async.http11.time", SimpleNamespace(monotonic=loop.time)))
        yield
