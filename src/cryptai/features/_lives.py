"""Zones and their lives: born, touched, mitigated, ended, lapsed; of any number of them in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.features._lines import highest, pop, push
from cryptai.features._rows import Rows, put
from cryptai.features.events import Kind
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles

# How a zone ends: a wick reaches its far edge; a wick goes beyond it; a close does.
FILLED: Final = 0
PIERCED: Final = 1
CLOSED: Final = 2


class Zones(NamedTuple):
    """Zones in the order they became known; `joins` is 1 where one takes in the one before it."""

    at: Ints
    known: Ints
    direction: Codes
    top: Floats
    bottom: Floats
    strength: Floats
    volume: Floats
    joins: Codes

    def some(self, rows: slice | NDArray[np.int64]) -> Zones:
        """Return some of the zones."""
        picked: Any = [column[rows] for column in self]
        return Zones(*picked)


def life_of(name: str, end: str, *, joined: bool = False) -> tuple[Kind, ...]:
    """Return the kinds of a zone's life, in the order the kernel numbers them."""
    kinds = (
        Kind(name, "born", "box"),
        Kind(f"{name}_touched", "life", "none", name),
        Kind(f"{name}_mitigated", "life", "none", name),
        Kind(f"{name}_{end}", "end", "none", name),
        Kind(f"{name}_lapsed", "end", "none", name),
    )
    return (*kinds, Kind(f"{name}_joined", "end", "none", name)) if joined else kinds


@part
def waiting_for(direction: int, top: float, bottom: float, stage: int) -> float:
    """Return the price a zone waits for: near edge, middle, far edge; turned in sign if bearish."""
    if stage == 1:
        return direction * (bottom + (top - bottom) / 2.0)
    # A bullish zone is reached from above, a bearish one from below.
    return direction * (top if (stage == 0) == (direction > 0) else bottom)


@kernel
def _lives(  # noqa: C901 (all that can befall a zone, in the order it does)
    high: Floats, low: Floats, close: Floats, at: Ints, known: Ints, direction: Codes, top: Floats,
    bottom: Floats, strength: Floats, volume: Floats, joins: Codes, ending: int, max_age: int,
    stage: Codes, keys: Floats, items: Ints, sizes: Ints, bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    # Four lines: what waits for a wick to reach a price (bullish, bearish), and to go beyond one. A zone is
    # in one of them; `stage` says how far it is, from 3 on that it is over.
    zones = len(at)
    row, born, oldest = 0, 0, 0
    for t in range(known[0] if zones else 0, len(close)):
        if born < zones and known[born] == t and joins[born] and stage[born - 1] < 3:
            z = born - 1
            row = put(
                bars, codes, figures, row, at[z], t, 5, direction[z], top[z], bottom[z], np.nan,
                strength[z], volume[z], np.nan,
            )  # fmt: skip
            stage[z] = 5
        for line in range(4):
            way = 1 if line % 2 == 0 else -1
            wick = low[t] if way > 0 else -high[t]
            strict = line >= 2
            price = way * close[t] if strict and ending == 2 else wick
            while sizes[2 * line] + sizes[2 * line + 1] > 0:
                key = highest(keys, sizes, line, zones)
                if key < price or (strict and key == price):
                    break
                z = pop(keys, items, sizes, line, zones)
                if stage[z] >= 3:
                    continue
                near, far = way * (top[z] if way > 0 else bottom[z]), way * (bottom[z] if way > 0 else top[z])
                share = min(1.0, (near - wick) / (near - far)) if near > far else 1.0
                stage[z] += 1
                row = put(
                    bars, codes, figures, row, at[z], t, stage[z], way, top[z], bottom[z],
                    way * price, strength[z], volume[z], share,
                )  # fmt: skip
                if stage[z] < 3:
                    after = line + 2 if stage[z] == 2 and ending > 0 else line
                    push(keys, items, sizes, after, zones, waiting_for(way, top[z], bottom[z], stage[z]), z)
        while oldest < born and known[oldest] + max_age <= t:
            if stage[oldest] < 3:
                row = put(
                    bars, codes, figures, row, at[oldest], t, 4, direction[oldest], top[oldest],
                    bottom[oldest], np.nan, strength[oldest], volume[oldest], np.nan,
                )  # fmt: skip
                stage[oldest] = 4
            oldest += 1
        while born < zones and known[born] == t:
            z = born
            way = direction[z]
            edge = bottom[z] if way > 0 else top[z]
            row = put(
                bars,
                codes,
                figures,
                row,
                at[z],
                t,
                0,
                way,
                top[z],
                bottom[z],
                edge,
                strength[z],
                volume[z],
                0.0,
            )
            stage[z] = 0
            push(keys, items, sizes, 0 if way > 0 else 1, zones, waiting_for(way, top[z], bottom[z], 0), z)
            born += 1
    return row


def lives(candles: Candles, zones: Zones, kinds: tuple[Kind, ...], ending: int, max_age: int) -> Events:
    """Return births and lives of zones as events; `kinds` are those of `life_of`.

    From the bar after it became known: touched when a wick reaches the near edge, mitigated when one reaches
    the middle, ended as `ending` says, lapsed where it has not ended within `max_age` bars. All of them may
    befall it in one bar. `level` of a birth is the far edge, of a life the price that did it (the wick's end,
    or the close), `share` how much of the zone the wick had passed; `strength` and `volume` stay the zone's.
    """
    count = len(zones.at)
    rows = Rows(4 * count)
    stage, keys = np.empty(count, np.int8), np.empty(8 * count)
    items, sizes = np.empty(8 * count, np.int64), np.zeros(8, np.int64)
    told = _lives(
        candles.high, candles.low, candles.close, *zones, ending, max_age, stage, keys, items, sizes,
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, kinds, told)
