"""TA-Lib's compiled functions, without its Python front.

That front imports Polars and pandas where they are installed, only to accept their Series. We pass arrays, and
a command that starts a third of a second sooner is worth these few lines.
"""

from __future__ import annotations

import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any


def _load() -> Any:
    package = importlib.util.find_spec("talib")
    if package is None or package.origin is None:
        raise ImportError("TA-Lib is missing; install the package `ta-lib`.")
    folder = Path(package.origin).parent
    file = next(f for suffix in EXTENSION_SUFFIXES for f in folder.glob(f"_ta_lib{suffix}"))
    spec = importlib.util.spec_from_file_location("talib._ta_lib", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not an extension module.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module._ta_initialize()  # noqa: SLF001 (what the front does on import)
    return module


talib = _load()
