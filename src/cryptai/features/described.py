"""A feature in plain data: what lists, the API and a chart's menu say of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cryptai.features.events import Structure
from cryptai.features.indicator import Indicator

if TYPE_CHECKING:
    from cryptai.features.feature import Feature
    from cryptai.parameters import Parameter


def described(feature: Feature) -> dict[str, Any]:
    """Return everything that a feature declares, as JSON takes it.

    `warmup` and `exact` are those of its defaults, in bars, None for the whole history; an indicator has
    `inputs` and `outputs`, a structure `kinds` and, of them, the `directed` ones.
    """
    told: dict[str, Any] = {
        "name": feature.name,
        "kind": "indicator" if isinstance(feature, Indicator) else "structure",
        "group": feature.group,
        "summary": feature.summary,
        "parameters": [_parameter(one) for one in feature.parameters],
        "warmup": feature.warmup_bars(),
        "exact": feature.warmup_bars(bitwise=True),
    }
    if isinstance(feature, Indicator):
        told["inputs"] = list(feature.inputs)
        told["outputs"] = [
            {**output._asdict(), "codes": {str(number): name for number, name in output.codes}}
            for output in feature.outputs
        ]
        told["pane"], told["guides"] = feature.pane, list(feature.guides)
    if isinstance(feature, Structure):
        told["inputs"] = ["candles"]
        told["kinds"] = [{**kind._asdict(), "of": kind.of or kind.name} for kind in feature.kinds]
        told["directed"] = list(feature.directed)
    return told


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name, "type": one.type.__name__, "default": one.default, "low": _bound(one.low),
        "high": _bound(one.high), "choices": list(one.choices), "meaning": one.meaning,
    }  # fmt: skip


def _bound(value: float) -> float | None:
    return value if math.isfinite(value) else None
