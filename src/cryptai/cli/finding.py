"""A finding of `cryptai doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One matter: `fail` is broken, `warn` less than it could be; `way_out` says what to do, if anything."""

    name: str
    state: Literal["ok", "warn", "fail"]
    text: str
    way_out: str = ""
