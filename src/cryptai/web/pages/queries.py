"""Numbers in an address's query, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.errors import InputError

if TYPE_CHECKING:
    from django.http import HttpRequest


def whole(request: HttpRequest, name: str, default: int | None, low: int, high: int) -> int | None:
    """Return a whole number of the query, or the default where it is not given.

    Raises
    ------
    InputError
        If it is no whole number from `low` to `high`.
    """
    text = request.GET.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high):
        raise InputError(
            f"{name} must be a whole number from {low} to {high}, was {text[:20]!r}.", field=name
        )
    return int(text)
