"""The user's own strategies: one file each in the workspace, found by its name."""

from __future__ import annotations

import math
import sys
import traceback
from contextlib import nullcontext
from numbers import Real
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cryptai.errors import CryptaiError, InputError, UnknownName
from cryptai.strategies.freqtrade import adapted, freqtrade_style, importable, is_plain
from cryptai.strategies.strategy import NEEDS, USER_MODULES, Strategy, needs_of, parameters, strategies

if TYPE_CHECKING:
    from pathlib import Path


def user_files(folder: Path | None) -> dict[str, Path]:
    """Return the user's strategy files by name; nothing is imported."""
    if folder is None or not folder.is_dir():
        return {}
    return {file.stem: file for file in sorted(folder.glob("*.py")) if file.stem.isidentifier()}


def strategy_names(folder: Path | None = None) -> list[str]:
    """Return every strategy's name, built-in and the user's, sorted."""
    return sorted({*strategies.names(), *user_files(folder)})


def find_strategy(name: str, folder: Path | None = None) -> type[Strategy]:
    """Return a strategy class by name; a user's file is imported and run by this.

    The command and the library may call it. A server must not: it hands the name to
    `cryptai.trading.isolated`, which does so in a process of its own.

    Raises
    ------
    UnknownName
        With the near names.
    InputError
        If the file cannot be imported, holds no strategy or several, bears a built-in's name, or its class
        declares what no form or command could fill in.
    """
    files = user_files(folder)
    if name in strategies:
        if name in files:
            raise InputError(
                f"{files[name]} bears the name of a built-in strategy; rename it.", field="strategy"
            )
        return strategies.get(name)
    if name not in files:
        raise UnknownName("strategy", name, strategy_names(folder), field="strategy")
    return _import(name, files[name])


def run_file(name: str, file: Path) -> ModuleType:
    """Run a person's file as the module of that name, and return it.

    What a freqtrade-style file imports of freqtrade is stood in for while it runs.

    Raises
    ------
    InputError
        If it fails, or cannot be read.
    """
    module_name = f"{USER_MODULES}.{name}"
    module = ModuleType(module_name)
    module.__file__ = str(file)
    sys.modules[module_name] = module  # dataclasses look their module up
    try:
        # Read afresh each time: Python's own cache would miss an edit within the same second.
        source = file.read_bytes()
        with importable() if freqtrade_style(source) else nullcontext():
            exec(compile(source, str(file), "exec"), module.__dict__)  # noqa: S102 (what the file is for)
    except (Exception, SystemExit) as error:  # sys.exit() in a user's file must not end the command
        raise InputError(
            f"{file} cannot be imported: {what_failed(error, file)}.", field="strategy"
        ) from error
    return module


def classes_of(module: ModuleType) -> list[type[Any]]:
    """Return the strategy classes that a person's module defines, freqtrade-style ones too."""
    return [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type)
        and thing.__module__ == module.__name__
        and (hasattr(thing, "signals") or hasattr(thing, "signals_many") or is_plain(thing))
    ]


def _import(name: str, file: Path) -> type[Strategy]:
    module = run_file(name, file)
    found = classes_of(module)
    if len(found) != 1:
        raise InputError(
            f"{file} must hold exactly one strategy class, but holds {len(found)}.", field="strategy"
        )
    cls: type[Strategy] = _adapted(found[0], file) if is_plain(found[0]) else found[0]
    cls.name = name
    wrong = _unfit(cls)
    if wrong:
        raise InputError(f"{file} is no strategy yet: {wrong}.", field="strategy")
    return cls


def _adapted(plain: type[Any], file: Path) -> type[Strategy]:
    try:
        return adapted(plain)
    except Exception as error:
        told = str(error) if isinstance(error, InputError) else f"{what_failed(error, file)}."
        raise InputError(f"{file}, {plain.__name__}: {told}", field="strategy") from error


def _unfit(cls: type[Strategy]) -> str | None:
    try:
        declared = parameters(cls)
    except Exception as error:  # noqa: BLE001 (annotations are the user's code too)
        return f"its annotations cannot be read ({what_failed(error)})"
    for p in declared:
        if p.type not in (int, float, bool):
            return f"its parameter {p.name} must be an int, a float or a bool"
        default: object = p.default
        if not isinstance(default, Real):
            return f"its parameter {p.name} has no default; write {p.name}: {p.type.__name__} = param(…)"
    for name in ("stop", "target"):
        value: object = getattr(cls, name, math.nan)
        if isinstance(value, bool) or not isinstance(value, Real):
            return f"its {name} must be a number, such as 0.08, or math.nan for none"
    try:
        needs_of(cls)
    except InputError:
        return f"its needs must be a tuple of {' or '.join(map(repr, NEEDS))}, such as needs = ('funding',)"
    return None


def what_failed(error: BaseException, file: Path | None = None) -> str:
    """Return an error of a user's code in one line: its kind, its words, and the line of the file."""
    words = " ".join(str(error).split())[:200]
    told = f"{type(error).__name__}: {words}" if words else type(error).__name__
    if isinstance(error, CryptaiError):
        told = words.rstrip(".")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if file is not None and frame.filename == str(file):
            return f"{told} (line {frame.lineno})"
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    return told
