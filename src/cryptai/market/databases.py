"""The database that several machines share, if one is named."""

from __future__ import annotations

import os

from cryptai.errors import WorkspaceError


def database_address() -> str:
    """Return what `DATABASE_URL` names, "" if it is not set; what is said of a wrong one never holds it."""
    address = os.environ.get("DATABASE_URL", "")
    if address and not address.startswith(("postgresql://", "postgres://")):
        raise WorkspaceError(
            "DATABASE_URL must begin with postgresql://, like postgresql://user@host/cryptai."
        )
    return address
