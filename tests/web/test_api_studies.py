"""`/api/v1/sweeps/` and `/api/v1/walkforwards/`: asked for, looked at, cancelled; problems are documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from cryptai.web import jobs
from cryptai.web.research.models import Study

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.web.accounts.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("searched")]
SWEEPS = "/api/v1/sweeps/"
ASKED = {
    "strategy": "ema_trend", "exchange": "coinbase", "symbol": "SWEPT/USDT", "timeframe": "1h",
    "param": {"fast": "5:15:5", "slow": "20:40:10"},
}  # fmt: skip


@pytest.fixture
def hers(alice: User, bearer: Callable[[User], dict[str, str]]) -> dict[str, str]:
    return bearer(alice)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Searches that were asked for and have not had their turn."""
    held: list[Any] = []
    monkeypatch.setattr(jobs, "submit_long", held.append)
    return held


def post(headers: dict[str, str], address: str, body: object) -> Any:
    return Client().post(address, body, content_type="application/json", **headers)  # type: ignore[arg-type]


def test_it_works(hers: dict[str, str], inline_jobs: None, searched: dict[str, Any]) -> None:
    answer = post(hers, SWEEPS, ASKED)
    assert answer.status_code == 202
    row = answer.json()
    assert answer["Location"] == f"{SWEEPS}{row['id']}/"
    told = Client().get(answer["Location"], **hers).json()
    assert (told["status"], told["done"], told["total"]) == ("COMPLETED", 9, 9)
    assert told["result"]["results"] == searched["sweep"]["object"]["results"]
    assert told["result"]["evidence"]["pbo"] == searched["sweep"]["object"]["evidence"]["pbo"]
    listed = Client().get(SWEEPS, **hers).json()["sweeps"]
    assert [(one["id"], one["result"]) for one in listed] == [(row["id"], None)]


def test_a_search_waits_runs_and_is_cancelled(hers: dict[str, str], waiting: list[Any]) -> None:
    row = post(hers, SWEEPS, ASKED).json()
    assert (row["status"], row["total"], len(waiting)) == ("QUEUED", 9, 1)
    told = post(hers, f"{SWEEPS}{row['id']}/cancel/", {}).json()
    assert told["status"] == "CANCELLED"
    assert post(hers, f"{SWEEPS}{row['id']}/cancel/", {}).json()["finished_ms"] == told["finished_ms"]
    waiting[0]()
    assert Client().get(f"{SWEEPS}{row['id']}/", **hers).json()["status"] == "CANCELLED"


def test_the_kinds_have_doors_of_their_own(
    alice: User, hers: dict[str, str], study_of: Callable[[User, str], Study]
) -> None:
    walk = study_of(alice, "walkforward")
    assert Client().get(f"{SWEEPS}{walk.pk}/", **hers).status_code == 404
    told = Client().get(f"/api/v1/walkforwards/{walk.pk}/", **hers).json()
    assert len(told["result"]["folds"]) == told["summary"]["folds"]
    assert Client().get(SWEEPS, **hers).json() == {"sweeps": []}


def test_a_result_whose_files_are_gone_says_so(
    alice: User, hers: dict[str, str], study_of: Callable[[User, str], Study]
) -> None:
    study = study_of(alice, "sweep")
    (study.folder / "study.json").unlink()
    told = Client().get(f"{SWEEPS}{study.pk}/", **hers).json()
    assert told["result"] is None
    assert "gone or damaged" in told["reason"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**ASKED, "param": {"fast": "15:5:5"}}, "param.fast"),
        ({**ASKED, "param": {"fast": "2:1000", "slow": "6:5000"}}, "param"),
        ({**ASKED, "strategy": "ema_trent"}, "strategy"),
        ({**ASKED, "held_out": 2}, "held_out"),
        ({**ASKED, "seed": 10**400}, "seed"),
        ([1, 2], None),
        ("text", None),
        ({}, "strategy"),
    ],
)
def test_what_cannot_be_is_a_problem_document_and_leaves_nothing(
    alice: User, hers: dict[str, str], body: object, field: str | None
) -> None:
    answer = post(hers, SWEEPS, body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["detail"]
    assert problem.get("field") == field
    assert not Study.objects.for_user(alice).exists()


def test_too_much_waiting_is_429_and_too_large_a_body_413(hers: dict[str, str], waiting: list[Any]) -> None:
    for _ in range(5):
        assert post(hers, SWEEPS, ASKED).status_code == 202
    assert post(hers, SWEEPS, ASKED).status_code == 429
    assert post(hers, SWEEPS, {**ASKED, "strategy": "x" * 70_000}).status_code == 413
    assert len(waiting) == 5


def test_anothers_search_is_as_if_it_were_not(
    bob: User, hers: dict[str, str], study_of: Callable[[User, str], Study]
) -> None:
    his = study_of(bob, "sweep")
    for answer in (
        Client().get(f"{SWEEPS}{his.pk}/", **hers),
        post(hers, f"{SWEEPS}{his.pk}/cancel/", {}),
        Client().get(f"{SWEEPS}{'f' * 32}/", **hers),
    ):
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
    his.refresh_from_db()
    assert his.status == "COMPLETED"
