"""What `cryptai backtest` keeps of a run: its folder in the workspace, or a sentence why not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.result import Result
    from cryptai.workspace import Workspace


def keep(
    result: Result, told: dict[str, Any], request: BacktestRequest, workspace: Workspace, *,
    as_of_ms: int, files: Sequence[Path],
) -> str | None:  # fmt: skip
    """Write the run's folder and return its path; None, with a sentence on stderr, where that cannot be.

    A result is not lost for a folder that cannot be written. Where there is no workspace nothing is kept,
    and nothing is said.
    """
    from cryptai.errors import WorkspaceError
    from cryptai.research.run_writing import keep_run

    moment = None if files else as_of_ms
    try:
        kept = keep_run(result, told, workspace, request, as_of_ms=moment, files=files)
    except (OSError, WorkspaceError) as error:
        print(f"cryptai: the run was not kept: {error}", file=sys.stderr)
        return None
    if kept is None:
        return None
    if kept.differs is not None:
        print(f"cryptai: {kept.differs}", file=sys.stderr)
        return None
    return str(kept.folder)
