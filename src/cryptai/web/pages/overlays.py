"""What the chart's menu can switch on: the list of all features, and each one over the bars on screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.http import JsonResponse
from django.views.decorators.http import require_safe

from cryptai.errors import DataError, InputError
from cryptai.market.timeframe import LATEST_MS
from cryptai.web import live
from cryptai.web.context import marked, shown
from cryptai.web.errors import problem
from cryptai.web.pages import chart, stored
from cryptai.web.pages.numbers import number
from cryptai.web.pages.queries import whole

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cryptai.features.feature import Feature
    from cryptai.features.recent import Reading

MOST_BARS: Final = 50_000


@require_safe
def features_json(request: HttpRequest) -> HttpResponse:
    """Answer every feature with what a menu needs: name, group, sentence, parameters, where it is drawn."""
    from cryptai.features.feature import features  # noqa: PLC0415 (TA-Lib waits for the first chart)

    del request
    return JsonResponse({"features": [_menu(one) for one in features]})


@require_safe
@stored.tells
def feature_json(request: HttpRequest, symbol: str, name: str) -> HttpResponse:
    """Answer one feature over the last `limit` bars before an instant; a parameter is `param.period=14`."""
    from cryptai.features.feature import features  # noqa: PLC0415
    from cryptai.features.recent import recent  # noqa: PLC0415

    exchange = shown(request)["exchange"]
    try:
        feature = features.get(name, field="name")
        bars = whole(request, "limit", 300, 1, MOST_BARS) or 300
        before = whole(request, "before", None, 0, LATEST_MS)
        given = {
            key.removeprefix("param."): value
            for key, value in request.GET.items()
            if key.startswith("param.")
        }
        parameters = feature.read(given)
        reading = recent(
            live.store(), exchange, symbol, request.GET.get("timeframe", ""), feature, parameters,
            bars=bars, before_ms=before,
        )  # fmt: skip
    except DataError as error:
        return problem(404, str(error))
    except InputError as error:
        return problem(400, str(error), field=error.field)
    return JsonResponse({**marked(exchange), **_menu(feature), **_said(feature, reading)})


def _menu(feature: Feature) -> dict[str, Any]:
    from cryptai.features.indicator import Indicator  # noqa: PLC0415

    parameters = [
        {
            "name": one.name, "type": one.type.__name__, "default": one.default, "low": number(one.low),
            "high": number(one.high), "choices": list(one.choices), "meaning": one.meaning,
        }
        for one in feature.parameters
    ]  # fmt: skip
    common = {"name": feature.name, "group": feature.group, "says": feature.summary, "parameters": parameters}
    if isinstance(feature, Indicator):
        return {**common, "kind": "indicator", "pane": feature.pane, "guides": list(feature.guides)}
    return {**common, "kind": "structure", "pane": "price", "guides": []}


def _said(feature: Feature, reading: Reading) -> dict[str, Any]:
    from cryptai.features.indicator import Indicator  # noqa: PLC0415
    from cryptai.features.recent import as_rows  # noqa: PLC0415

    said: dict[str, Any] = {"ts": reading.candles.ts.tolist()}
    if isinstance(feature, Indicator):
        said["outputs"] = [
            {**output._asdict(), "values": [chart.short(v) for v in reading.columns[output.name].tolist()]}
            for output in feature.outputs
        ]
    elif reading.events is not None:
        said["events"] = as_rows(reading.events)
    return said
