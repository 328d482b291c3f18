"""What the shared cache holds, written as JSON: whoever can write into Redis must not run code here."""

from __future__ import annotations

import json
from typing import Any


class JsonSerializer:
    """Writes and reads what Django's cache in Redis keeps (its `serializer` option), in pickle's place.

    Counts of rate limits, times of requests and marks are all that is kept there.
    """

    def dumps(self, value: Any) -> int | bytes:
        """Return it as Redis keeps it; a whole number as itself, so that Redis can count with it.

        Raises
        ------
        TypeError, ValueError
            For what JSON cannot tell.
        """
        return value if type(value) is int else json.dumps(value, allow_nan=False).encode()

    def loads(self, kept: bytes) -> Any:
        """Return what was kept: tuples as lists.

        Raises
        ------
        ValueError
            For what is not JSON.
        """
        return json.loads(kept)
