"""One of the processes that share a budget (B5): its clients ask by the product's budget, in simulated time.

It reads a line of JSON for each moment in which one of its clients goes on, and answers with what that client
does next: "send" a request of a weight, "rest" so many seconds, "done", or "gave_up" for so many seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from cryptai import seams
from cryptai.errors import SourceError
from cryptai.market.budget import Budget
from testbeds import planted

VENUE: Final = "binance"
ADDRESS: Final = "https://venue.invalid"

_client: ContextVar[int] = ContextVar("client")


class _Process:
    def __init__(self, file: Path) -> None:
        self.now_ms = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._blocked = asyncio.Event()
        self._budget = Budget(VENUE, ADDRESS, file=file, rest=self._rest)

    async def run(self) -> None:
        clients: dict[int, asyncio.Task[None]] = {}
        with seams.replaced(monotonic=lambda: self.now_ms / 1000, now_ns=lambda: self.now_ms * 1_000_000):
            # One client at a time: while it waits for its next moment nothing else is to be done here.
            for line in sys.stdin:
                client, self.now_ms, told = json.loads(line)
                self._blocked.clear()
                if client in self._waiting:
                    self._waiting.pop(client).set_result(told)
                else:
                    clients[client] = asyncio.create_task(self._asks(client, told))
                await self._blocked.wait()

    async def _asks(self, client: int, weight: int) -> None:
        _client.set(client)
        while True:
            try:
                await self._budget.spend(weight)
            except SourceError:
                weight = await self._turn("gave_up", self._budget.state().pause_s)
                continue
            status, headers = await self._turn("send", weight)
            self._budget.heard(headers)
            if status != 200:
                self._budget.refused(status, headers)
            weight = await self._turn("done", 0)

    async def _rest(self, seconds: float) -> None:
        await self._turn("rest", seconds)

    async def _turn(self, what: str, value: float) -> Any:
        sys.stdout.write(f"{json.dumps([what, value])}\n")
        sys.stdout.flush()
        told = self._waiting[_client.get()] = asyncio.get_running_loop().create_future()
        self._blocked.set()
        return await told


def main() -> None:
    """Ask by the budget in the file named, perhaps with a bug planted."""
    file, bug = sys.argv[1:]
    with planted.bug(bug):
        asyncio.run(_Process(Path(file)).run())


if __name__ == "__main__":
    main()
