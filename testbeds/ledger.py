"""What a simulated exchange remembers of its callers: requests, weights, when the next may come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptai.market.timeframe import MINUTE_MS

WEIGHT_A_MINUTE: Final = 6000
_FIRST_BAN_S: Final = 120
_LONGEST_BAN_S: Final = 3 * 86_400


@dataclass(slots=True)
class Request:
    """One request: when it came (venue's time, ms), what it asked for, what it cost, how it ended.

    Attributes
    ----------
    status
        The HTTP status answered; 0 where the connection broke off.
    early
        Whether it came before the time that an earlier 429 or 418 had allowed. What was on its way when that
        was said is refused with it, and nobody's fault.
    injected
        Whether it was refused for no reason but the fault that was drawn.
    """

    at_ms: int
    path: str
    weight: int
    status: int = 0
    early: bool = False
    injected: bool = False


class Ledger:
    """The requests of one address, and the venue's limit on their weight in a minute; None is no limit.

    Attributes
    ----------
    in_flight_ms
        How long after a refusal a request may come that was sent before it: in real time they cross.
    """

    def __init__(self, limit: int | None = WEIGHT_A_MINUTE) -> None:
        self.limit = limit
        self.requests: list[Request] = []
        self.allowed_ms = 0
        self.in_flight_ms = 0
        self._told_ms = 0
        self._ban_s = _FIRST_BAN_S
        self._banned = False
        self._minute = 0
        self._used = 0

    def take(self, at_ms: int, path: str, weight: int) -> Request:
        """Note a request and what it costs."""
        if at_ms // MINUTE_MS != self._minute:
            self._minute, self._used = at_ms // MINUTE_MS, 0
        self._used += weight if self.limit else 0
        told = self._told_ms + self.in_flight_ms
        request = Request(at_ms, path, weight, early=told < at_ms < self.allowed_ms)
        self.requests.append(request)
        return request

    @property
    def used(self) -> int:
        """Weight used in the venue's minute."""
        return self._used

    def refusal(self, request: Request) -> tuple[int, int] | None:
        """Return status and Retry-After in seconds, where the rules refuse this request."""
        if request.early:
            # Whoever does not wait is banned, and for longer each time.
            return self.ban(request.at_ms)
        if request.at_ms < self.allowed_ms:
            request.injected = True
            return 429, max(1, (self.allowed_ms - request.at_ms) // 1000)
        self._banned = False
        if self.limit and self._used > self.limit:
            return self.pause(request.at_ms, (MINUTE_MS - request.at_ms % MINUTE_MS) // 1000 + 1)
        return None

    def pause(self, at_ms: int, seconds: int) -> tuple[int, int]:
        """Ask for a pause."""
        self._told_ms = at_ms
        self.allowed_ms = max(self.allowed_ms, at_ms + seconds * 1000)
        return 429, seconds

    def ban(self, at_ms: int) -> tuple[int, int]:
        """Ban the address; twice as long if it is banned already."""
        self._ban_s = min(self._ban_s * 2, _LONGEST_BAN_S) if self._banned else _FIRST_BAN_S
        self._banned = True
        self._told_ms = at_ms
        self.allowed_ms = max(self.allowed_ms, at_ms + self._ban_s * 1000)
        return 418, self._ban_s

    @property
    def early(self) -> int:
        """How many requests came before they were allowed."""
        return sum(request.early for request in self.requests)

    def count(self, status: int, *, injected: bool) -> int:
        """How many requests ended so, by the rules or by an injected fault."""
        return sum(r.status == status and r.injected == injected for r in self.requests)
