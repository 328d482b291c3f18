"""One-line bugs planted in the compiled rules, to see the scenarios and the random scripts catch each.

`python -m tests.trading.planted` prints how each was caught as JSON. It runs the rules as plain Python, for
which `NUMBA_DISABLE_JIT=1` must be set: compiling each bug would take a minute.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .bugs import BUGS

if TYPE_CHECKING:
    from collections.abc import Iterator

WORLDS = 40


@contextmanager
def planted(module_name: str, old: str, new: str) -> Iterator[None]:
    """Let every module use a rule's function as it would be with another text."""
    module = importlib.import_module(f"cryptai.{module_name}")
    source = Path(str(module.__file__)).read_text()
    if source.count(old) != 1:
        raise ValueError(f"{old!r} stands {source.count(old)} times in {module_name}")
    fresh = types.ModuleType(module.__name__)
    fresh.__file__ = module.__file__
    exec(compile(source.replace(old, new), str(module.__file__), "exec"), fresh.__dict__)  # noqa: S102
    functions = {
        id(value): getattr(fresh, name)
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__
    }
    undo = []
    for user in [one for name, one in sys.modules.items() if name.startswith("cryptai")]:
        for name, value in list(vars(user).items()):
            if id(value) in functions:
                undo.append((user, name, value))
                setattr(user, name, functions[id(value)])
    try:
        yield
    finally:
        for user, name, value in undo:
            setattr(user, name, value)


def how_caught(*, worlds: int = WORLDS) -> str | None:
    """Return the first scenario or world in which the engine is not what it must be; None where all agree."""
    from tests.scenarios.case import cases, differences
    from tests.trading import asked, reference
    from tests.trading.random_scripts import first_difference, world

    for case in cases():
        try:
            if differences(case, asked.ask(case.markets, case.setup)):
                return str(case)
        except (ArithmeticError, ValueError, IndexError):
            return f"{case} (raised)"
    for seed in range(worlds):
        markets, setup = world(seed)
        if first_difference(asked.ask(markets, setup), reference.run(markets, setup), setup.capital):
            return f"world {seed}"
    return None


def main() -> None:
    """Plant each bug (or those named) and print how it was caught."""
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":
        sys.exit("Set NUMBA_DISABLE_JIT=1: a bug is planted in Python, not in machine code.")
    np.seterr(all="ignore")
    found: dict[str, str | None] = {"": how_caught()}
    for name in sys.argv[1:] or BUGS:
        with planted(*BUGS[name]):
            found[name] = how_caught()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
