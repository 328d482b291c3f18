"""A quick look at whether a strategy sees the future, before its result is told to anyone.

`cryptai check` asks every cut of many worlds; this asks some cuts of the first bars at hand, so that it costs
little beside any run. It catches whoever reads the next bar, or fits to the whole history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import InputError
from cryptai.market.times import iso
from cryptai.signals import COLUMNS
from cryptai.trading.decisions import decided_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.market.candles import Candles
    from cryptai.signals import Signals
    from cryptai.strategies.strategy import Strategy

_BARS: Final = 3000
_ROWS: Final = 6
_SAID: Final = ("entry", "exits", *COLUMNS)


def refuse_foresight(strategy: Strategy, markets: Sequence[Candles]) -> None:
    """Refuse a strategy that says another thing of a bar once later bars are there.

    Looked at are rows that enter or leave, each with the bars up to its own close, and two cuts more, of the
    first 3,000 bars of each market.

    Raises
    ------
    InputError
        With the bar, what was said of it, and what with all bars.
    """
    known = [candles[:_BARS] for candles in markets]
    whole = decided_many(strategy, known)
    for cut in _cuts(known, whole):
        part = [candles.between(None, cut + 1) for candles in known]
        # A market that has no bar yet is one of no bars, which is no fair question.
        seen = [i for i, candles in enumerate(part) if len(candles)]
        if len(seen) < len(part):
            continue
        for candles, before, after in zip(part, decided_many(strategy, part), whole, strict=True):
            _compare(strategy, candles, before, after)


def _cuts(markets: Sequence[Candles], whole: Sequence[Signals]) -> list[int]:
    """Return opens of bars (ms UTC), the last one to be known each."""
    found: set[int] = set()
    for candles, said in zip(markets, whole, strict=True):
        if not len(candles):
            continue
        for column in (said.entry, said.exits):
            rows = np.flatnonzero(column)
            spread = np.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).astype(int)
            found.update(candles.ts[rows[spread]].tolist())
        found.update(int(candles.ts[len(candles) * share // 4]) for share in (2, 3))
    return sorted(found)


def _compare(strategy: Strategy, candles: Candles, before: Signals, after: Signals) -> None:
    n, whole = len(candles), after.entry
    for name in _SAID:
        then, now = getattr(before, name), getattr(after, name)
        if then is None and now is None:
            continue
        if then is None or now is None:
            then, now = (np.full(len(whole), np.nan) if one is None else one for one in (then, now))
        same = (then[:n] == now[:n]) | (np.isnan(then[:n]) & np.isnan(now[:n]))
        if not same.all():
            row = int(np.argmin(same))
            raise InputError(
                f"The strategy {strategy.name} sees the future: of the bar of "
                f"{iso(int(candles.ts[row]))} its {name!r} said {then[row]:g} with the bars until "
                f"{iso(int(candles.ts[-1]))}, and {now[row]:g} once more were there. `cryptai check "
                f"{strategy.name}` tells more.",
                field="strategy",
            )
