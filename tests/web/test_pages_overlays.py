"""What the chart can switch on: every feature, over exactly the bars on screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.test import Client

from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.web import live

if TYPE_CHECKING:
    from cryptai.workspace import Workspace

pytestmark = pytest.mark.django_db
AT = "/markets/BTC-USDT/features/"


@pytest.fixture
def here(on_loopback: dict[str, str], home: Workspace) -> Client:
    return Client(**on_loopback)  # type: ignore[arg-type]


def test_the_menu_lists_every_feature_with_its_parameters(here: Client) -> None:
    listed = here.get("/features.json").json()["features"]
    assert [one["name"] for one in listed] == features.names()
    rsi = next(one for one in listed if one["name"] == "rsi")
    assert rsi["kind"] == "indicator"
    assert rsi["pane"] == "below"
    assert rsi["guides"] == [30.0, 70.0]
    assert rsi["parameters"][0]["default"] == 14
    assert all(one["says"] and one["group"] for one in listed)


@pytest.mark.parametrize("name", features.names())
def test_each_is_told_over_the_bars_asked_for(here: Client, name: str) -> None:
    whole = live.store().read("binance", "BTC/USDT", "1h")
    answer = here.get(f"{AT}{name}.json?exchange=binance&timeframe=1h&limit=200&before={whole.ts[-10]}")
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert said["ts"] == whole.ts[-210:-10].tolist()
    feature = features.get(name)
    if isinstance(feature, Indicator):
        assert [one["name"] for one in said["outputs"]] == [one.name for one in feature.outputs]
        expected = feature.of(whole)
        for one in said["outputs"]:
            values = np.array([np.nan if v is None else v for v in one["values"]])
            wanted = expected[one["name"]][-210:-10]
            assert values == pytest.approx(
                np.where(np.isfinite(wanted), wanted, np.nan), rel=1e-6, nan_ok=True
            )
    else:
        assert all(row["at"] <= row["known"] <= whole.ts[-11] for row in said["events"])


def test_parameters_come_from_the_address(here: Client) -> None:
    whole = live.store().read("binance", "BTC/USDT", "1h")
    said = here.get(f"{AT}rsi.json?exchange=binance&timeframe=1h&limit=5&param.period=7").json()
    expected = features.get("rsi").of(whole, period=7)["rsi"][-5:]
    assert said["outputs"][0]["values"] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("address", "status", "field"),
    [
        ("rsy.json?timeframe=1h", 400, "name"),
        ("rsi.json?timeframe=1h&param.period=1", 400, "param.period"),
        ("rsi.json?timeframe=1h&param.perod=3", 400, "param.perod"),
        ("rsi.json?timeframe=1h&limit=50001", 400, "limit"),
        ("rsi.json?timeframe=1h&before=x", 400, "before"),
        ("rsi.json?timeframe=2h", 400, "timeframe"),
        ("rsi.json?timeframe=1m", 404, None),
    ],
)
def test_what_cannot_be_is_a_problem_document(
    here: Client, address: str, status: int, field: str | None
) -> None:
    answer = here.get(f"{AT}{address}&exchange=binance")
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json().get("field") == field
