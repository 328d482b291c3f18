"""Market structure: breaks of structure and changes of character, of legs small and large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._legs import breaks_memory, breaks_of
from cryptai.features._measure import MEASURED, in_true_ranges, relative_volume
from cryptai.features._rows import Rows, put
from cryptai.features.events import Kind, structure
from cryptai.features.feature import one_of, within
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles

_KINDS: Final = (
    Kind("bos", draw="line"),
    Kind("choch", draw="line"),
    Kind("internal_bos", draw="line"),
    Kind("internal_choch", draw="line"),
)


@kernel
def _merged(
    high: Floats, low: Floats, close: Floats, volume: Floats, by_wick: bool,
    at: Ints, known: Ints, direction: Codes, turned: Codes,
    inner_at: Ints, inner_known: Ints, inner_direction: Codes, inner_turned: Codes,
    bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row, e, i = 0, 0, 0
    outer, inner = len(at), len(inner_at)
    while e < outer or i < inner:
        if e < outer and (i >= inner or known[e] <= inner_known[i]):
            p, t, way, kind = at[e], known[e], direction[e], turned[e]
            e += 1
        else:
            p, t, way, kind = inner_at[i], inner_known[i], inner_direction[i], 2 + inner_turned[i]
            i += 1
            # One line for one price: what broke the large structure, too, was told as that.
            twice = False
            for k in range(max(0, e - 2), e):
                twice = twice or (known[k] == t and at[k] == p and direction[k] == way)
            if twice:
                continue
        level = high[p] if way > 0 else low[p]
        price = (high[t] if way > 0 else low[t]) if by_wick else close[t]
        size = in_true_ranges(way * (price - level), high, low, close, t)
        row = put(
            bars, codes, figures, row, p, t, kind, way, level, level, level, size,
            relative_volume(volume, t), np.nan,
        )  # fmt: skip
    return row


def memory(internal: int, external: int, by: str, max_age: int) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    del by
    return breaks_memory(max(internal, external), max_age) + MEASURED


@structure(
    *_KINDS,
    directed=("bos", "choch", "internal_bos", "internal_choch"),
    warmup=memory,
    exact=memory,
    internal=within(1, 1_000, "bars that must pass without a new extreme before a small leg has ended"),
    external=within(1, 1_000, "the same of a large leg"),
    by=one_of("close", "wick", meaning="what must go beyond the level"),
    max_age=within(10, 100_000, "bars after which an end of a leg, and a trend, are forgotten"),
)
def market_structure(
    candles: Candles, internal: int = 5, external: int = 50, by: str = "close", max_age: int = 500
) -> Events:
    """Return breaks of structure (BOS) and changes of character (CHoCH), internal and external.

    Legs end at highs and lows that alternate (a high that none of the next `external` bars reaches, the first
    after such a low; LuxAlgo's legs, its 5 and 50 bars). The first bar that closes beyond the newest end of a
    leg breaks it: a `choch` where the break before was the other way, else a `bos`; so the first one is a
    `bos`. `internal_bos` and `internal_choch` are the same of the small legs, with a trend of their own; a
    price that breaks both is told once, as the external one.

    `at` is the bar whose price was broken, `known` the bar that broke it, direction the way it broke;
    `level` (and `top`, `bottom`) is the broken price, `strength` how far the close (by `wick`: the wick) went
    beyond, in true ranges (mean of 14 bars), `volume` that of the breaking bar over the mean of the 20 bars
    before.

    By wick, one bar can break both sides; then the side it did not close towards came first. Ends of legs
    lapse `max_age` bars after their bar, the trend as long after its last break; bars count, not time. A
    price must be exceeded: to equal it is no break.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0, 3.0, 5.0, 6.0])
    >>> bars = Candles(np.arange(10) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = market_structure(bars, internal=2, external=5).named("internal_bos")
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.level.tolist()
    ([4], [8], [4.5])
    """
    by_wick = by == "wick"
    outer = breaks_of(candles, external, max_age, by_wick=by_wick)
    inner = breaks_of(candles, internal, max_age, by_wick=by_wick)
    rows = Rows(len(outer.at) + len(inner.at))
    count = _merged(
        candles.high, candles.low, candles.close, candles.volume, by_wick, *outer, *inner,
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _KINDS, count)
