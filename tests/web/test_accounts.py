"""Signing in: the owner of the first start, passwords, sessions, tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

from conftest import PASSWORD
from cryptai.seams import replaced
from cryptai.web.accounts.models import ApiToken, User

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def sign_in(login: str, password: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": login, "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


@pytest.mark.parametrize("login", ["alice", "alice@example.org"])
@pytest.mark.usefixtures("alice", "home")
def test_username_and_email_both_sign_in(login: str) -> None:
    assert is_in(sign_in(login, PASSWORD))
    assert not is_in(sign_in(login, "another"))


@pytest.mark.usefixtures("alice")
def test_after_five_wrong_passwords_not_even_the_right_one_opens_for_a_while() -> None:
    for guess in range(5):
        sign_in("alice", f"guess-{guess}")
    assert not is_in(sign_in("alice", PASSWORD))


def test_thirty_tries_a_minute_from_one_address_are_enough() -> None:
    codes = [Client().post("/accounts/login/", {"login": f"u{i}"}).status_code for i in range(31)]
    assert codes[0] == 200
    assert codes[-1] == 429


def test_nobody_signs_up() -> None:
    assert Client().get("/accounts/signup/").status_code == 302
    data = {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/accounts/signup/", data)
    assert not User.objects.filter(username="mallory").exists()


def test_the_administration_signs_in_where_everybody_does(
    alice: User, owner: User, signed_in: Callable[[User], Client]
) -> None:
    assert Client().get("/admin/").headers["Location"].startswith("/accounts/login/")
    assert Client().post("/admin/login/", {"username": "owner", "password": PASSWORD}).status_code == 302
    assert signed_in(alice).get("/admin/").status_code == 403
    assert signed_in(owner).get("/admin/").status_code == 200


def test_the_first_start_makes_the_owner_and_the_second_does_not() -> None:
    first = User.objects.first_start()
    assert first is not None
    assert first.username == "owner"
    assert User.objects.first_start() is None
    owner = User.objects.owner()
    assert owner is not None
    assert owner.check_password(first.password)
    token = ApiToken.objects.recognise(first.token)
    assert token is not None
    assert token.user == owner


@pytest.mark.usefixtures("home")
def test_starting_over_ends_every_session_and_token() -> None:
    first = User.objects.first_start()
    owner = User.objects.owner()
    assert first is not None
    assert owner is not None
    client = sign_in("owner", first.password)
    assert is_in(client)
    second = owner.start_over()
    assert second.password != first.password
    assert not is_in(client)
    assert not is_in(sign_in("owner", first.password))
    assert is_in(sign_in("owner", second.password))
    assert ApiToken.objects.recognise(first.token) is None
    assert ApiToken.objects.recognise(second.token) is not None


def test_a_tokens_text_is_kept_nowhere(alice: User) -> None:
    text, row = ApiToken.objects.issue(alice, "mine")
    secret = text.split("_")[2]
    kept = ApiToken.objects.values().get(pk=row.pk)
    assert secret not in str(kept)
    assert text.startswith("cai_")
    assert secret not in f"{row} {row!r}"


def test_a_token_is_recognised_whole_and_of_an_active_user_only(alice: User) -> None:
    text, _row = ApiToken.objects.issue(alice, "mine")
    found = ApiToken.objects.recognise(text)
    assert found is not None
    assert found.user == alice
    for wrong in (
        "",
        "x",
        text[:-1],
        text + "0",
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        "cai__",
        "cai_é_é",
    ):
        assert ApiToken.objects.recognise(wrong) is None
    alice.is_active = False
    alice.save()
    assert ApiToken.objects.recognise(text) is None


def test_last_use_is_noted_once_a_minute(alice: User) -> None:
    text, row = ApiToken.objects.issue(alice, "mine")
    for at_s, noted_s in ((1000, 1000), (1030, 1000), (1060, 1060)):
        with replaced(now_ns=lambda at_s=at_s: at_s * 10**9):
            ApiToken.objects.recognise(text)
        row.refresh_from_db()
        assert row.last_used_ms == noted_s * 1000


def test_the_owner_issues_a_token_in_the_administration(
    owner: User, alice: User, signed_in: Callable[[User], Client]
) -> None:
    answer = signed_in(owner).post(
        "/admin/accounts/apitoken/add/", {"user": alice.pk, "name": "bot"}, follow=True
    )
    shown = next(
        word for word in answer.content.decode().split() if word.startswith("cai_") and len(word) > 70
    )
    found = ApiToken.objects.recognise(shown.split("<")[0])
    assert found is not None
    assert (found.user, found.name) == (alice, "bot")
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("where", ["by oneself", "by the owner"])
def test_a_new_password_ends_the_tokens_of_the_old_one(
    where: str, alice: User, owner: User, signed_in: Callable[[User], Client]
) -> None:
    text, _row = ApiToken.objects.issue(alice, "mine")
    kept, _row = ApiToken.objects.issue(owner, "another's")
    new = "battery-staple-9-horses"
    if where == "by oneself":
        form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
        client, address = sign_in("alice", PASSWORD), "/accounts/password/change/"
    else:
        form = {"password1": new, "password2": new, "usable_password": "true"}
        client, address = signed_in(owner), f"/admin/accounts/user/{alice.pk}/password/"
    assert client.post(address, form).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(new)
    assert ApiToken.objects.recognise(text) is None
    assert ApiToken.objects.recognise(kept) is not None
