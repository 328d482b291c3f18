"""The markets of a search: one, or several on one clock with shared cash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cryptai.errors import InputError
from cryptai.market.candles import Candles

if TYPE_CHECKING:
    from numpy.typing import NDArray

Markets: TypeAlias = Candles | Sequence[Candles]
"""What a search is over: the candles of one market, or of several."""


def markets_of(candles: Markets) -> tuple[Candles, ...]:
    """Return the markets, one or several; raise `InputError` for anything else, or none."""
    found = (candles,) if isinstance(candles, Candles) else tuple(candles) if _several(candles) else ()
    if not found or not all(isinstance(one, Candles) for one in found):
        raise InputError(
            f"A search is over the candles of a market, or a list of several, was {type(candles).__name__}.",
            field="candles",
        )
    return found


def within(markets: Sequence[Candles], start_ms: int | None, end_ms: int | None) -> tuple[Candles, ...]:
    """Return those of several that have bars in a range; all of them where none has.

    A market that was listed later, or struck off, takes part where it is there.
    """
    found = tuple(one for one in markets if len(one.between(start_ms, end_ms)))
    return found or tuple(markets)


def clock(markets: Sequence[Candles], start_ms: int | None, end_ms: int | None) -> NDArray[np.int64]:
    """Return the opens of the bars in a range, of any of the markets, rising."""
    ts = [one.between(start_ms, end_ms).ts for one in markets]
    return ts[0] if len(ts) == 1 else np.unique(np.concatenate(ts))


def _several(candles: object) -> bool:
    return isinstance(candles, Sequence) and not isinstance(candles, str)
