"""Declarations of options that several verbs share, spelled and checked in one place."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Exchange = Annotated[str, typer.Option("--exchange", metavar="NAME", help="The venue the candles are from.")]
