"""Simulated time: an event loop whose clock jumps ahead as soon as nothing is left to do."""

from __future__ import annotations

import asyncio
import selectors
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cryptai import seams

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

# What one end of a loopback connection wrote is readable at the other at once, or, on a busy machine, soon.
_GRACE_S: Final = 0.0001
_THREADS_S: Final = 0.05


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with real sockets, real threads and a clock of its own.

    While a thread of its executor works, or bytes wait at a socket, the clock stands still; with nothing to
    do it jumps to the next timer. So an hour of waiting takes as long as the work in it. Everything on both
    ends of a connection must run in this loop.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._threads = 0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return simulated seconds since the loop was made."""
        return self._now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run it in a thread; the clock waits for it."""
        work = super().run_in_executor(executor, func, *args)
        self._threads += 1
        work.add_done_callback(self._came_back)
        return work

    def _came_back(self, _work: object) -> None:
        self._threads -= 1

    def jump(self, seconds: float) -> None:
        """Move the clock; for the selector only."""
        self._now += seconds

    @property
    def waits_for_threads(self) -> bool:
        """Whether a thread is at work."""
        return self._threads > 0


class _Jumping(selectors.SelectSelector):
    """A selector that moves the clock in place of waiting."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if ready or timeout <= 0:
            return ready
        if self._loop.waits_for_threads:
            return super().select(_THREADS_S)
        ready = super().select(_GRACE_S)
        if not ready:
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


def simulate(main: Callable[[Clock], Coroutine[Any, Any, T]], start_ms: int) -> T:
    """Run `main(clock)` in a world that begins at `start_ms`, with the product's clock replaced."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        clock = Clock(runner.get_loop(), start_ms)
        with _doors(clock, runner.get_loop()):
            return runner.run(main(clock))


@contextmanager
def _doors(clock: Clock, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    with seams.replaced(now_ns=clock.our_ns, monotonic=loop.time):
        yield
