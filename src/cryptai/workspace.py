"""The workspace: the one folder that holds all state.

::

    workspace/            or CRYPTAI_HOME
    ├── version           the layout's version; a newer one is refused
    ├── lock              held by the running server
    ├── candles/          the candle store: segments and catalog.sqlite3
    ├── cryptai.sqlite3   the platform's database
    ├── secrets/          the platform's secret key (mode 600)
    ├── strategies/       the user's own strategies, one file each
    ├── runs/             one folder a backtest
    ├── sweeps/           finished sets of searches, made by the first one
    ├── reports/
    └── logs/
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cryptai.errors import WorkspaceError
from cryptai.folders import make_folder, sync_folder

LAYOUT_VERSION = 1
FOLDERS = ("candles", "secrets", "strategies", "runs", "reports", "logs")


@dataclass(frozen=True)
class Workspace:
    """Where everything lies. Making one touches nothing; `open_workspace` creates the folders."""

    root: Path

    @property
    def candles(self) -> Path:
        """The candle store."""
        return self.root / "candles"

    @property
    def strategies(self) -> Path:
        """The user's own strategies, one file each."""
        return self.root / "strategies"

    @property
    def runs(self) -> Path:
        """One folder a backtest."""
        return self.root / "runs"

    @property
    def database(self) -> Path:
        """The platform's SQLite file."""
        return self.root / "cryptai.sqlite3"

    @property
    def secrets(self) -> Path:
        """Keys that never leave this machine; readable by the owner only."""
        return self.root / "secrets"


def workspace_root() -> Path:
    """Return the folder in force: `CRYPTAI_HOME`, else `workspace/` under the current folder."""
    home = os.environ.get("CRYPTAI_HOME")
    return Path(home).expanduser().resolve() if home else Path.cwd() / "workspace"


def open_workspace(root: Path | None = None, *, create: bool = True) -> Workspace:
    """Return the workspace, creating what is missing; refuse one of a newer version.

    What is made is its owner's alone: strategies and runs are nobody else's. With `create=False` nothing is
    written; a missing folder is then simply empty.
    """
    root = root or workspace_root()
    marker = root / "version"
    try:
        marked = _version_known(marker)
        if create:
            missing = [name for name in FOLDERS if not (root / name).is_dir()]
            if not marked:
                make_folder(root.parent)
                root.mkdir(mode=0o700, exist_ok=True)
                sync_folder(root.parent)
            for name in missing:
                (root / name).mkdir(exist_ok=True)
            (root / "secrets").chmod(0o700)
            if missing or not marked:
                # What is acknowledged in a folder is lost with it, if a power cut takes its name.
                sync_folder(root)
            if not marked:
                marker.write_text(f"{LAYOUT_VERSION}\n")
    except OSError as error:
        raise WorkspaceError(
            f"The workspace {root} cannot be used ({error.strerror}); name another with CRYPTAI_HOME."
        ) from error
    return Workspace(root)


def _version_known(marker: Path) -> bool:
    """Return whether the marker says a version we understand; refuse one that says anything else."""
    text = marker.read_text(errors="replace").strip() if marker.exists() else ""
    # Empty is what a power cut leaves of a file just begun: it is written again.
    if not text:
        return False
    if not (text.isascii() and text.isdigit()):
        raise WorkspaceError(f"{marker} should hold the workspace's version, but says {text[:40]!r}.")
    if int(text) > LAYOUT_VERSION:
        raise WorkspaceError(
            f"The workspace {marker.parent} is of version {text}, newer than this CryptAI understands "
            f"({LAYOUT_VERSION}); update CryptAI, or name another folder with CRYPTAI_HOME."
        )
    return True


def lock_workspace(workspace: Workspace, *, shared: bool = False) -> IO[str]:
    """Hold the workspace for one server, or for several that share it, until the returned file is closed.

    The lock is the operating system's (flock): it goes with the process, however that dies.
    """
    handle = (workspace.root / "lock").open("a+")
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise WorkspaceError(
            f"A server (process {holder}) is running on the workspace {workspace.root} already; "
            "stop it, or name another folder with CRYPTAI_HOME."
        ) from error
    handle.seek(0)
    handle.truncate()
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
