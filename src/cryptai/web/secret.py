"""The platform's secret key: made once, kept in the workspace for its owner's eyes only, refused if weak."""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptai.errors import WorkspaceError
from cryptai.folders import sync_folder
from cryptai.seams import new_id, new_secret

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

_NAME = "django.key"


def secret_key(workspace: Workspace) -> str:
    """Return the key in force: `CRYPTAI_SECRET_KEY`, else the workspace's, else one for this process only.

    Raises
    ------
    WorkspaceError
        If the key is shorter than 50 characters or made of fewer than 10 different ones, or if others
        can read its file.
    """
    given = os.environ.get("CRYPTAI_SECRET_KEY")
    if given:
        return _strong(given, "CRYPTAI_SECRET_KEY")
    path = workspace.secrets / _NAME
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return _fresh()
    if mode & 0o077:
        raise WorkspaceError(f"Others can read the secret key {path}; protect it with: chmod 600 {path}")
    return _strong(path.read_text(encoding="ascii", errors="replace").strip(), str(path))


def keep_secret_key(workspace: Workspace) -> None:
    """Make the workspace's key if it has none, readable by its owner only; safe when two start at once."""
    path = workspace.secrets / _NAME
    draft = path.with_name(f"{_NAME}.{new_id()}.tmp")
    try:
        if not path.exists():
            _write(draft)
            with suppress(FileExistsError):
                os.link(draft, path)  # unlike a rename it never replaces the key of one who was quicker
        # Also where it is there: its maker may have been killed before its name was safe.
        sync_folder(path.parent)
    except OSError as error:
        raise WorkspaceError(
            f"The secret key {path} cannot be written ({error.strerror}); check the folder's permissions and "
            "free space."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _write(draft: Path) -> None:
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(_fresh() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _fresh() -> str:
    return base64.urlsafe_b64encode(new_secret(48)).decode("ascii")


def _strong(key: str, where: str) -> str:
    if len(key) < 50 or len(set(key)) < 10 or key.startswith("django-insecure"):
        raise WorkspaceError(
            f"The secret key in {where} is weak; it needs 50 random characters or more. "
            "Remove it and a good one is made at the next start."
        )
    return key
