"""A record of a million signals: two years of a venue of 500 markets, sealed by the product's own road.

What is sealed is what a screen of some of the venue's markets finds, cards and all, each put on another
market and another bar. The clock stands at the bar that decides, so they are sealed in time; what came of
them is drawn. `python -m benchmarks.million FOLDER` makes one, in some minutes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.closing import HOUR_MS, NAME, SYMBOLS, history
from cryptai.market.opening import open_store
from cryptai.market.times import iso
from cryptai.screening.evidence import Evidence
from cryptai.screening.record import Event, Record
from cryptai.screening.screen import screen
from cryptai.seams import now_ms, replaced
from cryptai.strategies.strategy import strategies
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIGNALS = 1_000_000
AN_HOUR = 58
DAY_MS = 24 * HOUR_MS
_ASKED = 24  # markets whose signals are the patterns
_PORTION = 50_000
_CHOSEN = 5
_OUTCOMES = ("target", "stop", "expired", "missed")
_SHARES = (0.33, 0.42, 0.13, 0.12)
_SHORT = 0.3
_OPEN_FOR = 40  # bars, at least, that the newest are still under way


def fill(home: Path) -> None:
    """Seal a million signals into an empty home, with their outcomes and the choice of each day."""
    end = now_ms() // HOUR_MS * HOUR_MS
    patterns = _patterns(end)
    record = Record(open_store(open_workspace(home)).catalog)
    rng = np.random.default_rng(73)
    bodies = _bodies(patterns, end, rng)
    while portion := list(islice(bodies, _PORTION)):
        numbers = _sealed(record, portion)
        pairs = list(zip(numbers, portion, strict=True))
        record.note(_events(pairs, end, rng))
        days: dict[str, list[int]] = {}
        for number, body in pairs:
            days.setdefault(iso(body["decided_ms"])[:10], []).append(number)
        for day, there in days.items():
            if day < iso(end)[:10]:  # that day is not over
                record.select(NAME, day, there[-_CHOSEN:])


def freshen(record: Record, pattern: dict[str, Any], decided_ms: int) -> None:
    """Seal one signal of this hour, so that a server does not decide the hours since the newest anew."""
    body = {**pattern, "decided_ms": decided_ms, "expires_ms": decided_ms + 120 * HOUR_MS, "timeframe": "1h"}
    _sealed(record, [body])


def _sealed(record: Record, bodies: Sequence[dict[str, Any]]) -> list[int]:
    at = 0

    def in_turn() -> Iterator[dict[str, Any]]:
        nonlocal at
        for body in bodies:
            at = body["decided_ms"] + 900
            yield body

    with replaced(now_ns=lambda: at * 1_000_000):
        return record.seal(in_turn())


def _patterns(end: int) -> list[dict[str, Any]]:
    os.environ["CLOSING_BEGINS_MS"] = str(end)
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Path(folder, "home"))
        store = open_store(workspace)
        store.write(NAME, *(history(symbol) for symbol in SYMBOLS[:_ASKED]))
        evidence = Evidence(workspace, store, NAME, neighbourhood=False)
        asked: dict[str, Any] = {"as_of_ms": end, "names": strategies.names(), "ended": True}
        found = screen(store, NAME, evidence=evidence, **asked).signals
    return [one.as_sealed() for one in found]


def _bodies(
    patterns: Sequence[dict[str, Any]], end: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    hours = -(-SIGNALS // AN_HOUR)
    left = SIGNALS
    for hour in range(hours):
        decided = end - (hours - 1 - hour) * HOUR_MS
        markets = rng.permutation(len(SYMBOLS))[: min(AN_HOUR, left)]
        left -= len(markets)
        for market, pattern, quality, draw in zip(
            markets, rng.integers(0, len(patterns), len(markets)), rng.uniform(0.4, 0.95, len(markets)),
            rng.random(len(markets)), strict=True,
        ):  # fmt: skip
            frames = ("1h", "4h", "1d") if decided % DAY_MS == 0 else ("1h", "4h")
            frame = frames[int(draw * 1_000) % len(frames)] if decided % (4 * HOUR_MS) == 0 else "1h"
            length = {"1h": 1, "4h": 4, "1d": 24}[frame] * HOUR_MS
            yield {
                **_turned(patterns[pattern], down=draw < _SHORT),
                "symbol": SYMBOLS[market], "timeframe": frame, "decided_ms": decided,
                "expires_ms": decided + 120 * length, "quality": round(float(quality), 6),
            }  # fmt: skip


def _turned(pattern: dict[str, Any], *, down: bool) -> dict[str, Any]:
    # The strategies sell short only where they are told to: the same setup upside down.
    if not down:
        return pattern
    entry = pattern["entry"]
    return {**pattern, "side": "short", **{name: 2 * entry - pattern[name] for name in ("stop", "target")}}


def _events(
    sealed: Sequence[tuple[int, dict[str, Any]]], end: int, rng: np.random.Generator
) -> Iterator[Event]:
    drawn = rng.choice(len(_OUTCOMES), len(sealed), p=_SHARES)
    after = rng.integers(2, _OPEN_FOR, len(sealed)) * HOUR_MS
    for (number, body), outcome, later in zip(sealed, drawn, after, strict=True):
        name, began, ended = _OUTCOMES[outcome], body["decided_ms"], body["decided_ms"] + int(later)
        if name != "missed" and began < end:
            yield Event(number, "filled", began, {"price": body["entry"]})
        if ended >= end:
            continue
        if name == "missed":
            yield Event(number, name, ended, {})
            continue
        price = {"target": body["target"], "stop": body["stop"]}.get(name, body["entry"])
        side = 1.0 if body["side"] == "long" else -1.0
        net = side * (price / body["entry"] - 1.0) - 0.002
        r = net * body["entry"] / abs(body["entry"] - body["stop"])
        told = {"price": price, "net": net, "r": r, "mae": 0.4, "mfe": max(r, 0.3), "horizon": 120}
        yield Event(number, name, ended, told)


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
