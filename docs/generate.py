"""Write the reference pages from the code: `make reference`. A test compares them with what is committed."""

from __future__ import annotations

import inspect
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cryptai.cli.main import application
from cryptai.features.events import Structure
from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.strategies.strategy import needs_of, parameters, strategies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.features.feature import Feature

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- Made by `make reference` from the code: change it there. -->"
EXITS = """Every failure is one sentence on stderr, also with `--json`. The exit status is 0 when all is well,
1 for a mistake of ours, for a `cryptai doctor` or `cryptai data check --deep` that found something broken
and a `cryptai check` that found something not to be believed, 2 for something you can mend, 130 after
Ctrl-C, 141 when whoever read the answer went away."""
FILES = """Each is one file in `src/cryptai/strategies/`; yours are files in `workspace/strategies/`. A
parameter is set with `--param fast=20`."""
NEEDED = {"funding": "the funding of its perpetual, and pays it", "others": "two markets or more"}
ROWS = """Plain functions of columns: as long as their input, NaN before the first value, row *t* from rows up
to *t* only."""
RECORDS = """Functions of candles that give events: where each is drawn (`at`), and the close that made it
known (`known_at`). One could act on it from then, never before."""


def pages() -> dict[str, str]:
    """Return the text of each generated page by its file name."""
    written = {"commands.md": commands(), "strategies.md": strategy_page()}
    return written | feature_pages()


def commands() -> str:
    """Return the page of every command with its help."""
    parts = [MADE, "# Commands", EXITS]
    for path, command, context in walk(application(), None, "cryptai"):
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
        if needs_of(cls):
            parts.append(f"It needs {' and '.join(NEEDED[one] for one in needs_of(cls))}.")
        if hasattr(cls, "unscanned"):
            parts.append(f"It gives no signals to the scan: {cls.unscanned}.")
        rows = [
            f"| `{p.name}` | {p.default} | {between(p.low, p.high)} | {p.meaning} | {p.unit} |"
            for p in parameters(cls)
        ]
        if rows:
            head = "| parameter | default | range | meaning | unit |\n| --- | --- | --- | --- | --- |"
            parts.append("\n".join([head, *rows]))
    return "\n\n".join(parts) + "\n"


def feature_pages() -> dict[str, str]:
    """Return the pages of every indicator and every structure, with parameters, memory and outputs."""
    rows, records = [MADE, "# Indicators", ROWS], [MADE, "# Structures", RECORDS]
    for one in features:
        if isinstance(one, Indicator):
            outputs = ", ".join(f"{output.name} ({output.unit})" for output in one.outputs)
            rows += feature_lines(one, f"`ca.features.{one.name}`: {', '.join(one.inputs)} → {outputs}")
        elif isinstance(one, Structure):
            records += feature_lines(one, f"Events: {', '.join(f'`{kind.name}`' for kind in one.kinds)}")
    return {"indicators.md": "\n\n".join(rows) + "\n", "structures.md": "\n\n".join(records) + "\n"}


def feature_lines(one: Feature, shape: str) -> list[str]:
    """Return the paragraphs of one feature."""
    bars, exact = one.warmup_bars(), one.warmup_bars(bitwise=True)
    memory = f"Warm-up: {bars_said(bars)} to 1e-9, {bars_said(exact)} to the bit."
    lines = [f"## {one.name}", shape, one.doc.split(">>>")[0].strip(), memory]
    if one.parameters:
        head = "| parameter | default | range | meaning |\n| --- | --- | --- | --- |"
        table = [
            f"| `{p.name}` | {p.default} | {' or '.join(p.choices) or between(p.low, p.high)} | {p.meaning} |"
            for p in one.parameters
        ]
        lines.append("\n".join([head, *table]))
    return lines


def bars_said(bars: int | None) -> str:
    """Return a warm-up as a person writes it."""
    return "the whole history" if bars is None else f"{bars:,} bars"


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
