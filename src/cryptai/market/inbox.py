"""The inbox between a venue's stream and its reader: closes are queued, everything else is conflated."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptai.market.source import Bar, Price

if TYPE_CHECKING:
    from cryptai.market.source import Event


@dataclass
class Batch:
    """What came since the last look: every close in its order, and the newest of everything else."""

    closes: list[Bar] = field(default_factory=list)
    forming: dict[tuple[str, str], Bar] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.closes or self.forming or self.prices)


class Inbox:
    """A mailbox for one stream and one reader, on one event loop.

    However slow the reader is, what waits is bounded by the number of markets, but for closes, of
    which none is ever dropped.
    """

    def __init__(self) -> None:
        self._batch = Batch()
        self._error: BaseException | None = None
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add what came; it never waits."""
        if isinstance(event, Price):
            self._batch.prices[event.symbol] = event
        elif event.closed:
            self._batch.closes.append(event)
        else:
            self._batch.forming[event.symbol, event.timeframe] = event
        self._arrived.set()

    def fail(self, error: BaseException) -> None:
        """Say that nothing more will come; the reader gets what is here first, then the error."""
        self._error = error
        self._arrived.set()

    def check(self) -> None:
        """Raise the error given to `fail`, if there is one."""
        if self._error is not None:
            raise self._error

    async def take(self) -> Batch:
        """Return what came since the last call, waiting for something; raise the error given to `fail`."""
        await self._arrived.wait()
        batch, self._batch = self._batch, Batch()
        if not batch:
            self.check()
        if self._error is None:
            self._arrived.clear()
        return batch

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._batch
