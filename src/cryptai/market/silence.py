"""Silence noticed: whoever hears nothing for so long is interrupted, at no cost for each thing heard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

_NEVER: Final = float("inf")
# The shortest silence that is noticed, however often something is said.
_LEAST_S: Final = 15.0
# So long a stream is listened to before its pace counts as known.
_LEARNT_S: Final = 60.0


@dataclass(slots=True)
class Pace:
    """How often a stream says something, learnt over all its connections: twice its longest gap is silence.

    A gap in which the connection was given up teaches nothing: a stream that stalled is not a slow one.
    """

    longest_s: float = 0.0
    listened_s: float = 0.0

    def heard(self, gap_s: float) -> None:
        """Note the time between two things heard."""
        if gap_s > 0.0:
            self.listened_s += gap_s
            self.longest_s = max(self.longest_s, gap_s)

    def silence_s(self, most_s: float) -> float:
        """Return after how long nothing heard is silence: `most_s` at most, and while little is known."""
        if self.listened_s < _LEARNT_S:
            return most_s
        return min(most_s, max(_LEAST_S, 2.0 * self.longest_s))


class Silence:
    """An `async with` block that ends with `TimeoutError` once nothing was `heard` for `seconds`.

    With the `pace` of a stream that is known to say something more often, after less. A timeout for each
    event would cost more than most events do; here hearing is one note of the time, and one timer looks at it
    when it is due.
    """

    def __init__(self, seconds: float, pace: Pace | None = None) -> None:
        self._most_s = seconds
        self._pace = pace
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._limit.__aenter__()
        self._heard_s = self._loop.time()
        # The time until the first word is that of connecting, and no gap.
        self._spoke_s = _NEVER
        self._timer = self._loop.call_later(min(self.seconds, _LEAST_S), self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    @property
    def seconds(self) -> float:
        """For how long nothing may be heard, as far as is known now."""
        if self._pace is None or self._spoke_s == _NEVER:
            return self._most_s
        return self._pace.silence_s(self._most_s)

    def heard(self) -> None:
        """Note that something came."""
        self._heard_s = self._spoke_s = self._measured()

    def deaf(self) -> None:
        """Note that something came, and that nobody listens until the next `heard`: that is no silence."""
        self._measured()
        self._heard_s = self._spoke_s = _NEVER

    def _measured(self) -> float:
        now = self._loop.time()
        if self._pace is not None:
            self._pace.heard(now - self._spoke_s)
        return now

    def _look(self) -> None:
        now, seconds = self._loop.time(), self.seconds
        left = min(self._heard_s + seconds - now, seconds)
        if left <= 0:
            self._limit.reschedule(now)
        else:
            self._timer = self._loop.call_later(left, self._look)
