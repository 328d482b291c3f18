"""What is kept of a crash: one file in the workspace's logs, to be sent to us."""

from __future__ import annotations

import platform
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from cryptai.seams import new_id, now_ms
from cryptai.workspace import workspace_root


def write_crash(error: BaseException, arguments: list[str]) -> Path:
    """Write the traceback and what was asked; return the file.

    It lies in the workspace's `logs/`, or in the system's temporary folder where there is no
    workspace: a crash must not create one. Raises OSError if neither can be written.
    """
    logs = workspace_root() / "logs"
    folder = logs if logs.is_dir() else Path(tempfile.gettempdir())
    moment = datetime.fromtimestamp(now_ms() / 1000, UTC)
    file = folder / f"crash-{moment:%Y%m%dT%H%M%SZ}-{new_id()[:8]}.log"
    lines = (
        f"{moment.isoformat()} on Python {platform.python_version()}, {platform.platform()}",
        f"arguments: {arguments!r}",
        "".join(traceback.format_exception(error)),
    )
    file.touch(mode=0o600)
    file.write_text("\n".join(lines))
    return file
