"""`cryptai strategies`: every strategy, built-in and the user's own, with its declared parameters."""

from __future__ import annotations

import json
import math
from typing import Any

import typer

from cryptai.cli.options import Json, answers_only


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("strategies", epilog="Example: cryptai strategies --json")(strategies)


def strategies(json_: Json = False) -> None:
    """List the strategies with their parameters, ranges and meanings.

    A file of your own in the workspace's `strategies/` folder is listed under the file's name.
    """
    with answers_only():
        found = _described()
    if json_:
        print(json.dumps({"strategies": found}, allow_nan=False))
        return
    from rich.console import Console

    console = Console(highlight=False)
    for row in found:
        console.print(f"[bold]{row['name']}[/]  {row['summary']}")
        if row.get("needs"):
            console.print(f"    needs {', '.join(row['needs'])}")
        if row.get("unscanned"):
            console.print(f"    not in the scan: {row['unscanned']}")
        for p in row["params"]:
            bounds = "" if p["low"] is None else f" ({p['low']:g} to {p['high']:g})"
            console.print(f"    {p['name']} = {p['default']}{bounds}  {p['meaning']}")


def _described() -> list[dict[str, Any]]:
    from cryptai.errors import InputError
    from cryptai.strategies.strategy import needs_of, parameters
    from cryptai.strategies.user import find_strategy, strategy_names, user_files
    from cryptai.workspace import open_workspace

    folder = open_workspace(create=False).strategies
    own = user_files(folder)
    rows: list[dict[str, Any]] = []
    for name in strategy_names(folder):
        row: dict[str, Any] = {"name": name, "own": name in own}
        try:
            cls = find_strategy(name, folder)
        except InputError as error:
            # One broken file must not hide the others.
            rows.append({**row, "summary": str(error), "params": [], "broken": True})
            continue
        params = [
            {
                "name": p.name, "type": p.type.__name__, "default": p.default, "low": _bound(p.low),
                "high": _bound(p.high), "meaning": p.meaning, "unit": p.unit,
            }
            for p in parameters(cls)
        ]  # fmt: skip
        summary = (cls.__doc__ or "").strip().split("\n")[0]
        needs, unscanned = list(needs_of(cls)), getattr(cls, "unscanned", None)
        rows.append({**row, "summary": summary, "params": params, "needs": needs, "unscanned": unscanned})
    return rows


def _bound(value: float) -> float | None:
    return value if math.isfinite(value) else None
