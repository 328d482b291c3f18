"""The rows of events as kernels write them: three flat arrays, made `Events` at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptai.features.events import Events
from cryptai.kernels import part

if TYPE_CHECKING:
    from cryptai.features.events import Kind
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles


class Rows:
    """Room for so many events; what is not written costs nothing.

    `bars` holds at_bar and known_bar, `codes` kind and direction, `figures` the six of `events.FIGURES`:
    one column after the other, `room` places each.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.bars = np.empty(2 * room, np.int64)
        self.codes = np.empty(2 * room, np.int8)
        self.figures = np.empty(6 * room)

    def events(self, candles: Candles, kinds: tuple[Kind, ...], count: int) -> Events:
        """Return the first `count` rows as the events of a structure."""
        room = self.room
        at, known = (self.bars[i * room : i * room + count] for i in range(2))
        kind, direction = (self.codes[i * room : i * room + count] for i in range(2))
        figures = (self.figures[i * room : i * room + count] for i in range(6))
        return Events(candles.ts, candles.timeframe.ms, kinds, at, known, kind, direction, *figures)


@part
def put(
    bars: Ints, codes: Codes, figures: Floats, row: int, at: int, known: int, kind: int, direction: int,
    top: float, bottom: float, level: float, strength: float, volume: float, share: float,
) -> int:  # fmt: skip
    """Write one event; return the next row."""
    room = len(bars) // 2
    bars[row], bars[room + row] = at, known
    codes[row], codes[room + row] = kind, direction
    figures[row], figures[room + row], figures[2 * room + row] = top, bottom, level
    figures[3 * room + row], figures[4 * room + row], figures[5 * room + row] = strength, volume, share
    return row + 1
