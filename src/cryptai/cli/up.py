"""`cryptai up`: start the platform in this process."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli.options import ENDPOINTS, Exchange, Json, refuse_empty
from cryptai.errors import InputError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.web.accounts.models import Credentials
    from cryptai.workspace import Workspace

_PREPARING = 0x63727970  # ours among the advisory locks of a database
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("up", epilog=f"Example: cryptai up --port 9000\n\n{ENDPOINTS}")(up)


def up(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    exchange: Exchange = "binance",
    symbols: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Markets to follow, such as BTC/USDT,ETH/USDT.")
    ] = None,
    timeframes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Of 1m 5m 15m 30m 1h 4h 1d 1w.")
    ] = None,
    json_: Json = False,
) -> None:
    """Start the platform: pages, live prices, signals. Ctrl-C ends it.

    Followed are twelve large markets at 1h, 4h and 1d, unless --symbols and --timeframes (or
    CRYPTAI_SYMBOLS and CRYPTAI_TIMEFRAMES) name others.

    With --json the one object is printed when the address is open: `workspace`, `address`, and `owner` with
    username, password and token at the first start, null later.
    """
    from cryptai.workspace import lock_workspace, open_workspace

    workspace = open_workspace()
    with lock_workspace(workspace, shared=_one_of_several()):
        _check_exchange(exchange)
        _name_followed(symbols, timeframes)
        if exchange == "folder":
            _follow_folder()
        listener = _listen(host, port)
        os.environ.update(CRYPTAI_HOME=str(workspace.root), CRYPTAI_BIND=host, CRYPTAI_EXCHANGE=exchange)
        credentials = _prepare(workspace)
        greet = _tell if json_ else _greet
        greet(workspace, host, _address(host, port), credentials)
        sys.stdout.flush()
        started = _serve(listener)
        sys.stdout.flush()
        sys.stderr.flush()
        # What a thread still computes is lost with it and was promised to nobody: what is acknowledged is
        # on the disk. Waiting for it would keep a person waiting who pressed Ctrl-C.
        os._exit(0 if started else 1)


# With its rows in PostgreSQL and its turns in Redis, a server may share the workspace with others.
def _one_of_several() -> bool:
    return bool(os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"))


def _check_exchange(exchange: str) -> None:
    from cryptai.market.source import check_source

    check_source(exchange)


def _name_followed(symbols: str | None, timeframes: str | None) -> None:
    from cryptai.market.followed import followed_symbols, followed_timeframes

    refuse_empty({"symbols": symbols, "timeframes": timeframes})
    if symbols is not None:
        os.environ["CRYPTAI_SYMBOLS"] = symbols
    if timeframes is not None:
        os.environ["CRYPTAI_TIMEFRAMES"] = timeframes
    followed_symbols(), followed_timeframes()  # what cannot be followed is refused before anything starts


def _follow_folder() -> None:
    """Follow what the folder has files of, where nothing else is named."""
    from cryptai.market.sources.folder import Folder

    series = Folder().series()
    for setting, names in (
        ("CRYPTAI_SYMBOLS", [symbol for symbol, _ in series]),
        ("CRYPTAI_TIMEFRAMES", [str(frame) for _, frame in series]),
    ):
        if names and not os.environ.get(setting, "").strip():
            os.environ[setting] = ",".join(dict.fromkeys(names))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InputError(
            f"There is no address named {host!r} to listen on ({error.strerror}).", field="host"
        ) from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise InputError(
            f"{host} port {port} cannot be used ({error.strerror}); name another with --port.", field="port"
        ) from error
    return listener


def _prepare(workspace: Workspace) -> Credentials | None:
    from cryptai.web.secret import keep_secret_key

    keep_secret_key(workspace)
    os.environ["DJANGO_SETTINGS_MODULE"] = "cryptai.web.settings"
    from django.conf import settings

    if not settings.DATABASE_URL:
        # It holds digests of passwords; SQLite's files beside it take its mode over.
        workspace.database.touch()
        workspace.database.chmod(0o600)
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import DatabaseError

    from cryptai.web.accounts.models import User

    try:
        with _alone():
            _check_not_newer(workspace)
            call_command("migrate", interactive=False, verbosity=0)
            return User.objects.first_start()
    except DatabaseError as error:
        raise WorkspaceError(
            f"The database {'at DATABASE_URL' if settings.DATABASE_URL else workspace.database} cannot be "
            f"used ({error}); mend it, or restore a backup."
        ) from error


# Of several servers that start at once, one after another makes tables; SQLite has one server.
@contextmanager
def _alone() -> Iterator[None]:
    from django.db import connection

    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_PREPARING])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_PREPARING])


def _check_not_newer(workspace: Workspace) -> None:
    # An older program would run on tables it does not know. A package's own migrations are left to it: those
    # it has folded together are missing from the disk too.
    from django.apps import apps
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(connection)
    ours = {config.label for config in apps.get_app_configs() if config.name.startswith("cryptai.")}
    unknown = {key for key in loader.applied_migrations if key[0] in ours} - set(loader.disk_migrations)
    if unknown:
        names = ", ".join(sorted(f"{app}.{name}" for app, name in unknown))
        raise WorkspaceError(
            f"The database {workspace.database} was made by a newer CryptAI ({names}); update CryptAI, or "
            "name another folder with CRYPTAI_HOME."
        )


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _tell(workspace: Workspace, _host: str, address: str, credentials: Credentials | None) -> None:
    owner = asdict(credentials) if credentials else None
    print(json.dumps({"workspace": str(workspace.root), "address": address, "owner": owner}))


def _greet(workspace: Workspace, host: str, address: str, credentials: Credentials | None) -> None:
    print(f"Workspace  {workspace.root}")
    print(f"Address    {address}")
    if host not in _LOOPBACK:
        print("           Others can reach this address: every page needs sign-in. Put TLS in front of it.")
        print("           Names it is reached by, besides its own, are listed in CRYPTAI_HOSTS.")
    if credentials:
        print("\nFirst start: the owner's password and token, shown only now.")
        print(f"Username   {credentials.username}")
        print(f"Password   {credentials.password}")
        print(f"Token      {credentials.token}")
        print("A new password: cryptai owner reset-password\n")


def _serve(listener: socket.socket) -> bool:
    import uvicorn

    config = uvicorn.Config(
        "cryptai.web.asgi:application",
        lifespan="on",
        # Not whatever loop is installed (an exchange library brings uvloop), but the one that is tested.
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        # Forwarding headers are an attacker's text here; behind TLS, Django reads the one it may.
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ws="cryptai.web.wire:Wire",
        # Compressed, the same price would be other bytes for each browser.
        ws_per_message_deflate=False,
        ws_max_size=4096,
        ws_max_queue=8,
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # raised again by uvicorn once it has shut down
        server.run(sockets=[listener])
    return server.started
