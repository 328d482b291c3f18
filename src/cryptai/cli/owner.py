"""`cryptai owner`: help for an owner who cannot sign in."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from cryptai.cli.options import Json
from cryptai.errors import WorkspaceError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    owner = typer.Typer(no_args_is_help=True)
    owner.callback()(_owner)
    owner.command("reset-password", epilog="Example: cryptai owner reset-password")(reset_password)
    app.add_typer(owner, name="owner")


# With a callback it stays a group, although there is one verb in it.
def _owner() -> None:
    """Let an owner who cannot sign in back in."""


def reset_password(json_: Json = False) -> None:
    """Print a new password and token for the owner; every session and token before them ends.

    Works beside a running server.
    """
    from cryptai.cli.platform import open_platform

    workspace = open_platform()
    from django.db import DatabaseError

    from cryptai.web.accounts.models import User

    try:
        owner = User.objects.owner()
        if owner is None:
            raise WorkspaceError(f"The workspace {workspace.root} has no owner yet; `cryptai up` makes one.")
        found = owner.start_over()
    except DatabaseError as error:
        raise WorkspaceError(f"The database {workspace.database} cannot be used ({error}).") from error
    if json_:
        print(json.dumps(asdict(found)))
        return
    print(f"Username   {found.username}")
    print(f"Password   {found.password}")
    print(f"Token      {found.token}")
    print("Every session and token before these has ended.")
