"""What `cryptai doctor` looks at, one function a matter; none changes anything, or needs Django."""

from __future__ import annotations

import asyncio
import fcntl
import os
import platform
import shutil
import sqlite3
import sys
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cryptai.cli.finding import Finding
from cryptai.errors import CryptaiError
from cryptai.workspace import LAYOUT_VERSION, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

CORE: Final = ("numpy", "numba", "llvmlite", "ta-lib", "polars", "httpx", "websockets")
SITE: Final = ("django", "djangorestframework", "django-allauth", "uvicorn")
_WEB: Final = Path(__file__).resolve().parents[1] / "web"
_VENUE_SECONDS: Final = 3.0
_LITTLE, _TOO_LITTLE = 2_000_000_000, 100_000_000


def all_findings(*, offline: bool) -> list[Finding]:
    """Look at everything, from the ground up; the venue only unless `offline`."""
    found = [*_python(), *_packages(), *_kernels(), *_front_end()]
    try:
        workspace = open_workspace(create=False)
    except CryptaiError as error:
        found.append(Finding("workspace", "fail", str(error)))
    else:
        found += [*_workspace(workspace), *_server(workspace), *_elsewhere(workspace)]
        found += [*_candles(workspace), *_database(workspace)]
    return found if offline else [*found, *_venue()]


def _python() -> Iterator[Finding]:
    text = (
        f"{platform.python_version()} at {sys.executable}, {os.cpu_count()} processors, {platform.machine()}"
    )
    yield Finding("python", "ok", text)


def _packages() -> Iterator[Finding]:
    yield Finding("cryptai", "ok", f"{version('cryptai')} at {Path(__file__).resolve().parents[1]}")
    for name, packages, state, way_out in (
        ("engine", CORE, "fail", "Install CryptAI anew: make env, or pip install cryptai."),
        ("site", SITE, "warn", "The site needs them: make env, or pip install 'cryptai[web]'."),
    ):
        versions, missing = [], []
        for package in packages:
            try:
                versions.append(f"{package} {version(package)}")
            except PackageNotFoundError:
                missing.append(package)
        if missing:
            yield Finding(name, state, f"missing: {', '.join(missing)}", way_out)  # type: ignore[arg-type]
        else:
            yield Finding(name, "ok", ", ".join(versions))


def _kernels() -> Iterator[Finding]:
    from cryptai.jit import cache_folder

    folder = cache_folder()
    count = len(list(folder.glob("*.o")))
    if count:
        yield Finding("kernels", "ok", f"{count} compiled, in {folder}")
    else:
        yield Finding("kernels", "ok", "not compiled yet: the first backtest does it, once, in some seconds")


def _front_end() -> Iterator[Finding]:
    files = [path for path in (_WEB / "static" / "vendor").glob("*") if path.suffix in {".js", ".woff2"}]
    if any(path.name == "lightweight-charts.js" for path in files):
        yield Finding("front end", "ok", f"{len(files)} files of others; Node is not needed to run")
    else:
        yield Finding(
            "front end", "warn", "the chart library is missing: pages show no charts", "Run make env."
        )


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    root = workspace.root
    whence = "named by CRYPTAI_HOME" if os.environ.get("CRYPTAI_HOME") else "in the current folder"
    if not root.exists():
        yield Finding("workspace", "ok", f"{root} ({whence}) does not exist yet; the first command makes it")
        return
    if not os.access(root, os.W_OK):
        yield Finding(
            "workspace", "fail", f"{root} cannot be written", "Mend its permissions, or name another."
        )
        return
    marker = root / "version"
    layout = marker.read_text().strip() if marker.exists() else f"none yet, {LAYOUT_VERSION} when first used"
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    yield Finding("workspace", "ok", f"{root} ({whence}), version {layout}, {size / 1e6:,.1f} MB")
    free = shutil.disk_usage(root).free
    state: Literal["ok", "warn", "fail"] = "ok"
    if free < _LITTLE:
        state = "fail" if free < _TOO_LITTLE else "warn"
    yield Finding("disk", state, f"{free / 1e9:,.1f} GB free", "" if state == "ok" else "Make room on it.")
    readable = [p for p in workspace.secrets.glob("*") if p.stat().st_mode & 0o077]
    if readable:
        names = ", ".join(path.name for path in readable)
        way_out = f"chmod 600 {workspace.secrets}/*"
        yield Finding("secrets", "fail", f"others can read {names} in {workspace.secrets}", way_out)


def _server(workspace: Workspace) -> Iterator[Finding]:
    try:
        with (workspace.root / "lock").open() as handle:
            holder = handle.read().strip()
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        yield Finding("server", "ok", "none has run here yet")
    except BlockingIOError:
        yield Finding("server", "ok", f"running, process {holder}")
    else:
        yield Finding("server", "ok", "not running")


def _elsewhere(workspace: Workspace) -> Iterator[Finding]:
    from cryptai.cli import elsewhere

    if os.environ.get("DATABASE_URL"):
        yield from elsewhere.database(workspace)
    if os.environ.get("REDIS_URL"):
        yield from elsewhere.redis()
    if os.environ.get("CRYPTAI_SEGMENTS"):
        yield from elsewhere.segments()


def _candles(workspace: Workspace) -> Iterator[Finding]:
    from cryptai.market.opening import open_store

    try:
        stored = open_store(workspace).markets()
    except CryptaiError as error:
        yield Finding("candles", "fail", str(error))
        return
    bars, venues = sum(one.bars for one in stored), sorted({one.exchange for one in stored})
    if stored:
        text = f"{bars:,} bars in {len(stored)} series of {', '.join(venues)}"
        yield Finding("candles", "ok", text)
    else:
        yield Finding("candles", "ok", "none stored yet", "cryptai data import FILE…, or cryptai up")


def _database(workspace: Workspace) -> Iterator[Finding]:
    if os.environ.get("DATABASE_URL"):
        from cryptai.cli.elsewhere import migrations

        with suppress(Exception):  # why it cannot be asked was said above
            applied = migrations()
            yield from _applied(applied, "the platform's tables in PostgreSQL" if applied else "")
        return
    if not workspace.database.exists():
        yield Finding("database", "ok", "none yet; cryptai up makes it")
        return
    try:
        with closing(sqlite3.connect(f"{workspace.database.absolute().as_uri()}?mode=rw", uri=True)) as db:
            health = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            applied = set(db.execute("SELECT app, name FROM django_migrations"))
    except sqlite3.DatabaseError as error:
        health = str(error)
    if health != "ok":
        way_out = "Stop the server, move it away, and bring a backup back: cryptai restore FILE."
        yield Finding("database", "fail", f"{workspace.database} is damaged ({health})", way_out)
        return
    size = workspace.database.stat().st_size
    yield from _applied(applied, f"{workspace.database.name}, {size / 1e6:,.1f} MB")


def _applied(applied: set[tuple[str, str]], where: str) -> Iterator[Finding]:
    if not where:
        yield Finding("database", "ok", "no tables of the platform yet; cryptai up makes them")
        return
    shipped = {
        (path.parents[1].name, path.stem)
        for path in _WEB.glob("*/migrations/*.py")
        if path.stem != "__init__"
    }
    apps = {app for app, _ in shipped}
    newer = sorted(f"{app}.{name}" for app, name in applied - shipped if app in apps)
    waiting = len(shipped - applied)
    if newer:
        yield Finding("database", "fail", f"made by a newer CryptAI ({', '.join(newer)})", "Update CryptAI.")
    elif waiting:
        yield Finding("database", "warn", f"{waiting} migrations behind", "The next cryptai up applies them.")
    else:
        yield Finding("database", "ok", f"{where}, all migrations applied")


def _venue() -> Iterator[Finding]:
    from cryptai.market.source import open_source

    async def ask() -> None:
        source = open_source("binance")
        try:
            await asyncio.wait_for(source.ping(), _VENUE_SECONDS)
        finally:
            await source.aclose()

    try:
        asyncio.run(ask())
    except TimeoutError:
        text = f"binance did not answer within {_VENUE_SECONDS:.0f} seconds"
    except CryptaiError as error:
        text = str(error)
    else:
        yield Finding("venue", "ok", "binance answers")
        return
    yield Finding("venue", "warn", text, "Nothing to do: cryptai up opens the practice market instead.")
