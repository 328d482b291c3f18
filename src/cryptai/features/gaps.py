"""Fair value gaps: prices that one bar leapt over, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._lines import highest, pop, push
from cryptai.features._lives import CLOSED, FILLED, Zones, life_of, lives
from cryptai.features._measure import MEASURED, in_true_ranges, relative_volume
from cryptai.features.events import structure
from cryptai.features.feature import flag, within
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles

_GAP: Final = life_of("fair_value_gap", "filled", joined=True)
_INVERSE: Final = life_of("inverse_fair_value_gap", "broken")
_SMALLEST: Final = within(0.0, 100.0, "smallest gap that counts, in true ranges")
_MAX_AGE: Final = within(1, 1_000_000, "bars after which a gap that is not over lapses")


@kernel
def _gaps(
    open_: Floats, high: Floats, low: Floats, close: Floats, volume: Floats, smallest: float, join: bool,
    max_age: int, at: Ints, known: Ints, direction: Codes, top: Floats, bottom: Floats, strength: Floats,
    busy: Floats, joins: Codes,
) -> int:  # fmt: skip
    count, run = 0, 0
    for t in range(2, len(close)):
        i = t - 1
        way = 0
        if high[t - 2] < low[t] and close[i] > open_[i]:
            way, upper, lower = 1, low[t], high[t - 2]
        elif low[t - 2] > high[t] and close[i] < open_[i]:
            way, upper, lower = -1, low[t - 2], high[t]
        if way == 0:
            continue
        size = in_true_ranges(upper - lower, high, low, close, t)
        if smallest > 0.0 and not size >= smallest:
            continue
        joins[count] = 0
        if join and count > 0 and at[count - 1] == i - 1 and direction[count - 1] == way:
            run = min(run + 1, max_age)
            joins[count] = 1
            # A gap two bars on lies wholly beyond this one: only the oldest two and the newest two matter.
            first = i - run
            for k in range(first, min(first + 2, i)):
                other_top, other_bottom = (low[k + 1], high[k - 1]) if way > 0 else (low[k - 1], high[k + 1])
                upper, lower = max(upper, other_top), min(lower, other_bottom)
            for k in range(max(first, i - 1), i):
                other_top, other_bottom = (low[k + 1], high[k - 1]) if way > 0 else (low[k - 1], high[k + 1])
                upper, lower = max(upper, other_top), min(lower, other_bottom)
            size = in_true_ranges(upper - lower, high, low, close, t)
        else:
            run = 0
        at[count], known[count], direction[count] = i, t, way
        top[count], bottom[count], strength[count] = upper, lower, size
        busy[count] = relative_volume(volume, i)
        count += 1
    return count


def _gaps_of(candles: Candles, smallest: float, *, join: bool, max_age: int) -> Zones:
    n = len(candles)
    found = Zones(
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int8),
        np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n, np.int8),
    )  # fmt: skip
    count = _gaps(
        candles.open,
        candles.high,
        candles.low,
        candles.close,
        candles.volume,
        smallest,
        join,
        max_age,
        *found,
    )
    return found.some(slice(count))


def gap_memory(smallest: float, join: bool, max_age: int) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    # A gap that lapses now is as old as it may be; a joined one began at most as long before.
    del smallest
    return max_age * (2 if join else 1) + MEASURED + 3


@structure(
    *_GAP,
    directed=("fair_value_gap",),
    warmup=gap_memory,
    exact=gap_memory,
    smallest=_SMALLEST,
    join=flag("take consecutive gaps of one direction for one"),
    max_age=_MAX_AGE,
)
def fair_value_gaps(
    candles: Candles, smallest: float = 0.0, join: bool = False, max_age: int = 500
) -> Events:
    """Return fair value gaps, known at the close of their third bar, and their lives.

    Bullish where the low of the bar after lies above the high of the bar before, and the bar between (`at`)
    closed above its open; the gap is what lies between those two prices. Bearish the other way round. So does
    `smartmoneyconcepts`, but for the time: it writes the gap at the middle bar, which cannot know it.

    `strength` is its size in true ranges (mean of 14 bars), `volume` that of the middle bar over the mean of
    the 20 bars before. From the next bar on: `touched` when a wick reaches it (what that package calls
    mitigated), `mitigated` when one reaches its middle (ICT's consequent encroachment), `filled` when one
    reaches its far edge, `lapsed` where that has not come within `max_age` bars. `level` is the price that
    did it, `share` how much of the gap had been filled.

    With `join`, a gap right after another of its direction takes it in: it is born with the highest top and
    the lowest bottom of the run (at most `max_age` gaps), and the one before ends as `joined`. What is not
    joined in the end are that package's joined gaps. Bars count, not time: a hole between bars is no gap of
    its own, but prices across it may be one.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([10.0, 12.0, 13.0, 11.5])
    >>> o = np.array([9.0, 10.0, 12.0, 13.0])
    >>> bars = Candles(np.arange(4) * 60_000, o, np.maximum(o, p), np.minimum(o, p), p, p, "BTC/USDT", "1m")
    >>> found = fair_value_gaps(bars)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.bottom.tolist(), found.top.tolist()
    ([1, 1], [2, 3], [10.0, 10.0], [12.0, 12.0])
    """
    return lives(candles, _gaps_of(candles, smallest, join=join, max_age=max_age), _GAP, FILLED, max_age)


@kernel
def _inverted(
    close: Floats, known: Ints, direction: Codes, top: Floats, bottom: Floats, max_age: int,
    keys: Floats, items: Ints, sizes: Ints, which: Ints, when: Ints,
) -> int:  # fmt: skip
    zones = len(known)
    count, following = 0, 0
    for t in range(known[0] if zones else 0, len(close)):
        for line in range(2):
            price = close[t] if line == 0 else -close[t]
            while highest(keys, sizes, line, zones) > price:
                z = pop(keys, items, sizes, line, zones)
                if t - known[z] <= max_age:
                    which[count], when[count] = z, t
                    count += 1
        while following < zones and known[following] == t:
            line = 0 if direction[following] > 0 else 1
            key = bottom[following] if line == 0 else -top[following]
            push(keys, items, sizes, line, zones, key, following)
            following += 1
    return count


def inverse_memory(smallest: float, max_age: int) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    return max_age + gap_memory(smallest, False, max_age)


@structure(
    *_INVERSE,
    directed=("inverse_fair_value_gap",),
    warmup=inverse_memory,
    exact=inverse_memory,
    smallest=_SMALLEST,
    max_age=_MAX_AGE,
)
def inverse_fair_value_gaps(candles: Candles, smallest: float = 0.0, max_age: int = 500) -> Events:
    """Return fair value gaps that a close went through, now of the other direction, and their lives.

    A bullish gap (see `fair_value_gaps`, unjoined) is inverted by the first close below its bottom within
    `max_age` bars, and then stands as a bearish zone; a bearish one by a close above its top. `at` is still
    the gap's middle bar, `known` the bar that closed through it; `strength` and `volume` are the gap's.

    From the next bar on: `touched` when a wick comes back to it, `mitigated` when one reaches its middle,
    `broken` when a close goes through it again, `lapsed` after `max_age` bars without that. After ICT's
    inversion fair value gap.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([10.0, 12.0, 13.0, 9.5])
    >>> o = np.array([9.0, 10.0, 12.0, 13.0])
    >>> bars = Candles(np.arange(4) * 60_000, o, np.maximum(o, p), np.minimum(o, p), p, p, "BTC/USDT", "1m")
    >>> found = inverse_fair_value_gaps(bars)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.direction.tolist()
    ([1], [3], [-1])
    """
    gaps = _gaps_of(candles, smallest, join=False, max_age=max_age)
    room = len(gaps.at)
    which, when = np.empty(room, np.int64), np.empty(room, np.int64)
    count = _inverted(
        candles.close, gaps.known, gaps.direction, gaps.top, gaps.bottom, max_age,
        np.empty(4 * room), np.empty(4 * room, np.int64), np.zeros(4, np.int64), which, when,
    )  # fmt: skip
    turned = gaps.some(which[:count])
    zones = turned._replace(known=when[:count].copy(), direction=-turned.direction)
    return lives(candles, zones, _INVERSE, CLOSED, max_age)
