"""The two addresses that decide how the platform runs: `DATABASE_URL` and `REDIS_URL`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptai.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path
    from urllib.parse import SplitResult

_POSTGRESQL: Final = ("postgresql", "postgres")
_REDIS: Final = ("redis", "rediss", "unix")


def database(address: str, file: Path) -> dict[str, Any]:
    """Return Django's description of the database at that address; of the SQLite file if there is none.

    `postgresql://USER:PASSWORD@HOST:PORT/NAME?sslmode=require`: user and password with what is special in
    addresses written as %40 and the like, the query as libpq's parameters.
    """
    if not address:
        return _sqlite(file)
    parts = _split("DATABASE_URL", address, _POSTGRESQL)
    name = unquote(parts.path.removeprefix("/"))
    if not name:
        raise WorkspaceError("DATABASE_URL names no database; write it like postgresql://user@host/cryptai.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def cache(address: str, prefix: str) -> dict[str, Any]:
    """Return Django's description of the cache: in Redis, or in this process if there is no address."""
    if not address:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    _split("REDIS_URL", address, _REDIS)
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": address,
        "KEY_PREFIX": f"{prefix}cache",
        # Its own is pickle.
        "OPTIONS": {"serializer": "cryptai.web.shared_cache.JsonSerializer"},
    }


# An answer is acknowledged only when it is on the disk (FULL), writers queue instead of failing half-way
# (IMMEDIATE), and readers never wait for them (WAL).
def _sqlite(file: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
        # A file in tests too: threads that share a database in memory lock each other out.
        "TEST": {"NAME": file.parent / "test.sqlite3"},
    }


# What is said of a wrong address never holds it: there may be a password in it.
def _split(name: str, address: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise WorkspaceError(f"{name} is no address ({error}).") from None
    if parts.scheme not in schemes:
        raise WorkspaceError(f"{name} must begin with {schemes[0]}://, not {parts.scheme[:20] or 'nothing'}.")
    return parts
