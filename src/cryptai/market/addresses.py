"""Settings that name another address for a venue: scheme and host, nothing else."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from cryptai.errors import InputError


def address(setting: str, default: str) -> str:
    """Return `scheme://host[:port]` from the environment variable, else the default.

    Paths stay the venue's own: a stand-in, mirror or proxy serves them under its root.

    Raises
    ------
    InputError
        If the variable holds anything else.
    """
    told = os.environ.get(setting, "").strip().rstrip("/") or default
    schemes = {default.partition("://")[0], default.partition("://")[0].removesuffix("s")}
    try:
        parts = urlsplit(told)
        good = parts.scheme in schemes and parts.hostname and (parts.port or 1)
    except ValueError:
        good = False
    if not good or told != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise InputError(
            f"{setting} is {told[:80]!r}, but names scheme and host only, like "
            f"{min(schemes, key=len)}://127.0.0.1:8080.",
            field=setting,
        )
    return told
