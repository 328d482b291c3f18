"""Every route of the site and an address for each, found by walking the resolver."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.urls import URLResolver, get_resolver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What stands in an address where its route has a parameter.
_VALUES = {
    "symbol": "BTC-USDT", "name": "rsi", "pk": "0" * 32, "object_id": "1", "app_label": "accounts",
    "content_type_id": "1", "url": "nowhere", "key": "k", "uidb36": "1", "id": "1", "number": "1",
    "identity": "0" * 64,
}  # fmt: skip
_PARAMETER = re.compile(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>")


def routes(
    patterns: Any = None, namespaces: tuple[str, ...] = (), prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield (key in the permission table, pattern) of every route."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        where = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from routes(pattern.url_patterns, inner, where)
        else:
            yield (":".join((*namespaces, pattern.name)) if pattern.name else where), where


def address(pattern: str, values: Mapping[str, str] | None = None) -> str:
    """Return an address that the route answers."""
    known = {**_VALUES, **(values or {})}
    filled = _PARAMETER.sub(lambda found: known[found[1] or found[2]], pattern)
    return "/" + filled.replace("^", "").replace("$", "").replace("\\Z", "").replace("?", "")
