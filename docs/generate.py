"""Write the reference pages from the code: `make reference`. A test compares them with what is committed."""

from __future__ import annotations

import inspect
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cryptai.cli.main import application
from cryptai.features.indicator import indicators
from cryptai.strategies.strategy import parameters, strategies

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- Made by `make reference` from the code: change it there. -->"
EXITS = """Every failure is one sentence on stderr, also with `--json`. The exit status is 0 when all is well,
1 for a mistake of ours and for a `cryptai doctor` that found something broken, 2 for something you can mend,
130 after Ctrl-C, 141 when whoever read the answer went away."""
FILES = """Each is one file in `src/cryptai/strategies/`; yours are files in `workspace/strategies/`. A
parameter is set with `--param fast=20`."""
ROWS = """Plain functions of columns: as long as their input, NaN before the first value, row *t* from rows up
to *t* only."""


def pages() -> dict[str, str]:
    """Return the text of each generated page by its file name."""
    return {"commands.md": commands(), "strategies.md": strategy_page(), "indicators.md": indicator_page()}


def commands() -> str:
    """Return the page of every command with its help."""
    parts = [MADE, "# Commands", EXITS]
    for path, command, context in walk(typer.main.get_command(application()), None, "cryptai"):
        parts.append(f"## {path}\n\n```text\n{command.get_help(context).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def walk(command: Any, parent: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield each command with its path and a context of 100 columns, whatever the terminal."""
    context = typer.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=100,
        **(command.context_settings if parent is None else {}),
    )
    yield context.command_path, command, context
    for below, sub in getattr(command, "commands", {}).items():
        yield from walk(sub, context, below)


def strategy_page() -> str:
    """Return the page of every built-in strategy with its parameters."""
    parts = [MADE, "# Strategies", FILES]
    for cls in strategies:
        parts.append(f"## {cls.name}\n\n{inspect.getdoc(cls)}")
        rows = [
            f"| `{p.name}` | {p.default} | {between(p.low, p.high)} | {p.meaning} | {p.unit} |"
            for p in parameters(cls)
        ]
        if rows:
            head = "| parameter | default | range | meaning | unit |\n| --- | --- | --- | --- | --- |"
            parts.append("\n".join([head, *rows]))
    return "\n\n".join(parts) + "\n"


def indicator_page() -> str:
    """Return the page of every indicator with its inputs, outputs and parameters."""
    parts = [MADE, "# Indicators", ROWS]
    for one in indicators:
        module = inspect.unwrap(one.function).__module__
        rows = [
            f"| `{name}` | {one.defaults[name]:g} | {between(*limits)} |"
            for name, limits in one.ranges.items()
        ]
        columns = f"{', '.join(one.inputs)} → {', '.join(one.outputs)}"
        parts.append(f"## {one.name}\n\n`from {module} import {one.name}`: {columns}")
        parts.append((inspect.getdoc(one.function) or "").split(">>>")[0].strip())
        if rows:
            parts.append("\n".join(["| parameter | default | range |\n| --- | --- | --- |", *rows]))
    return "\n\n".join(parts) + "\n"


def between(low: float | None, high: float | None) -> str:
    """Return a range as a person writes it."""
    if low is None or high is None or (math.isinf(low) and math.isinf(high)):
        return ""
    return f"{low:g} to {high:g}"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
    sys.exit(0)
