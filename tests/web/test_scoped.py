"""Rows of users cannot be asked for without saying whose."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, ProtectedError
from django.urls import path

import cryptai.web
from cryptai.web.research.models import Run
from cryptai.web.scoped import ScopedQuerySet, UnscopedQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from cryptai.web.accounts.models import User

pytestmark = pytest.mark.django_db
# What a request brings: a look-up by it must say whose rows it looks among.
REQUEST_WORDS = {"request", "pk", "id", "run_id", "slug", "kwargs", "args", "data", "params", "symbol"}
LOOKUPS = {
    "get",
    "filter",
    "exclude",
    "get_or_create",
    "update_or_create",
    "in_bulk",
    "aget",
    "first",
    "last",
    "all",
}

EVALUATIONS: dict[str, Callable[[Any], object]] = {
    "iterate": list,
    "iterator": lambda rows: list(rows.iterator()),
    "get": lambda rows: rows.get(pk="x"),
    "first": lambda rows: rows.first(),
    "last": lambda rows: rows.last(),
    "latest": lambda rows: rows.latest("created_ms"),
    "count": lambda rows: rows.count(),
    "len": len,
    "bool": bool,
    "exists": lambda rows: rows.exists(),
    "contains": lambda rows: rows.contains(Run(pk="x")),
    "slice": lambda rows: rows[:3][0],
    "aggregate": lambda rows: rows.aggregate(n=Count("pk")),
    "values": lambda rows: list(rows.values("pk")),
    "values_list": lambda rows: list(rows.values_list("pk", flat=True)),
    "in_bulk": lambda rows: rows.in_bulk(["x"]),
    "distinct": lambda rows: rows.distinct().count(),
    "update": lambda rows: rows.update(reason="x"),
    "delete": lambda rows: rows.delete(),
    "get_or_create": lambda rows: rows.get_or_create(pk="x"),
    "bulk_update": lambda rows: rows.bulk_update([Run(pk="x")], ["reason"]),
    "chained": lambda rows: list(
        rows.filter(pk="x").exclude(status="x").order_by("pk").annotate(n=Count("pk"))
    ),
    "union": lambda rows: list(rows.order_by().union(rows.order_by())),
    "subquery": lambda rows: list(Run.objects.unscoped("a test").filter(pk__in=rows.values("pk"))),
    "raw": lambda rows: list(rows.raw("SELECT * FROM research_run")),
    "explain": lambda rows: rows.explain(),
}


@pytest.fixture
def run_of() -> Callable[[User], Run]:
    def made(user: User) -> Run:
        return Run.objects.create(
            owner=user, created_ms=1, strategy="ema_trend", exchange="binance", symbol="BTC/USDT",
            timeframe="1h", request={},
        )  # fmt: skip

    return made


@pytest.mark.parametrize("how", EVALUATIONS)
def test_an_unscoped_query_raises_however_it_is_evaluated(how: str) -> None:
    with pytest.raises(UnscopedQuery, match=r"for_user|Raw SQL"):
        EVALUATIONS[how](Run.objects.all())


@pytest.mark.parametrize("how", sorted(set(EVALUATIONS) - {"raw", "get", "latest", "slice", "get_or_create"}))
def test_the_same_evaluation_answers_once_it_is_scoped(how: str, alice: User) -> None:
    EVALUATIONS[how](Run.objects.for_user(alice))


def test_the_rows_a_user_relates_to_are_no_way_around(alice: User, run_of: Callable[[User], Run]) -> None:
    run_of(alice)
    with pytest.raises(UnscopedQuery):
        list(alice.runs.all())
    assert alice.runs.for_user(alice).count() == 1


def test_each_user_has_their_own_rows_and_a_stranger_none(
    alice: User, bob: User, run_of: Callable[[User], Run]
) -> None:
    of_alice, of_bob = run_of(alice), run_of(bob)
    assert list(Run.objects.for_user(alice)) == [of_alice]
    assert list(Run.objects.for_user(AnonymousUser())) == []
    assert not Run.objects.for_user(alice).filter(pk=of_bob.pk).update(reason="mine")
    assert not Run.objects.for_user(alice).filter(owner=bob).exists()
    assert set(Run.objects.unscoped("a test").all()) == {of_alice, of_bob}


def test_a_foreign_row_is_as_absent(alice: User, bob: User, run_of: Callable[[User], Run]) -> None:
    for pk in (run_of(bob).pk, "0" * 32):
        with pytest.raises(Run.DoesNotExist):
            Run.objects.for_user(alice).get(pk=pk)


def test_scopes_do_not_mix(alice: User, bob: User) -> None:
    with pytest.raises(UnscopedQuery):
        Run.objects.for_user(alice) | Run.objects.all()
    with pytest.raises(UnscopedQuery):
        Run.objects.for_user(alice) | Run.objects.for_user(bob)
    with pytest.raises(UnscopedQuery):
        Run.objects.for_user(alice).unscoped("wider")


def test_a_user_with_runs_is_not_deleted_and_nothing_cascades(
    alice: User, run_of: Callable[[User], Run]
) -> None:
    run_of(alice)
    with pytest.raises(ProtectedError):
        alice.delete()


def test_a_planted_view_that_forgets_the_user_fails_instead_of_answering(
    alice: User,
    run_of: Callable[[User], Run],
    signed_in: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.http import HttpResponse
    from django.urls import clear_url_caches

    from cryptai.web import permissions, urls

    run = run_of(alice)
    planted = path("planted/<str:pk>/", lambda _r, pk: HttpResponse(Run.objects.get(pk=pk)), name="planted")
    monkeypatch.setattr(urls, "urlpatterns", [planted, *urls.urlpatterns])
    monkeypatch.setattr(
        permissions, "PERMISSIONS", {**permissions.PERMISSIONS, "planted": {"GET": permissions.USER}}
    )
    clear_url_caches()
    try:
        with pytest.raises(UnscopedQuery):
            signed_in(alice).get(f"/planted/{run.pk}/")
    finally:
        monkeypatch.undo()
        clear_url_caches()


def test_every_model_with_an_owner_is_scoped() -> None:
    from django.apps import apps

    owned = [m for m in apps.get_models() if any(field.name == "owner" for field in m._meta.fields)]
    assert owned
    for model in owned:
        assert isinstance(model._default_manager.all(), ScopedQuerySet)


def unscoped_lookups(source: str) -> list[str]:
    """Find `Model.objects.get(pk=request…)` and its like: a look-up by a request's value without a scope."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        text = ast.unparse(node.func)
        by_shortcut = text in ("get_object_or_404", "get_list_or_404")
        chain = ast.unparse(node.args[0]) if by_shortcut and node.args else text
        by_lookup = isinstance(node.func, ast.Attribute) and node.func.attr in LOOKUPS and ".objects" in text
        if not (by_shortcut or by_lookup) or "for_user(" in chain or "unscoped(" in chain:
            continue
        if by_lookup and not text.startswith("Run."):
            continue
        given = [*node.args[1 if by_shortcut else 0 :], *(keyword.value for keyword in node.keywords)]
        names = {part.id for value in given for part in ast.walk(value) if isinstance(part, ast.Name)}
        if names & REQUEST_WORDS:
            found.append(ast.unparse(node))
    return found


def test_no_source_looks_a_users_row_up_by_what_a_request_says_without_its_user() -> None:
    folder = Path(cryptai.web.__file__).parent
    for file in folder.rglob("*.py"):
        assert unscoped_lookups(file.read_text()) == [], file.name


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("Run.objects.get(pk=request.GET['id'])", True),
        ("get_object_or_404(Run, pk=pk)", True),
        ("get_object_or_404(Run.objects.all(), pk=kwargs['pk'])", True),
        ("Run.objects.filter(pk=pk).first()", True),
        ("Run.objects.for_user(request.user).get(pk=pk)", False),
        ("get_object_or_404(Run.objects.for_user(request.user), pk=pk)", False),
    ],
)
def test_the_search_for_unscoped_lookups_finds_planted_ones(source: str, caught: bool) -> None:
    assert bool(unscoped_lookups(source)) is caught
