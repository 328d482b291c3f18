"""The request budget of a venue's address: one for all processes of a workspace, kept in one SQLite file.

Follows Binance's page "Rate limits": requests have weights, a minute has a limit of them, an answer
tells what was used (X-MBX-USED-WEIGHT-1M); 429 and then 418 (a ban) tell how long to pause (Retry-After).
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from cryptai import seams
from cryptai.errors import SourceError
from cryptai.market.accounts import AccountFile
from cryptai.market.databases import database_address
from cryptai.workspace import open_workspace, workspace_root

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from cryptai.market.accounts import Account
    from cryptai.market.shared_accounts import SharedAccounts

CAREFUL_LIMIT: Final = 1200
"""The weight of a minute that is assumed until the venue has told its own."""
LONGEST_PAUSE_S: Final = 3 * 86_400.0

_FILE: Final = "budget.sqlite3"
# What other programs behind this address use must fit in the rest.
_SHARE: Final = 0.9
# The careful limit may be a fifth of the true one, of which others may have used all.
_NONSENSE: Final = 20
# A number of so many digits is nonsense, whatever it is.
_DIGITS: Final = 19
_UNTOLD_S: Final = {429: 60.0, 418: 120.0}
# The longest pause that is waited out: the minute of a 429, and what `refused` adds to it.
_MOST_PAUSE_S: Final = 65.0


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Where a budget stands: weight used in the last minute, the venue's limit, seconds of pause left."""

    venue: str
    address: str
    used: int
    limit: int
    pause_s: float
    waiting: int


class Budget:
    """What may be asked of one address, shared by all who name the same file.

    Weight is spent before a request is sent. A pause that the venue asked for holds for all that is asked at
    that address, across restarts, and by the monotonic clock, so that no clock set forward ends a ban. Of
    those who wait, the process given least in the last minute comes first, and in it the oldest waiter.

    Parameters
    ----------
    venue
        Whose weights are counted together: "binance" (spot) and "binance-perps" have a limit each.
    address
        Scheme and host of the requests.
    file
        The SQLite file; by default the database that `DATABASE_URL` names, so that machines behind one
        address share it, and without one `budget.sqlite3` in the workspace, which is made.
    rest
        How to wait: replaced in a simulated world.
    """

    def __init__(
        self,
        venue: str,
        address: str,
        *,
        title: str = "",
        file: Path | None = None,
        limit: int = CAREFUL_LIMIT,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.venue = venue
        self.address = address
        self._title = title or venue
        self._file = file
        self._careful_limit = limit
        self._rest = rest
        self._accounts: AccountFile | SharedAccounts | None = None
        self._lock = threading.Lock()
        # The weight of the last minute as it was when this process spent last, and when that was.
        self._known = (0, float("-inf"))

    async def spend(self, weight: int, *, most_pause_s: float = _MOST_PAUSE_S) -> None:
        """Return when a request of this weight may be sent at once; its weight is counted.

        Raises
        ------
        SourceError
            If the venue's pause has longer to go than `most_pause_s`.
        WorkspaceError
            If the file cannot be used.
        """
        ticket: int | None = None
        try:
            while True:
                pause, wait, ticket = await asyncio.to_thread(self._try, weight, ticket)
                if pause > most_pause_s:
                    raise SourceError(
                        f"{self._title} asked for a pause, of which {pause:.0f} s are left.",
                        answered=True,
                        pause_s=pause,
                    )
                if max(pause, wait) <= 0.0:
                    return
                await self._rest(max(pause, wait))
        finally:
            if ticket is not None:
                self._leave(ticket)

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether `heard` would learn nothing of an answer, as far as that can be told without the file."""
        told = _told(headers)
        used, at = self._known
        # What leaves the window within its 61st second is in no minute of the venue's any more.
        return told is None or (told <= used and seams.monotonic() - at <= 1.0)

    def heard(self, headers: Mapping[str, str]) -> None:
        """Take note of what the venue says was used in its minute: others may share the address.

        Only more than we know of is believed; nonsense is not, such as many times what it allows.
        """
        told = _told(headers)
        if told is None:
            return
        with self._change() as account:
            used, limit = account.used(), account.limit()
            # Believed, one such number would silence all of us for a minute.
            if used < min(told, limit) and told <= _NONSENSE * limit:
                account.count(min(told, limit) - used, process=0)

    def refused(self, status: int, headers: Mapping[str, str]) -> float:
        """Note the pause that a refusal asks for and return its seconds; 0 where it asks for none.

        A 429 or 418 that does not say how long means a minute and two; Retry-After may be seconds or a date.
        """
        seconds = _retry_after(headers)
        if seconds is None:
            seconds = _UNTOLD_S.get(status, 0.0)
        if seconds <= 0.0:
            return 0.0
        # Our clock may run a little faster than the venue's.
        kept = min(seconds, LONGEST_PAUSE_S) * 1.001 + 0.5
        with self._change(durable=True) as account:
            if kept > account.paused():
                account.pause(kept)
        return min(seconds, LONGEST_PAUSE_S)

    def learn(self, limit: int) -> None:
        """Take the limit of a minute from the venue (exchangeInfo's REQUEST_WEIGHT)."""
        with self._change() as account:
            account.learn(max(1, limit))

    def state(self) -> BudgetState:
        """Return where it stands now."""
        with self._change() as account:
            return _state(account)

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        with self._lock:
            if self._accounts:
                self._accounts.close()
                self._accounts = None

    def _try(self, weight: int, ticket: int | None) -> tuple[float, float, int | None]:
        """Return seconds of pause left, seconds until there may be room, and the place in the queue."""
        with self._change() as account:
            pause = account.paused()
            if pause > 0.0:
                account.drop(ticket)
                return pause, 0.0, None
            room = max(int(account.limit() * _SHARE), weight)
            account.forget()
            ahead = account.ahead(ticket)
            used = account.used()
            if used + ahead + weight <= room:
                account.count(weight, process=account.process)
                account.drop(ticket)
                self._known = (used + weight, seams.monotonic())
                return 0.0, 0.0, None
            ticket = account.queue(weight, ticket)
            return 0.0, account.until(used + ahead + weight - room), ticket

    def _leave(self, ticket: int) -> None:
        with self._change() as account:
            account.drop(ticket)

    @contextmanager
    def _change(self, *, durable: bool = False) -> Iterator[Account]:
        with self._lock:
            if self._accounts is None:
                self._accounts = _accounts(self._path() if self._file or not database_address() else None)
            told = (self.venue, self.address, self._careful_limit)
            # Weights that a power cut takes are out of their minute when we are back; a ban may not be.
            with self._accounts.change(*told, durable=durable) as account:
                yield account

    def _path(self) -> Path:
        if self._file is None:
            self._file = open_workspace().root / _FILE
        return self._file


def budget_states(file: Path | None = None) -> list[BudgetState]:
    """Return all budgets, by venue and address; empty where nothing was ever asked. It changes nothing."""
    path = file or (None if database_address() else workspace_root() / _FILE)
    with closing(_accounts(path)) as accounts, accounts.look() as here:
        if here is None:
            return []
        known = here.db.execute(
            "SELECT venue, address FROM spent UNION SELECT venue, address FROM allowance ORDER BY 1, 2"
        ).fetchall()
        each = [replace(here, venue=v, address=a, careful_limit=CAREFUL_LIMIT) for v, a in known]
        return [_state(account) for account in each]


def _accounts(path: Path | None) -> AccountFile | SharedAccounts:
    if path is not None:
        return AccountFile(path)
    from cryptai.market.shared_accounts import SharedAccounts  # noqa: PLC0415 (few have a database)

    return SharedAccounts(database_address())


def _state(account: Account) -> BudgetState:
    return BudgetState(
        account.venue, account.address, account.used(), account.limit(), account.paused(), account.queued()
    )


def _told(headers: Mapping[str, str]) -> int | None:
    """Return the weight that an answer says was used; None for nothing, or what is no number."""
    told = headers.get("X-MBX-USED-WEIGHT-1M", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < _DIGITS else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    told = headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        until = parsedate_to_datetime(told).timestamp()
        said = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, until - said)
