"""A person's own strategies, screened in a process of its own with limits."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cryptai.signals import Signal
from cryptai.trading.isolated import ask, catalog_of, child, store_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def screen_isolated(
    home: Path,
    exchange: str,
    *,
    as_of_ms: int | None = None,
    symbols: Sequence[str] | None = None,
    seconds: int = 60,
    megabytes: int = 2048,
) -> list[Signal]:
    """Screen a venue, or some symbols of it, for the setups of the workspace's own strategies in a child.

    Raises
    ------
    InputError
        If a strategy ends its process.
    LimitExceeded
        After `seconds` of time or over `megabytes` of memory.
    """
    with catalog_of(home, exchange, None) as catalog:
        task = {"exchange": exchange, "as_of_ms": as_of_ms, "symbols": symbols, "catalog": catalog}
        told = ask("cryptai.screening.isolated", task, home, seconds=seconds, megabytes=megabytes)
    return [Signal(**row) for row in told]


def _work(task: dict[str, Any]) -> list[dict[str, Any]]:
    from cryptai.screening.evidence import Evidence  # noqa: PLC0415 (the child's work, not the parent's)
    from cryptai.screening.screen import screen  # noqa: PLC0415
    from cryptai.strategies.user import user_files  # noqa: PLC0415

    workspace, store = store_of(task)
    found = screen(
        store,
        task["exchange"],
        # Nine times its work would be too much for a child's minute.
        evidence=Evidence(workspace, store, task["exchange"], neighbourhood=False),
        as_of_ms=task["as_of_ms"],
        symbols=task["symbols"],
        strategies_folder=workspace.strategies,
        names=list(user_files(workspace.strategies)),
    )
    return [asdict(signal) for signal in found.signals]


if __name__ == "__main__":
    sys.exit(child(_work))
