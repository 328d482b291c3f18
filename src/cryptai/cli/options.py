"""Declarations of options that several verbs share, spelled and checked in one place."""

from __future__ import annotations

import math
from typing import Annotated

import typer


def finite(text: str | float) -> float:
    """Return the number; refuse what is none, and NaN and infinity, with a sentence."""
    try:
        value = float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number.") from None
    if not math.isfinite(value):
        raise typer.BadParameter(f"it must be a finite number, was {value}.")
    return value


# The parser replaces Typer's own float, which lets NaN and infinity through.
FiniteFloat = Annotated[float, typer.Option(parser=finite, metavar="NUMBER")]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Exchange = Annotated[str, typer.Option("--exchange", metavar="NAME", help="The venue the candles are from.")]
