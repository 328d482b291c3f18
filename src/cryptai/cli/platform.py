"""Open the platform's database for a command that works beside the server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptai.errors import WorkspaceError

if TYPE_CHECKING:
    from cryptai.workspace import Workspace


def open_platform() -> Workspace:
    """Set Django up on the workspace in force and return it; refuse one that `cryptai up` never saw."""
    from cryptai.workspace import open_workspace

    workspace = open_workspace(create=False)
    # A database on another machine is asked itself.
    if not os.environ.get("DATABASE_URL") and not workspace.database.exists():
        raise WorkspaceError(
            f"The workspace {workspace.root} has no owner yet; `cryptai up` makes one, or name another "
            "folder with CRYPTAI_HOME."
        )
    os.environ.update(CRYPTAI_HOME=str(workspace.root), DJANGO_SETTINGS_MODULE="cryptai.web.settings")
    import django

    django.setup()
    return workspace
