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
    os.environ.update(CRYPTAI_HOME=str(workspace.root), DJANGO_SETTINGS_MODULE="cryptai.web.settings")
    from django.conf import settings

    # A database elsewhere answers for itself.
    if not settings.DATABASE_URL and not workspace.database.exists():
        raise WorkspaceError(
            f"The workspace {workspace.root} has no owner yet; `cryptai up` makes one, or name another "
            "folder with CRYPTAI_HOME."
        )
    import django

    django.setup()
    return workspace
