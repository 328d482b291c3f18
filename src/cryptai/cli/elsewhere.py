"""What `cryptai doctor` says of what is kept elsewhere: PostgreSQL, Redis, and the segments' object store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from cryptai.cli.finding import Finding
from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.workspace import Workspace

# Off, what the server has acknowledged is lost with its power.
_DURABLE: Final = ("fsync", "full_page_writes")


def database(workspace: Workspace) -> Iterator[Finding]:
    """Tell of the PostgreSQL that `DATABASE_URL` names: version, durability, the candle catalog in it."""
    from cryptai.market.databases import database_address
    from cryptai.market.postgresql import connect

    try:
        db, _ = connect(database_address())
    except CryptaiError as error:
        yield Finding("postgresql", "fail", str(error))
        return
    except Exception as error:  # noqa: BLE001 (psycopg's own, which need not be installed)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        way_out = "Start it, or see whether address, password and rights are right."
        yield Finding("postgresql", "fail", f"DATABASE_URL cannot be used: {reason}", way_out)
        return
    with db:
        yield from _durability(db)
        yield from _catalog(db, workspace)


def _durability(db: Any) -> Iterator[Finding]:
    shown = {
        name: db.execute(f"SHOW {name}").fetchone()[0]
        for name in ("server_version", *_DURABLE, "synchronous_commit")
    }
    version = f"PostgreSQL {shown['server_version'].split()[0]}"
    off = [name for name in _DURABLE if shown[name] == "off"]
    if off:
        text = f"{version}, but {' and '.join(off)} is off: a power cut takes what it has acknowledged"
        yield Finding("postgresql", "fail", text, f"ALTER SYSTEM SET {off[0]} = on, and reload it.")
    elif shown["synchronous_commit"] == "off":
        text = f"{version}, synchronous_commit off: candles turn it on for themselves, the platform does not"
        yield Finding("postgresql", "warn", text, "ALTER SYSTEM SET synchronous_commit = on, and reload it.")
    else:
        yield Finding("postgresql", "ok", f"{version}, durable (fsync, full_page_writes, synchronous_commit)")


def _catalog(db: Any, workspace: Workspace) -> Iterator[Finding]:
    from cryptai.market.postgresql import SCHEMA
    from cryptai.market.schema import MIGRATIONS

    file, found = workspace.candles / "catalog.sqlite3", 0
    if db.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.version",)).fetchone()[0]:
        found = db.execute(f"SELECT number FROM {SCHEMA}.version").fetchone()[0]  # noqa: S608 (a name of ours)
    if found > len(MIGRATIONS):
        yield Finding("catalog", "fail", f"of version {found}, made by a newer CryptAI", "Update CryptAI.")
    elif not found:
        adopts = f", with what {file} holds" if file.exists() else ""
        yield Finding("catalog", "ok", f"none in the database yet; the first command makes it{adopts}")
    elif found < len(MIGRATIONS):
        text = f"{len(MIGRATIONS) - found} migrations behind"
        yield Finding("catalog", "warn", text, "The next command that reads candles applies them.")
    else:
        unused = f"; {file} was taken over and is not read any more" if file.exists() else ""
        yield Finding("catalog", "ok", f"in the database, version {found}{unused}")


def migrations() -> set[tuple[str, str]]:
    """Return the platform's migrations that are applied in the database; none where there are no tables."""
    from cryptai.market.databases import database_address
    from cryptai.market.postgresql import connect

    with connect(database_address())[0] as db:
        if not db.execute("SELECT to_regclass('django_migrations')").fetchone()[0]:  # type: ignore[index]
            return set()
        return {(app, name) for app, name in db.execute("SELECT app, name FROM django_migrations")}


def redis() -> Iterator[Finding]:
    """Tell of the Redis that `REDIS_URL` names: version, and whether it may throw jobs away."""
    try:
        import redis as client
    except ImportError:
        text = "REDIS_URL names one, and redis is not installed"
        yield Finding("redis", "fail", text, "pip install 'cryptai[full]'")
        return
    try:
        with client.Redis.from_url(os.environ["REDIS_URL"], socket_connect_timeout=5, socket_timeout=5) as db:
            told: dict[str, Any] = db.info()
    except (client.RedisError, ValueError) as error:
        way_out = "Start it, or see whether address and password are right."
        yield Finding("redis", "fail", f"REDIS_URL cannot be used: {error}", way_out)
        return
    version, policy = f"Redis {told['redis_version']}", told.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        text = f"{version}, maxmemory-policy {policy}: it may throw waiting jobs away"
        yield Finding("redis", "warn", text, "CONFIG SET maxmemory-policy noeviction")
    else:
        yield Finding("redis", "ok", version)


def segments() -> Iterator[Finding]:
    """Tell of the object store that `CRYPTAI_SEGMENTS` names."""
    from cryptai.market.opening import segments_folder

    try:
        folder = segments_folder()
        count = folder.check() if folder else 0
    except CryptaiError as error:
        yield Finding("segments", "fail", str(error))
    else:
        yield Finding("segments", "ok", f"{folder} answers, {count} venues in it")
