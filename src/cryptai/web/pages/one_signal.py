"""A signal's own page: why it is, drawn from the rows that decided, and how often such a one was right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.errors import CryptaiError, DataError
from cryptai.market.timeframe import Timeframe
from cryptai.web import board, live
from cryptai.web.context import of_venue
from cryptai.web.errors import not_found
from cryptai.web.pages import stored
from cryptai.web.pages.drawing import candle_picture, sparkline
from cryptai.web.pages.flips import flips
from cryptai.web.pages.numbers import decimals_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpRequest, HttpResponse

    from cryptai.market.candles import Candles
    from cryptai.screening.record import Event
    from cryptai.signals import Signal
    from cryptai.web.pages.drawing import CandlePicture

# Bars before the decision on the chart, or from the oldest structure it rests on, and bars after it, or until
# it expires.
_BEFORE: Final = 60
_MOST_BEFORE: Final = 150
_AFTER: Final = 60
_ALIKE: Final = 6


class Part(NamedTuple):
    """One factor: its value (None: silent), its share of the blend, and what it adds."""

    name: str
    value: float | None
    share: float
    adds: float


class Alike(NamedTuple):
    """A past setup like this one: its closes as a line, and what came of it."""

    line: Any
    symbol: str
    decided_ms: int
    outcome: str
    r: float


@require_safe
@stored.tells
def signal(request: HttpRequest, identity: str) -> HttpResponse:
    """Show a signal that was recorded, or that stands on the board."""
    from cryptai.screening.record import Record  # noqa: PLC0415 (the engine waits until it is asked for)

    record = Record(live.store().catalog)
    sealed = record.named(identity)
    standing = _standing(identity)
    if sealed is None and standing is None:
        return not_found(request, DataError("There is no such signal: none is recorded, and none stands."))
    body: Mapping[str, Any] = sealed.body if sealed is not None else standing.as_sealed()  # type: ignore[union-attr]
    life = record.events([sealed.id])[sealed.id] if sealed is not None else []
    candles = _around(body)
    picture = None if candles is None else _picture(candles, body)
    page = {
        **of_venue(body["exchange"]), "section": "signals", "body": body, "sealed": sealed, "life": life,
        "state": _state(standing, life), "decimals": _decimals(candles, body),
        "card": body["evidence"],
        "parts": _parts(body, "parts"), "factors": _parts(body, "factors"),
        "picture": picture, "labels": [] if picture is None else _labels(picture, body),
        "alike": _alike(body), "flips": flips(body), "standing": standing, "try_it": _try_it(body),
    }  # fmt: skip
    return render(request, "pages/signal.html", page)


def _try_it(body: Mapping[str, Any]) -> str:
    """Return what the form of a backtest takes to run this strategy on this market."""
    asked = {name: body[name] for name in ("strategy", "symbol", "timeframe", "exchange")}
    return urlencode(asked)


def _standing(identity: str) -> Signal | None:
    for exchange in live.exchanges():
        for one in board.signals(exchange):
            if one.identity == identity:
                return one
    return None


def _state(standing: Signal | None, life: Sequence[Event]) -> str:
    if life:
        return life[-1].event
    return standing.state if standing is not None else "not followed yet"


def _around(body: Mapping[str, Any]) -> Candles | None:
    frame = Timeframe(body["timeframe"])
    oldest = min((one["at"] for one in body["structures"]), default=body["decided_ms"])
    before = min(max((body["decided_ms"] - oldest) // frame.ms + 10, _BEFORE), _MOST_BEFORE)
    start = body["decided_ms"] - before * frame.ms
    end = max(body["decided_ms"] + _AFTER * frame.ms, body["expires_ms"])
    try:
        found = live.store().read(body["exchange"], body["symbol"], frame, start_ms=start, end_ms=end)
    except DataError:
        return None
    return found if len(found) else None


def _picture(candles: Candles, body: Mapping[str, Any]) -> CandlePicture | None:
    levels = [body[name] for name in ("entry", "stop", "target")]
    return candle_picture(candles, _lines(candles, body), levels=levels)


def _labels(picture: CandlePicture, body: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return the name of each level, its price, and where it lies in the picture, in percent from the top."""
    one, other = picture.prices[0], picture.prices[-1]
    if one.value == other.value:
        return []
    slope = (other.at - one.at) / (other.value - one.value)
    return [
        (name, body[name], round(one.at + (body[name] - one.value) * slope, 3))
        for name in ("target", "entry", "stop")
    ]


def _lines(candles: Candles, body: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the levels from the decision on, and each structure from its bar until it was known."""
    closes = candles.close_ts.tolist()
    since = [body["decided_ms"] <= close for close in closes]
    lines = {
        f"level-{name}": [body[name] if shown else math.nan for shown in since]
        for name in ("entry", "stop", "target")
    }
    for i, one in enumerate(body["structures"]):
        for edge in ("top", "bottom") if one["top"] != one["bottom"] else ("level",):
            level = one[edge]
            if level is None:
                continue
            inside = [
                one["at"] <= ts and close <= one["known_at"]
                for ts, close in zip(candles.ts.tolist(), closes, strict=True)
            ]
            way = "up" if one["direction"] > 0 else "down"
            lines[f"structure {way} s{i}{edge}"] = [level if shown else math.nan for shown in inside]
    return lines


def _parts(body: Mapping[str, Any], key: str) -> list[Part]:
    from cryptai.screening.quality import FACTORS, PARTS, contributions  # noqa: PLC0415

    shares = PARTS if key == "parts" else FACTORS
    values = {name: math.nan if value is None else value for name, value in body[key].items()}
    adds = body.get("contributions", {}).get(key) or contributions(values, shares)
    return [Part(name, body[key][name], shares.get(name, 0.0), adds[name]) for name in values]


def _alike(body: Mapping[str, Any]) -> list[Alike]:
    """Return the newest past setups of the same strategy, timeframe and side that its card was made of."""
    from django.conf import settings  # noqa: PLC0415

    from cryptai.screening.outcomes import OUTCOMES  # noqa: PLC0415
    from cryptai.screening.past import PastSetups  # noqa: PLC0415

    digest = body["evidence"].get("past")
    if not digest:
        return []
    try:
        past = PastSetups.load(settings.WORKSPACE.root / "evidence", digest)
    except CryptaiError:
        return []
    side = 1 if body["side"] == "long" else -1
    rows = past.rows[(past.rows["resolved_ms"] <= body["decided_ms"]) & (past.rows["side"] == side)]
    own = rows[[past.symbols[i] == body["symbol"] for i in rows["symbol"]]]
    found = []
    frame = Timeframe(body["timeframe"])
    for row in (own if len(own) else rows)[-_ALIKE:][::-1]:
        symbol = past.symbols[int(row["symbol"])]
        start, end = int(row["decided_ms"]) - 10 * frame.ms, int(row["resolved_ms"])
        try:
            closes = live.store().read(body["exchange"], symbol, frame, start_ms=start, end_ms=end).close
        except DataError:
            continue
        outcome = OUTCOMES[int(row["outcome"])]
        line = sparkline(closes.tolist())
        found.append(Alike(line, symbol, int(row["decided_ms"]), outcome, float(row["r"])))
    return found


def _decimals(candles: Candles | None, body: Mapping[str, Any]) -> int:
    return decimals_of([body["entry"]] if candles is None else candles.close[-50:].tolist())
