"""Declarations of options that several verbs share, spelled and checked in one place."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Exchange = Annotated[str, typer.Option("--exchange", metavar="NAME", help="The venue the candles are from.")]

ENDPOINTS = (
    "Settings (environment): CRYPTAI_BINANCE_REST and CRYPTAI_BINANCE_WS name another address for Binance, "
    "CRYPTAI_COINGECKO_REST for CoinGecko, CRYPTAI_CCXT_REST and CRYPTAI_CCXT_WS for every other exchange; "
    "scheme and host only, like http://127.0.0.1:8080."
)
"""What the help of verbs that ask a venue says about its address."""


def refuse_empty(options: Mapping[str, Any]) -> None:
    """Refuse an option given as nothing: `--from "$FROM"` of an unset variable is not the default."""
    from cryptai.errors import InputError

    for name, value in options.items():
        if value == "":
            raise InputError(f"{name} is empty; give a value, or leave it out.", field=name)


def pairs(given: Iterable[str]) -> dict[str, str]:
    """Return the `NAME=VALUE` of a repeated `--param` by name."""
    from cryptai.errors import InputError

    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise InputError(f"param must be written name=value, was {one[:40]!r}.", field="param")
        found[name.strip()] = value.strip()
    return found


def answers_only() -> AbstractContextManager[Any]:
    """Keep what a user's strategy prints away from stdout, which belongs to the answer."""
    return redirect_stdout(sys.stderr)
