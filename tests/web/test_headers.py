"""Every answer carries the headers that keep a browser's page ours."""

from __future__ import annotations

import pytest
from django.test import Client

from conftest import PASSWORD

WHERE = [
    "/accounts/login/",
    "/",
    "/nowhere/",
    "/signals/api/backtests/",
    "/healthz",
    "/static/admin/css/base.css",
]


@pytest.mark.django_db
@pytest.mark.parametrize("where", WHERE)
def test_every_answer_is_hardened(where: str) -> None:
    headers = Client().get(where).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self' ws://testserver" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.django_db
def test_pages_stay_out_of_caches_and_static_files_do_not() -> None:
    assert "no-store" in Client().get("/accounts/login/").headers["Cache-Control"]
    assert "max-age" in Client().get("/static/admin/css/base.css").headers["Cache-Control"]


@pytest.mark.django_db
def test_an_unknown_host_is_refused() -> None:
    assert Client().get("/accounts/login/", HTTP_HOST="evil.example").status_code == 400


@pytest.mark.django_db
def test_static_files_come_without_collecting_them() -> None:
    answer = Client().get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.content
    assert Client().get("/static/../settings.py").status_code != 200


@pytest.mark.django_db
@pytest.mark.usefixtures("alice")
def test_cookies_are_for_this_site_only() -> None:
    cookies = Client().post("/accounts/login/", {"login": "alice", "password": PASSWORD}).cookies
    assert cookies["cryptai-session"]["httponly"]
    assert cookies["cryptai-session"]["samesite"] == "Lax"
