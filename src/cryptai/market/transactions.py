"""What a store asks of a catalog, wherever that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from cryptai.market.rows import Rows


class Transactions(Protocol):
    """A catalog, wherever it is kept."""

    def look(self) -> AbstractContextManager[Rows]:
        """Read at one point in time; where there is no catalog yet, nothing is stored and nothing made."""

    def change(self) -> AbstractContextManager[Rows]:
        """Hold the one write lock from the first read on; durable when the block ends, or nothing is."""
