"""What it looks like: indicators (rows from columns) and structures (events from candles), by name."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    # `ca.features.rsi(close, 14)`: the registry is the list, so a new file needs no line here.
    if name.startswith("_"):
        raise AttributeError(name)
    from cryptai.features.feature import features  # noqa: PLC0415 (its folder is this package)

    if name in features:
        return features.get(name).function
    raise AttributeError(f"There is no feature named {name!r}; `cryptai features list` tells them all.")
