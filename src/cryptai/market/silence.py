"""Silence noticed: whoever hears nothing for so long is interrupted, at no cost for each thing heard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

_NEVER: Final = float("inf")


class Silence:
    """An `async with` block that ends with `TimeoutError` once nothing was `heard` for `seconds`.

    A timeout for each event would cost more than most events do; here hearing is one note of the time, and
    one timer looks at it when it is due.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._limit.__aenter__()
        self.heard()
        self._timer = self._loop.call_later(self._seconds, self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def heard(self) -> None:
        """Note that something came."""
        self._heard_s = self._loop.time()

    def deaf(self) -> None:
        """Note that nobody listens until the next `heard`: that is no silence."""
        self._heard_s = _NEVER

    def _look(self) -> None:
        now = self._loop.time()
        left = min(self._heard_s + self._seconds - now, self._seconds)
        if left <= 0:
            self._limit.reschedule(now)
        else:
            self._timer = self._loop.call_later(left, self._look)
