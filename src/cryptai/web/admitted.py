"""Who is on a socket, and whether they still may be: asked of the database for all sockets at once."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, connections

from cryptai.seams import now_ms
from cryptai.web.accounts.models import User
from cryptai.web.permissions import is_loopback, may

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)
# A session that has ended closes its sockets within this time.
RECHECK_S: Final = 0.8
_AT_ONCE: Final = 500  # rows of one query


class _Known(NamedTuple):
    """What a session rests on: its row, and its user's rights and password."""

    session: str
    user: tuple[Any, ...]


@dataclass(frozen=True)
class Admitted:
    """One who may follow prices: a user with a session, or, without either, a person at this machine."""

    user: int | None
    session: str
    known: _Known | None


def admit(scope: dict[str, Any]) -> Admitted | None:
    """Return who opens the socket of that ASGI scope, None for one who may not. Asks the database."""
    try:
        request = _request(scope)
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        request.session = SessionStore(key)
        request.user = get_user(request)
        request.loopback = is_loopback(request)  # type: ignore[attr-defined]
        if not _same_origin(request) or not may("prices", request):
            return None
        user = request.user.pk if request.user.is_authenticated else None
        known = _known({key: user}).get(key) if user is not None else None
        return Admitted(user, key if user is not None else "", known)
    except DisallowedHost:
        return None
    finally:
        connections.close_all()


class Watch:
    """Ends sockets whose session has: signed out, expired, a new password, a user that is no more active."""

    def __init__(self) -> None:
        self._watched: dict[object, tuple[Admitted, Callable[[], None]]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, socket: object, who: Admitted, end: Callable[[], None]) -> None:
        """Call `end` once the session of `who` has ended, unless the socket was dropped; not without one."""
        if who.user is not None:
            self._watched[socket] = (who, end)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run(), name="sessions of sockets")

    def drop(self, socket: object) -> None:
        """Watch it no more."""
        self._watched.pop(socket, None)

    async def _run(self) -> None:
        while self._watched:
            seen = dict(self._watched)
            try:
                known = await asyncio.to_thread(_still_known, [who for who, _ in seen.values()])
            except DatabaseError:
                # Nothing can be known of a session now; nobody is let in either.
                _log.exception("The sessions of sockets cannot be looked up now.")
            else:
                for socket, (who, end) in seen.items():
                    if known.get(who.session) != who.known and socket in self._watched:
                        del self._watched[socket]
                        end()
            await asyncio.sleep(RECHECK_S)


def _still_known(admitted: Iterable[Admitted]) -> dict[str, _Known]:
    try:
        return _known({who.session: who.user for who in admitted if who.user is not None})
    finally:
        connections.close_all()


# Of each session that lives, with its active user: what would change if it ended.
def _known(users: dict[str, int]) -> dict[str, _Known]:
    keys = list(users)
    found: dict[str, _Known] = {}
    now = datetime.fromtimestamp(now_ms() / 1000, UTC)
    for i in range(0, len(keys), _AT_ONCE):
        some = keys[i : i + _AT_ONCE]
        rows = Session.objects.filter(session_key__in=some, expire_date__gt=now)
        sessions = dict(rows.values_list("session_key", "session_data"))
        people = User.objects.filter(pk__in={users[key] for key in some}, is_active=True)
        rights = {row[0]: row for row in people.values_list("pk", "password", "is_staff", "is_superuser")}
        found |= {
            key: _Known(data, rights[users[key]]) for key, data in sessions.items() if users[key] in rights
        }
    return found


# A browser always says from which site its script comes; one that says nothing has no session to abuse.
def _same_origin(request: ASGIRequest) -> bool:
    origin = urlsplit(request.headers.get("Origin", ""))
    if not origin.scheme and not origin.netloc and not origin.path:
        return True
    scheme = "https" if request.is_secure() else "http"
    return (origin.scheme, origin.netloc.lower()) == (scheme, request.get_host().lower())


def _request(scope: dict[str, Any]) -> ASGIRequest:
    scheme = {"ws": "http", "wss": "https"}[scope.get("scheme", "ws")]
    return ASGIRequest({**scope, "type": "http", "method": "GET", "scheme": scheme}, BytesIO())
