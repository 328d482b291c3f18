"""`cryptai doctor`: what is in order here, what is not, and the way out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli.options import Json

if TYPE_CHECKING:
    from cryptai.cli.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def register(app: typer.Typer) -> None:
    """Add `doctor`."""
    app.command()(doctor)


def doctor(
    json_: Json = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask whether the venue answers.")] = False,
) -> None:
    """Look at Python, packages, workspace, candles, database and venue, and say what is not in order.

    It changes nothing. It ends with 1 if something is broken; a venue that does not answer is not.

    Example: cryptai doctor --offline
    """
    from cryptai.cli.findings import all_findings

    found = all_findings(offline=offline)
    broken = any(finding.state == "fail" for finding in found)
    if json_:
        print(json.dumps({"ok": not broken, "findings": [asdict(finding) for finding in found]}, indent=2))
    else:
        for finding in found:
            _print(finding)
    if broken:
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    mark = f"{finding.state:<4}"
    if sys.stdout.isatty():
        mark = typer.style(mark, fg=_COLOURS[finding.state])
    print(f"{mark}  {finding.name:<10}  {finding.text}")
    if finding.way_out:
        print(f"{'':<18}→ {finding.way_out}")
