"""The room that a search has for its lines: each is computed once for all that need it while it is held.

Threads share it. Whoever needs a line that is not there computes it, and meanwhile what others need, too; a
line that nobody uses any more stays until its slot is needed.
"""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.shared import batches, compute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.features.shared import Line
    from cryptai.market.candles import Candles


class Room:
    """Rows of lines over candles, in slots.

    Attributes
    ----------
    rows
        float64 of shape (slots, bars).
    first
        Of each slot the first row with a value; -1 for a line that has a hole after it, which has no place
        in the bits: its sets go by their signals.
    """

    def __init__(self, candles: Candles, slots: int, threads: int) -> None:
        self.candles = candles
        self.rows = np.empty((slots, len(candles)))
        self.first = np.full(slots, -1, np.int64)
        # What one may newly take at a time, so that something is left for the others.
        self._most = max(1, 2 * slots // (threads + 1))
        self._empty = list(range(slots - 1, -1, -1))
        self._at: dict[Line, int] = {}
        self._users: dict[Line, int] = {}
        # Lines without users; the first of them has been without the longest.
        self._idle: dict[Line, None] = {}
        self._wanted: deque[list[Line]] = deque()
        self._ready: set[Line] = set()
        self._changed = Condition()
        self._closed = False

    def hold(self, lines: Sequence[Line], *, wait: bool) -> NDArray[np.int64] | None:
        """Return the slots of lines, which stay theirs until `release`; None if they do not fit in.

        With `wait` it waits until others have released enough; None is then told of more lines than there are
        slots, or once the room is closed.
        """
        with self._changed:
            while not self._fits(lines, alone=wait):
                if not wait or len(lines) > len(self.rows) or self._closed:
                    return None
                self._changed.wait()
            missing = [line for line in lines if line not in self._at]
            for line in lines:
                self._users[line] = self._users.get(line, 0) + 1
                self._idle.pop(line, None)
            for line in missing:
                self._at[line] = self._empty.pop() if self._empty else self._given_up()
            self._wanted.extend(batches(missing, len(self.candles)))
            slots = np.array([self._at[line] for line in lines], np.int64)
        self._fill()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._ready.issuperset(lines))
            return None if self._closed else slots

    def release(self, lines: Sequence[Line]) -> None:
        """Take back what `hold` gave."""
        with self._changed:
            for line in lines:
                self._users[line] -= 1
                if not self._users[line]:
                    del self._users[line]
                    self._idle[line] = None
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer: something failed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, lines: Sequence[Line], *, alone: bool) -> bool:
        missing = sum(line not in self._at for line in lines)
        spare = len(self._empty) + len(self._idle) - sum(line in self._idle for line in lines)
        return missing <= (spare if alone else min(spare, self._most))

    def _given_up(self) -> int:
        oldest = next(iter(self._idle))
        del self._idle[oldest]
        self._ready.discard(oldest)
        return self._at.pop(oldest)

    def _fill(self) -> None:
        while True:
            with self._changed:
                if self._closed or not self._wanted:
                    return
                lines = self._wanted.popleft()
                slots = [self._at[line] for line in lines]
            self.first[slots] = compute(lines, self.candles, self.rows, slots)
            with self._changed:
                self._ready.update(lines)
                self._changed.notify_all()
