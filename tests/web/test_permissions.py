"""The permission table holds for every route, method and caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path, resolve
from routes import address, routes

from cryptai.web import urls
from cryptai.web.permissions import PERMISSIONS, Who, is_loopback, route_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.web.accounts.models import User

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
NOT_OF_THE_RESOLVER = {"prices"}  # the WebSocket: tests/web/test_sockets.py


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    found = {name for name, _pattern in routes()}
    assert found - set(PERMISSIONS) == set(), "routes without a row"
    assert set(PERMISSIONS) - found == NOT_OF_THE_RESOLVER, "rows without a route"


def test_every_address_resolves_to_the_route_it_was_made_of() -> None:
    for name, pattern in routes():
        assert route_name(resolve(address(pattern))) == name


@pytest.mark.django_db
def test_a_route_without_a_row_is_refused_even_to_the_owner(
    owner: User, signed_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = path("planted/", lambda _request: HttpResponse("reached"), name="planted")
    monkeypatch.setattr(urls, "urlpatterns", [planted, *urls.urlpatterns])
    _forget_routes()
    try:
        answer = signed_in(owner).get("/planted/")
        assert {name for name, _pattern in routes()} - set(PERMISSIONS) == {"planted"}
    finally:
        monkeypatch.undo()
        _forget_routes()
    assert answer.status_code == 403


class Caller:
    """One kind of caller: how it asks, and what of the table it is."""

    def __init__(self, kinds: Who, client: Client | None = None, **extra: str) -> None:
        self.kinds = kinds | Who.ANYONE
        self.client = client or Client()
        self.extra = extra

    def expected(self, row: Any, method: str, *, api: bool) -> str:
        """Read the outcome off the table, in words."""
        who = row.get("GET" if method in ("HEAD", "OPTIONS") else method)
        if who is None:
            if any(self.kinds & one for one in row.values()):
                return "method" if method != "OPTIONS" else "reached"
            who = next(iter(row.values()))
        if self.kinds & who:
            return "reached"
        if not who and self.kinds & (Who.LOOPBACK | Who.USER):
            return "absent"
        if self.kinds & Who.USER:
            return "forbidden"
        return "unknown" if api else "sign in"


@pytest.fixture
def callers(
    alice: User, bob: User, owner: User, signed_in: Callable[[User], Client],
    bearer: Callable[[User], dict[str, str]], on_loopback: dict[str, str],
) -> dict[str, Caller]:  # fmt: skip
    suspended, suspended_token = signed_in(bob), bearer(bob)
    bob.is_active = False
    bob.save()
    return {
        "anonymous at the machine": Caller(Who.LOOPBACK, **on_loopback),
        "anonymous": Caller(Who.NOBODY),
        "alice": Caller(Who.USER, signed_in(alice)),
        "owner": Caller(Who.USER | Who.OWNER, signed_in(owner)),
        "alice's program": Caller(Who.TOKEN, **bearer(alice)),
        "a made-up token": Caller(Who.NOBODY, HTTP_AUTHORIZATION=f"Bearer cai_{'0' * 12}_{'0' * 64}"),
        "a suspended user": Caller(Who.NOBODY, suspended),
        "a suspended user's program": Caller(Who.NOBODY, **suspended_token),
    }


def outcome(answer: HttpResponse) -> str:
    """Say in words how the table's middleware answered."""
    if answer.headers.get("X-Reached") or (answer.status_code == 200 and "Allow" in answer.headers):
        return "reached"
    if answer.status_code == 302 and answer.headers["Location"].startswith("/accounts/login/"):
        return "sign in"
    return {401: "unknown", 403: "forbidden", 404: "absent", 405: "method"}[answer.status_code]


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted({name for name, _pattern in routes()}))
def test_every_caller_reaches_what_the_table_says_and_nothing_else(
    name: str, callers: dict[str, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.core.handlers.base.BaseHandler._get_response", _reached)
    where = address(dict(routes())[name])
    for who, caller in callers.items():
        for method in METHODS:
            answer = caller.client.generic(method, where, **caller.extra)
            expected = caller.expected(PERMISSIONS[name], method, api="/api/" in where)
            assert outcome(answer) == expected, f"{who}: {method} {where}"


@pytest.mark.django_db
def test_off_loopback_a_stranger_does_not_learn_which_addresses_exist() -> None:
    for where in ("/", "/markets/BTC-USDT/", "/nowhere/", "/admin/nowhere/"):
        answer = Client().get(where)
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/accounts/login/")
    assert Client().get("/signals/api/nowhere/").status_code == 401


@pytest.mark.django_db
def test_a_fragment_sends_the_whole_window_to_sign_in() -> None:
    answer = Client().get("/", HTTP_HX_REQUEST="true")
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/accounts/login/")


@pytest.mark.parametrize(
    ("change", "here"),
    [
        ({}, True),
        ({"HTTP_HOST": "127.0.0.1:8000"}, True),
        ({"HTTP_HOST": "[::1]:8000", "REMOTE_ADDR": "::1"}, True),
        ({"REMOTE_ADDR": "192.0.2.7"}, False),
        ({"HTTP_HOST": "evil.example"}, False),  # a page elsewhere whose name was made to point here
        ({"HTTP_HOST": "testserver"}, False),
        ({"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, False),
        ({"HTTP_X_FORWARDED_HOST": "localhost"}, False),
        ({"HTTP_FORWARDED": "for=192.0.2.7"}, False),
        ({"HTTP_X_REAL_IP": "192.0.2.7"}, False),
        ({"HTTP_VIA": "1.1 proxy"}, False),
    ],
)
def test_loopback_means_a_person_at_this_machine(
    change: dict[str, str], here: bool, on_loopback: dict[str, str]
) -> None:
    assert is_loopback(RequestFactory().get("/", **{**on_loopback, **change})) is here


@pytest.mark.parametrize(("name", "value"), [("BIND", "0.0.0.0"), ("BIND", ""), ("HTTPS", True)])  # noqa: S104
def test_a_server_that_others_can_reach_trusts_nobody_for_where_they_sit(
    name: str, value: object, on_loopback: dict[str, str], settings: Any
) -> None:
    setattr(settings, name, value)
    settings.SECURE_PROXY_SSL_HEADER = None
    assert is_loopback(RequestFactory().get("/", **on_loopback)) is False


def _reached(self: object, request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"X-Reached": "1"})


def _forget_routes() -> None:
    from django.urls import clear_url_caches

    clear_url_caches()
