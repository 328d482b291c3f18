"""What is made once for the same question in the same state, and anew when anything was added."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Made = TypeVar("Made")


class Once(Generic[Made]):
    """The newest so many things that were made, each by its key.

    A key is all that its thing follows from: the question, and what changes with whatever is added. So what
    is found is never out of date, and what nobody asks for any more goes by itself.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[tuple[object, ...], Made] = {}
        self._keeping = Lock()

    def get(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """Return what was made for that key; make it where nothing was."""
        found = self._kept.get(key)
        if found is None:
            found = make()
            with self._keeping:
                while len(self._kept) >= self._most:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = found
        return found
