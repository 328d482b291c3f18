"""`GET /api/v1/features/`: every indicator and structure, and each over a stored market's newest bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from cryptai.errors import DataError, InputError, UnknownName
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import LATEST_MS, Timeframe
from cryptai.web import live
from cryptai.web.context import marked, shown
from cryptai.web.errors import problem
from cryptai.web.tagged import tagged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpResponse
    from rest_framework.request import Request

    from cryptai.features.recent import Reading

MOST_BARS: Final = 5_000
# What a request may make the server read: these bars and the feature's memory before them.
_MOST_READ: Final = 100_000
_USUAL_BARS: Final = 300
_OPTIONS: Final = ("symbol", "timeframe", "exchange", "limit", "before")


class _Answers(APIView):
    # Who may ask is the permission table's to say; it has let the caller in by now.
    permission_classes = ()
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope: ClassVar[str] = "features"


class Features(_Answers):
    """The list."""

    def get(self, request: Request) -> HttpResponse:
        """Answer what `cryptai features list --json` prints."""
        from cryptai.features.described import described  # noqa: PLC0415 (TA-Lib waits until it is asked for)
        from cryptai.features.feature import features  # noqa: PLC0415

        return tagged(request, {"features": [described(one) for one in features]})


class OneFeature(_Answers):
    """One of them, over a market."""

    def get(self, request: Request, name: str) -> HttpResponse:
        """Answer an indicator's rows, or a structure's events, over the last `limit` bars before `before`.

        `?symbol=BTC-USDT&timeframe=1h&limit=300&param.period=14`. Times are in ms UTC; null stands where
        there is no value. Events are those known in these bars, and the births and lives of what was
        still alive when they began.
        """
        from cryptai.features.described import described  # noqa: PLC0415
        from cryptai.features.feature import features  # noqa: PLC0415
        from cryptai.features.recent import recent  # noqa: PLC0415

        try:
            feature = features.get(name)
        except UnknownName as error:
            return problem(404, str(error))
        asked = request.query_params
        exchange = shown(request._request)["exchange"]  # noqa: SLF001 (Django's own request, as pages have it)
        symbol, timeframe, limit, before = _market(asked)
        given = {key.removeprefix("param."): value for key, value in asked.items() if key not in _OPTIONS}
        values = feature.read(given)
        memory = feature.warmup_bars(bitwise=True, **values)
        if memory is not None and limit + memory > _MOST_READ:
            raise InputError(
                f"With these parameters {name} needs {memory:,} bars of history; this address reads at most "
                f"{_MOST_READ:,}.",
                field="param",
            )
        try:
            reading = recent(
                live.store(), exchange, symbol, timeframe, feature, values, bars=limit, before_ms=before
            )
        except DataError as error:
            return problem(404, str(error))
        told = {
            **marked(exchange), "symbol": symbol, "timeframe": str(timeframe),
            "feature": described(feature), "parameters": {**feature.defaults, **values},
            "bars": len(reading.candles), **_said(reading),
        }  # fmt: skip
        return tagged(request, told)


def _market(asked: Mapping[str, str]) -> tuple[str, Timeframe, int, int | None]:
    for name in asked:
        if name not in _OPTIONS and not name.startswith("param."):
            raise UnknownName("option", name, [*_OPTIONS, "param.NAME"], field=name)
    for name in ("symbol", "timeframe"):
        if not asked.get(name):
            raise InputError(f"{name} is missing; name a stored market.", field=name)
    limit = _whole("limit", asked.get("limit", ""), 1, MOST_BARS)
    before = _whole("before", asked.get("before", ""), 0, LATEST_MS)
    return parse_symbol(asked["symbol"]), Timeframe(asked["timeframe"]), limit or _USUAL_BARS, before


def _whole(name: str, text: str, low: int, high: int) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high):
        raise InputError(
            f"{name} must be a whole number from {low} to {high}, was {text[:20]!r}.", field=name
        )
    return int(text)


def _said(reading: Reading) -> dict[str, Any]:
    from cryptai.features.recent import as_rows  # noqa: PLC0415

    if reading.events is not None:
        return {"events": as_rows(reading.events)}
    names = ["ts", *reading.columns]
    columns = [reading.candles.ts.tolist(), *(_plain(one.tolist()) for one in reading.columns.values())]
    return {"rows": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]}


def _plain(values: list[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
