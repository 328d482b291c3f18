"""TA-Lib's compiled functions, without Polars and pandas.

TA-Lib imports both where they are installed, only to accept their Series. We pass arrays, and a command that
starts a third of a second sooner is worth these few lines. `import talib` itself goes on working, and
accepts Series again, unless this module came first.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

_SPARED = ("polars", "pandas")


def _load() -> Any:
    # Hidden only for this import, and only while no other thread could miss them.
    hidden = [name for name in _SPARED if name not in sys.modules and threading.active_count() == 1]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("talib._ta_lib")
    finally:
        for name in hidden:
            del sys.modules[name]


talib = _load()
