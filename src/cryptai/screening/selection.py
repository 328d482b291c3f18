"""The selection: the few best of many signals, without the same idea twice."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import DataError, InputError
from cryptai.market.timeframe import DAY_MS
from cryptai.screening.card import NOT_SUPPORTED
from cryptai.screening.screen import ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryptai.market.store import CandleStore
    from cryptai.signals import Signal

    # Of two markets by their symbols; 0 where it is not known.
    Correlation = Callable[[str, str], float]

ALIKE: Final = 0.8
"""Correlation of daily returns from which two markets are the same bet."""
_DAYS: Final = 90
_FEWEST: Final = 30


def clusters(signals: Iterable[Signal]) -> list[Signal]:
    """Return one signal for each market and side, the best; `also` names those that say the same.

    Best first. Two strategies or timeframes that want the same side of one market are one idea.
    """
    found: dict[tuple[str, str, str], Signal] = {}
    others: dict[tuple[str, str, str], list[str]] = {}
    for one in ranked(list(signals)):
        idea = (one.exchange, one.symbol, one.side)
        if idea in found:
            others[idea].append(f"{one.strategy} {one.timeframe}")
        else:
            found[idea], others[idea] = one, []
    return [
        replace(one, also=sorted(set(others[idea]) - {f"{one.strategy} {one.timeframe}"}))
        for idea, one in found.items()
    ]


def top(signals: Iterable[Signal], n: int = 5, *, correlation: Correlation | None = None) -> list[Signal]:
    """Return the n best ideas, best first.

    Those that the evidence speaks against come after all others, and stale ones last. Each symbol comes once
    before any comes twice; with `correlation`, so do markets that move alike (0.8 and more) on the same side.

    Raises
    ------
    InputError
        For an n below 0.
    """
    if n < 0:
        raise InputError(f"top must be 0 or more, was {n}.", field="top")
    waiting = sorted(clusters(signals), key=_order)
    best: list[Signal] = []
    for strict in (True, False):
        for one in waiting:
            if len(best) < n and one not in best and not (strict and _repeats(one, best, correlation)):
                best.append(one)
    return sorted(
        best, key=lambda s: (s.stale, s.evidence.get("status") == NOT_SUPPORTED, -s.score, s.symbol)
    )


def correlations(store: CandleStore, exchange: str, until_ms: int) -> Correlation:
    """Return what gives the correlation of daily returns over the last 90 days of two markets.

    It is 0 where they have fewer than 30 days in common. A market is read when it is first asked for: of
    hundreds that have signals a selection compares a few.
    """

    @cache
    def moves(symbol: str) -> dict[int, float]:
        try:
            days = store.read(exchange, symbol, "1d", end_ms=until_ms - DAY_MS + 1, last=_DAYS + 1)
        except DataError:
            return {}
        returns = np.diff(np.log(days.close))
        return dict(zip(days.ts[1:].tolist(), returns.tolist(), strict=True))

    def of(a: str, b: str) -> float:
        common = sorted(moves(a).keys() & moves(b).keys())
        if len(common) < _FEWEST:
            return 0.0
        x, y = (np.array([moves(name)[day] for day in common]) for name in (a, b))
        return float(np.corrcoef(x, y)[0, 1]) if x.std() > 0.0 and y.std() > 0.0 else 0.0

    return of


def _order(one: Signal) -> tuple[bool, bool, float, str, str]:
    against = one.evidence["status"] == NOT_SUPPORTED
    return one.stale, against, -one.score, one.symbol, one.side


def _repeats(one: Signal, best: list[Signal], correlation: Correlation | None) -> bool:
    if any(one.symbol == other.symbol for other in best):
        return True
    same = [other for other in best if one.side == other.side]
    return correlation is not None and any(correlation(one.symbol, other.symbol) >= ALIKE for other in same)
