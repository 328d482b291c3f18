"""Bed 5: whatever is registered is replayed at every cut; planted leaks are caught, causal pieces are not.

A new indicator, structure or strategy joins by being registered; nobody writes a test for it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np

from cryptai.errors import CryptaiError, InputError
from cryptai.features.feature import features
from cryptai.market.files import read_candles
from cryptai.research.causality import TOLERANCE, first_rewritten, first_unlike_live
from cryptai.research.piece import of_feature, of_strategy
from cryptai.research.series import adversarial, noise, roughened
from cryptai.strategies.strategy import build, parameters, strategies
from testbeds.compositions import composition
from testbeds.leaks import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.features.feature import Feature
    from cryptai.market.candles import Candles
    from cryptai.research.causality import Offence
    from cryptai.research.piece import Piece

RECORDED: Final = Path(__file__).resolve().parents[1].parent / "shared/data/candles/spot/BTCUSDT_1h.parquet"
# `suite` is what tests/contracts/test_causality.py runs, piece by piece; `test` tries the bed itself.
BARS: Final = {"test": 150, "suite": 400, "quick": 400, "long": 2_000}
CUTS: Final = {"test": 4, "suite": 12, "quick": 40, "long": 200}
COMPOSITIONS: Final = 200
_SOME: Final = 12
# Told on finer bars, each a way of its own: a running average, rows of several, events, events with a life.
COARSER: Final = ("rsi", "donchian", "swing_points", "fair_value_gaps")
_LONGEST: Final = 16_000


@lru_cache(maxsize=8)
def three(seed: int, bars: int) -> dict[str, Candles]:
    """Return the three series of the bed: noise, recorded candles at their worst, an adversary."""
    return {
        "noise": noise(seed, bars),
        "recorded": recorded(seed, bars),
        "adversarial": adversarial(seed, bars, timeframe="4h"),
    }


def recorded(seed: int, bars: int) -> Candles:
    """Return recorded bars of BTC with more holes, ties and silence; noise where none are here."""
    wanted = bars + bars // 4 + 120
    if not RECORDED.exists():
        return roughened(noise(seed + 1, wanted, price=30_000.0), seed)[:bars]
    whole = _recording()
    first = int(np.random.default_rng([seed, 5]).integers(0, len(whole) - wanted))
    return roughened(whole[first : first + wanted], seed)[:bars]


@lru_cache(maxsize=1)
def _recording() -> Candles:
    return read_candles(RECORDED)


def pieces(*, defaults: bool = False) -> dict[str, Piece]:
    """Return everything that is registered, lively or with `defaults`; strategies with and without shorts."""
    found = {feature.name: of_feature(feature) if defaults else lively(feature) for feature in features}
    for name in () if defaults else COARSER:
        piece = of_feature(features.get(name), {}, on=("1h", "4h"))
        found[piece.name] = piece
    for cls in strategies:
        found[cls.name] = of_strategy(build(cls, {}))
        if any(one.name == "allow_short" for one in parameters(cls)):
            found[f"{cls.name} with shorts"] = of_strategy(build(cls, {"allow_short": True}))
    return found


def lively(feature: Feature) -> Piece:
    """Return a feature that says something within 400 bars: with its defaults, or shorter ones."""
    piece = of_feature(feature)
    for part in (1.0, 0.5, 0.25, 0.1, 0.04, 0.0):
        given = {
            one.name: int(min(max(float(one.default) * part, one.low), one.high))
            for one in feature.parameters
            if one.type is int and part < 1.0
        }
        try:
            piece = of_feature(feature, given)
            if all(speaks(piece, candles) for candles in three(1, BARS["suite"]).values()):
                return piece
        except InputError:
            continue  # values that do not go together
    return piece


def speaks(piece: Piece, candles: Candles) -> bool:
    """Return whether there is anything in what it says: a replay of silence proves nothing."""
    reading = piece.read(candles)
    if reading.known is not None:
        return len(reading.known) > 0
    half = len(candles) // 2
    if piece.kind == "strategy":
        weights = reading.columns.get("signals.weight", np.empty(0))
        return bool(np.count_nonzero(reading.columns["entry"]) or np.count_nonzero(weights > 0.0))
    return any(np.isfinite(column[half:]).any() for column in reading.columns.values())


def offences(piece: Piece, seed: int, size: str) -> Iterator[str]:
    """Yield a sentence for each promise that a piece breaks: C1, C2, C3."""
    series = three(seed, BARS[size])
    if not any(speaks(piece, candles) for candles in series.values()):
        yield f"{piece.name} says nothing on any of the three series, so nothing is proved"
    for name, candles in series.items():
        found = first_rewritten(piece, candles)
        if found:
            yield _told(piece, name, "is rewritten", found)
            return
    yield from _short_memory(piece, seed, size)


def _short_memory(piece: Piece, seed: int, size: str) -> Iterator[str]:
    for window, slack, said in (
        (piece.exact, 0.0, "differs live, with the bars it declares exact"),
        (piece.warmup, TOLERANCE, "needs more than its warm-up"),
    ):
        if window is None:
            continue
        if window > _LONGEST:
            yield f"{piece.name} declares {window:,} bars, more than are tried here ({_LONGEST:,})"
            continue
        bars = window + max(window // 4, 150)
        for name, candles in three(seed + 1, bars).items():
            cuts = np.unique(np.linspace(window + 1, len(candles), CUTS[size]).astype(int)).tolist()
            found = first_unlike_live(piece, candles, window, cuts, tolerance=slack)
            if found:
                yield _told(piece, name, f"{said} ({window})", found)
                break


def _told(piece: Piece, series: str, what: str, found: Offence) -> str:
    return (
        f"{piece.name} {what} on {series}: {found.column} at bar {found.bar} was {found.old!r} with "
        f"{found.cut} bars, {found.new!r} {found.how}"
    )


def caught(name: str, seed: int = 1) -> bool:
    """Return whether a planted leak is caught, on a series of its own (it may write into it)."""
    piece = leaks()[name]()
    return first_rewritten(piece, noise(seed, 160)) is not None


def accused(seed: int, size: str) -> str:
    """Return what a random causal piece is accused of; "" if nothing, as it should be."""
    piece = composition(seed)
    candles = list(three(1, BARS[size]).values())[seed % 3]
    # Each at a few dozen cuts; at all of them in the long volume.
    cuts = None if size == "long" else range(1 + seed % 9, len(candles) + 1, 9)
    found = first_rewritten(piece, candles, cuts)
    return _told(piece, "its series", "is accused", found) if found else ""


def causality(seed: int, size: str) -> dict[str, Any]:
    """Run the whole bed; the figures are counts, and `fell_short` names what does not hold."""
    fell_short: list[str] = []
    found = pieces()
    if size == "test":
        # Who has nothing to say within so few bars is asked in the longer volumes.
        found = {
            name: one
            for i, (name, one) in enumerate(found.items())
            if (i % _SOME == 0 and any(map(partial(speaks, one), three(seed, BARS[size]).values())))
            or name == "ema"
        }
    for piece in found.values():
        try:
            fell_short += offences(piece, seed, size)
        except CryptaiError as error:
            fell_short.append(f"{piece.name} failed: {error}")
    planted = list(leaks())
    missed = [name for name in planted if not caught(name, seed)]
    drawn = COMPOSITIONS // _SOME if size == "test" else COMPOSITIONS
    false_alarms = [said for one in range(drawn) if (said := accused(one, size))]
    readings = len(found) * 3 * BARS[size]
    return {
        "pieces": len(found), "readings": readings, "bars": BARS[size], "cuts_of_windows": CUTS[size],
        "planted": len(planted), "caught": len(planted) - len(missed), "causal": drawn,
        "false_alarms": len(false_alarms),
        "fell_short": [*fell_short, *(f"not caught: {name}" for name in missed), *false_alarms],
    }  # fmt: skip


def a_feature_peeks() -> list[Any]:
    """Plant a bug: a registered average that has read the next bar already."""
    ema: Any = features.get("ema")

    def peeking(close: Any, period: int = 20) -> Any:
        return ema.function(np.append(close[1:], close[-1:]), period)

    return [patch.dict(features._found, {"ema": replace(ema, function=peeking)})]  # noqa: SLF001
