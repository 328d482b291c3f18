"""`POST /signals/api/backtests/`: options in, the command's object out, and problems as documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_request
from cryptai.web import live
from cryptai.web.research.api import Backtests
from cryptai.web.research.models import MOST_WAITING, QueueFull, Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptai.web.accounts.models import User
    from cryptai.workspace import Workspace

URL = "/signals/api/backtests/"
OPTIONS = {"strategy": "ema_trend", "symbol": "BTC-USDT", "timeframe": "1h", "param": {"fast": 5, "slow": 20}}

OWN_STRATEGY = '''
from __future__ import annotations
import os
from dataclasses import dataclass
import numpy as np
from cryptai.signals import Signals

os.environ["PLANTED"] = "imported"

@dataclass(frozen=True)
class Mine:
    """Long on every tenth bar."""

    def signals(self, candles):
        return Signals.entries(candles, long=np.arange(len(candles)) % 10 == 0)
'''


@pytest.fixture
def ask(alice: User, bearer: Callable[[User], dict[str, str]], home: Workspace) -> Callable[..., Any]:
    del home
    program = bearer(alice)

    def asked(body: object, **extra: str) -> Any:
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        kind, door = extra.pop("content_type", "application/json"), extra.pop("door", URL)
        return Client(raise_request_exception=False).post(
            door, text, content_type=kind, **{**program, **extra}
        )

    return asked


@pytest.fixture
def own_strategy(home: Workspace) -> Any:
    file: Path = home.strategies / "mine.py"
    file.write_text(OWN_STRATEGY)
    yield "mine"
    file.unlink()


def assert_problem(answer: Any, status: int, field: str | None = None) -> str:
    """Hold an answer to RFC 9457 and return its sentence."""
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["type"]
    assert body.get("field") == field, body
    assert "Traceback" not in body["detail"]
    return str(body["detail"])


@pytest.mark.django_db
@pytest.mark.usefixtures("inline_jobs")
def test_it_works(ask: Callable[..., Any], alice: User) -> None:
    answer = ask(OPTIONS)
    assert answer.status_code == 200, answer.content
    expected = run_request(BacktestRequest.parse(OPTIONS), live.store()).as_object()
    told = answer.json()
    evidence = told.pop("evidence")
    assert told == expected
    assert told["trades"]
    run = Run.objects.for_user(alice).get()
    assert run.status == Run.Status.COMPLETED
    assert run.result() == {**expected, "evidence": evidence}
    assert evidence["trials"] >= 1
    assert evidence["null_market"]["fair"] is True
    assert run.metrics == expected["metrics"]
    assert (run.run_digest, run.data_digest) == (expected["run"], expected["data_digest"])
    assert run.equity().shape == (2, expected["bars"])


@pytest.mark.django_db
@pytest.mark.usefixtures("inline_jobs")
def test_params_is_understood_for_param(ask: Callable[..., Any]) -> None:
    options = {**OPTIONS, "params": OPTIONS["param"]}
    del options["param"]
    assert ask(options).json() == ask(OPTIONS).json()


@pytest.mark.django_db
@pytest.mark.usefixtures("inline_jobs")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"strategy": "ema_trand"}, "strategy"),
        ({"strategy": None}, "strategy"),
        ({"strategy": 7}, "strategy"),
        ({"strategy": "x" * 10_000}, "strategy"),
        ({"strategy": "../../etc/passwd"}, "strategy"),
        ({"strategy": "\ud800"}, "strategy"),
        ({"symbol": "???"}, "symbol"),
        ({"symbol": None}, "symbol"),
        ({"timeframe": "7h"}, "timeframe"),
        ({"timeframe": None}, "timeframe"),
        ({"from": "yesterday"}, "from"),
        ({"stop": 1.5}, "stop"),
        ({"fee": "NaN"}, "fee"),
        ({"capital": 0}, "capital"),
        ({"capital": 1e999}, None),
        ({"size": -1}, "size"),
        ({"param": {"fast": -1}}, "param.fast"),
        ({"param": {"quick": 1}}, "param.quick"),
        ({"param": 5}, "param"),
        ({"wat": 1}, "wat"),
    ],
)
def test_bad_options_are_a_problem_that_names_the_option_and_leave_nothing_behind(
    ask: Callable[..., Any], home: Workspace, change: dict[str, object], field: str | None
) -> None:
    body = {key: value for key, value in {**OPTIONS, **change}.items() if value is not None}
    before = set(home.runs.iterdir())
    assert_problem(ask(json.dumps(body)), 400, field)
    assert not Run.objects.unscoped("a test").exists()
    assert set(home.runs.iterdir()) == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body", ["{", "[]", "null", "7", '"text"', '{"strategy": NaN}', b"\xff\xfe", "[" * 50_000]
)
def test_a_body_that_is_no_object_is_a_problem(ask: Callable[..., Any], body: str | bytes) -> None:
    assert_problem(ask(body), 400, None)


@pytest.mark.django_db
def test_a_market_that_is_not_stored_is_a_problem_with_the_way_out(ask: Callable[..., Any]) -> None:
    told = ask({**OPTIONS, "symbol": "DOGE/USDT"})
    assert told.status_code == 400
    assert "DOGE/USDT" in told.json()["detail"]


@pytest.mark.django_db
def test_another_content_type_is_415(ask: Callable[..., Any]) -> None:
    assert_problem(ask("strategy=ema_trend", content_type="application/x-www-form-urlencoded"), 415)


@pytest.mark.django_db
def test_a_body_of_megabytes_is_413(ask: Callable[..., Any]) -> None:
    assert_problem(ask({**OPTIONS, "x": "y" * 100_000}), 413)


@pytest.mark.django_db
def test_without_or_with_a_wrong_token_it_is_401(ask: Callable[..., Any]) -> None:
    assert_problem(Client().post(URL, "{}", content_type="application/json"), 401)
    answer = ask(OPTIONS, HTTP_AUTHORIZATION="Bearer cai_nonsense")
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db
def test_another_method_is_405(bearer: Callable[[User], dict[str, str]], alice: User) -> None:
    answer = Client().get(URL, **bearer(alice))
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "POST"


@pytest.mark.django_db
def test_a_session_needs_the_csrf_token(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert_problem(client.post(URL, json.dumps(OPTIONS), content_type="application/json"), 403)


@pytest.mark.django_db
@pytest.mark.usefixtures("inline_jobs")
def test_too_many_requests_are_429(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backtests.throttle_classes[0], "THROTTLE_RATES", {"backtests": "2/min"})
    assert [ask(OPTIONS).status_code for _ in range(2)] == [200, 200]
    answer = ask(OPTIONS)
    assert_problem(answer, 429)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.django_db
def test_a_defect_is_500_without_a_traceback(
    ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr(Run.objects.__class__, "run_backtest", broken)
    assert "secret" not in assert_problem(ask(OPTIONS), 500)


@pytest.mark.django_db
@pytest.mark.usefixtures("inline_jobs")
def test_a_users_own_strategy_runs_in_another_process(
    ask: Callable[..., Any], own_strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import sys

    monkeypatch.delenv("PLANTED", raising=False)
    answer = ask({**OPTIONS, "strategy": own_strategy, "param": {}})
    assert answer.status_code == 200, answer.content
    assert answer.json()["trades"]
    assert answer.json()["evidence"]["null_market"] is None, "a person's own code is not run in the server"
    assert "PLANTED" not in os.environ
    assert not any(name.endswith(".mine") for name in sys.modules)


@pytest.mark.django_db
def test_one_user_cannot_fill_the_queue(
    ask: Callable[..., Any], alice: User, bob: User, home: Workspace
) -> None:
    del home
    for _ in range(MOST_WAITING):
        Run.objects.create(
            owner=alice, created_ms=1, strategy="s", exchange="e", symbol="s", timeframe="1h", request={}
        )
    with pytest.raises(QueueFull, match="waiting"):
        Run.objects.run_backtest(alice, OPTIONS)
    assert "waiting" in assert_problem(ask(OPTIONS), 429)
    Run.objects.all()._enqueue(bob, BacktestRequest.parse(OPTIONS))


@pytest.mark.django_db
def test_runs_that_a_dead_server_left_are_closed_at_the_next_start(alice: User) -> None:
    for status in Run.Status.values:
        Run.objects.create(
            owner=alice, created_ms=1, strategy="s", exchange="e", symbol="s", timeframe="1h", request={},
            status=status,
        )  # fmt: skip
    assert Run.objects.fail_abandoned() == 2
    reasons = Run.objects.for_user(alice).filter(status="FAILED").values_list("reason", flat=True)
    assert sorted(reasons) == ["", "The server stopped.", "The server stopped."]


@pytest.mark.django_db(transaction=True)
def test_on_its_thread_a_run_reports_to_its_row(alice: User, home: Workspace) -> None:
    del home
    run = Run.objects.run_backtest(alice, OPTIONS, patience_s=60)
    assert run.status == Run.Status.COMPLETED
    assert run.created_ms <= (run.started_ms or 0) <= (run.finished_ms or 0)


# The second door


@pytest.mark.django_db
@pytest.mark.usefixtures("inline_jobs")
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"strategy": "rsi_reversal", "param": {}},
        {"stop": 0.05, "target": 0.2, "trailing": 0.03, "max_bars": 20},
        {"stop_loss_percentage": 5, "take_profit_percentage": 12, "size": 0.5},
        {"symbol": None, "symbols": ["BTC/USDT", "ETH/USDT"], "size": 0.4, "max_open": 1},
    ],
)
def test_both_doors_lead_to_one_engine(ask: Callable[..., Any], change: dict[str, Any]) -> None:
    options = {**OPTIONS, "stop": "none", "target": 0.1, **change}
    if "stop_loss_percentage" in change:
        del options["stop"], options["target"]
    first, second = ask(options), ask(options, door="/signals/api/backtests-fixed/")
    assert first.status_code == 200, first.content
    told, other = first.json(), second.json()
    told.pop("evidence"), other.pop("evidence")
    assert told == other
    assert told["trades"]


@pytest.mark.django_db
@pytest.mark.usefixtures("inline_jobs")
def test_the_second_door_has_a_bracket_where_a_strategy_has_its_own(ask: Callable[..., Any]) -> None:
    fixed = {"door": "/signals/api/backtests-fixed/"}
    held = {**OPTIONS, "strategy": "buy_and_hold", "param": {}}
    own, given = ask(held).json(), ask(held, **fixed).json()
    assert (own["rules"]["stop"], own["rules"]["target"]) == (None, None)
    assert (given["rules"]["stop"], given["rules"]["target"]) == (0.08, 0.15)
    assert given["run"] == ask({**held, "stop": 0.08, "target": 0.15}).json()["run"]
    percent = ask({**held, "stop_loss_percentage": 4}, **fixed).json()
    assert (percent["rules"]["stop"], percent["rules"]["target"]) == (0.04, 0.15)


@pytest.mark.django_db
@pytest.mark.usefixtures("inline_jobs")
def test_the_second_door_refuses_as_the_first(ask: Callable[..., Any]) -> None:
    fixed = {"door": "/signals/api/backtests-fixed/"}
    assert_problem(ask({**OPTIONS, "stop": 0}, **fixed), 400, "stop")
    assert_problem(ask([1, 2], **fixed), 400)
    assert_problem(
        ask({**OPTIONS, "stop": 0.1, "stop_loss_percentage": 8}, **fixed), 400, "stop_loss_percentage"
    )
