"""`GET /api/v1/features/`: the list, one over a stored market, and problems as documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.test import Client

from cryptai.features.described import described
from cryptai.features.events import Structure
from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.web import live
from cryptai.web.research.features import MOST_BARS, Features

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.web.accounts.models import User
    from cryptai.workspace import Workspace

URL = "/api/v1/features/"
MARKET = "symbol=BTC-USDT&timeframe=1h"


@pytest.fixture
def ask(alice: User, bearer: Callable[[User], dict[str, str]], home: Workspace) -> Callable[..., Any]:
    del home
    program = bearer(alice)
    return lambda path="", **extra: Client(raise_request_exception=False).get(
        URL + path, **{**program, **extra}
    )


@pytest.mark.django_db
def test_it_works(ask: Callable[..., Any]) -> None:
    answer = ask(f"rsi/?{MARKET}&limit=5&param.period=7")
    assert answer.status_code == 200, answer.content
    told = answer.json()
    whole = live.store().read("binance", "BTC/USDT", "1h")
    expected = features.get("rsi").of(whole, period=7)["rsi"]
    assert [row["ts"] for row in told["rows"]] == whole.ts[-5:].tolist()
    np.testing.assert_allclose([row["rsi"] for row in told["rows"]], expected[-5:], rtol=1e-9)
    assert (told["symbol"], told["timeframe"], told["bars"]) == ("BTC/USDT", "1h", 5)
    assert (told["exchange"], told["practice"]) == ("binance", False)
    assert told["parameters"] == {"period": 7}


@pytest.mark.django_db
def test_the_list_is_the_commands(ask: Callable[..., Any]) -> None:
    answer = ask()
    assert answer.status_code == 200
    assert answer.json() == {"features": [described(one) for one in features]}


@pytest.mark.django_db
@pytest.mark.parametrize("name", features.names()[::9])
def test_features_of_every_kind_answer_with_their_defaults(name: str, ask: Callable[..., Any]) -> None:
    # All of them are computed by tests/cli/test_features.py.
    answer = ask(f"{name}/?{MARKET}&limit=400")
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert told["feature"]["name"] == name
    feature, whole = features.get(name), live.store().read("binance", "BTC/USDT", "1h")
    if isinstance(feature, Indicator):
        assert list(told["rows"][0]) == ["ts", *(output.name for output in feature.outputs)]
        assert len(told["rows"]) == len(whole) == 400
    else:
        assert isinstance(feature, Structure)
        known = feature.of(whole).table()
        assert [row["known_at"] for row in told["events"]] == known["known_at"].tolist()
        assert [row["kind"] for row in told["events"]] == known["kind"].tolist()


@pytest.mark.django_db
def test_no_value_is_null(ask: Callable[..., Any]) -> None:
    rows = ask(f"rsi/?{MARKET}&limit=5000").json()["rows"]
    assert rows[0]["rsi"] is None
    assert rows[-1]["rsi"] > 0


@pytest.mark.django_db
def test_earlier_bars_are_asked_for_by_before(ask: Callable[..., Any]) -> None:
    last = ask(f"rsi/?{MARKET}&limit=3").json()["rows"]
    earlier = ask(f"rsi/?{MARKET}&limit=2&before={last[-1]['ts']}").json()["rows"]
    assert [row["ts"] for row in earlier] == [row["ts"] for row in last[:2]]


@pytest.mark.django_db
def test_what_is_known_already_is_304(ask: Callable[..., Any]) -> None:
    for path in ("", f"rsi/?{MARKET}"):
        tag = ask(path).headers["ETag"]
        again = ask(path, HTTP_IF_NONE_MATCH=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert ask(path, HTTP_IF_NONE_MATCH='"other"').status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status", "field", "said"),
    [
        (f"rsj/?{MARKET}", 404, None, "did you mean rsi"),
        ("rsi/?timeframe=1h", 400, "symbol", "missing"),
        ("rsi/?symbol=BTC-USDT", 400, "timeframe", "missing"),
        ("rsi/?symbol=BTC-USDT&timeframe=7h", 400, "timeframe", "'7h'"),
        ("rsi/?symbol=%3F&timeframe=1h", 400, "symbol", "?"),
        ("rsi/?symbol=DOGE-USDT&timeframe=1h", 404, None, "DOGE/USDT"),
        (f"rsi/?{MARKET}&param.period=0", 400, "param.period", "must be from"),
        (f"rsi/?{MARKET}&param.periode=3", 400, "param.periode", "did you mean period"),
        (f"rsi/?{MARKET}&period=3", 400, "period", "no option named"),
        (f"rsi/?{MARKET}&limit=0", 400, "limit", "whole number"),
        (f"rsi/?{MARKET}&limit={MOST_BARS + 1}", 400, "limit", "whole number"),
        (f"rsi/?{MARKET}&before=x", 400, "before", "whole number"),
        (f"regime/?{MARKET}&param.memory=99999", 400, "param", "at most"),
    ],
)
def test_what_cannot_be_is_a_problem_document(
    path: str, status: int, field: str | None, said: str, ask: Callable[..., Any]
) -> None:
    answer = ask(path)
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert said in body["detail"]
    assert body.get("field") == field


@pytest.mark.django_db
def test_it_asks_the_database_little(ask: Callable[..., Any], django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(10):
        ask(f"swing_points/?{MARKET}")


@pytest.mark.django_db
def test_too_many_requests_are_429(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Features.throttle_classes[0], "THROTTLE_RATES", {"features": "2/min"})
    assert [ask().status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.django_db
@pytest.mark.usefixtures("home")
def test_who_sits_at_the_machine_may_ask_and_a_stranger_may_not(on_loopback: dict[str, str]) -> None:
    assert Client().get(f"{URL}rsi/?{MARKET}", **on_loopback).status_code == 200
    assert Client().get(f"{URL}rsi/?{MARKET}", REMOTE_ADDR="192.0.2.7").status_code == 401
