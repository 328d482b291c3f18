"""GET, HEAD and OPTIONS change nothing, and no page asks the database more than ten questions."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from routes import address, routes

from cryptai.web.permissions import PERMISSIONS, Who
from cryptai.web.research.models import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptai.web.accounts.models import User
    from cryptai.workspace import Workspace

# Django's sessions are the browser's, not ours; the two columns say when somebody was last seen.
ALLOWED_TABLES = {"django_session", "sqlite_sequence"}
ALLOWED_COLUMNS = {("accounts_user", "last_login"), ("accounts_apitoken", "last_used_ms")}
READABLE = sorted(
    {name for name, _pattern in routes()} - {n for n, row in PERMISSIONS.items() if "GET" not in row}
)
# What these answer depends on what is asked for.
QUERIES = {
    "market-candles": "?exchange=binance&timeframe=1h",
    "market-trades": "?exchange=binance&timeframe=1h&strategy=ema_trend",
    "market-feature": "?exchange=binance&timeframe=1h",
    "api-feature": "?exchange=binance&symbol=BTC-USDT&timeframe=1h",
}
PAGES = [name for name in READABLE if ":" not in name and not name.startswith(("admin", "account_"))]


@pytest.fixture
def run(alice: User, home: Workspace, inline_jobs: None) -> Iterator[Run]:
    """A run of alice's, with its result on the disk: every file there is read twice a test, so none stays."""
    options = {
        "strategy": "ema_trend",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "param": {"fast": 5, "slow": 20},
    }
    before = set(home.runs.iterdir())
    yield Run.objects.run_backtest(alice, options)
    for made in set(home.runs.iterdir()) - before:
        shutil.rmtree(made)


@pytest.fixture
def where(run: Run, alice: User, study_of: Callable[[User, str], Any]) -> Callable[[str], str]:
    """The address of a route, of things that exist."""
    patterns = dict(routes())
    swept, walked = study_of(alice, "sweep"), study_of(alice, "walkforward")

    def address_of(name: str) -> str:
        kind = run.pk if "research" in name else str(alice.pk)
        walks = "walkforward" in name or name == "study-equity"
        pk = walked.pk if walks else swept.pk if "study" in name or "sweep" in name else run.pk
        values = {"pk": pk, "object_id": kind, "name": "trades.csv" if name == "run-file" else "rsi"}
        return address(patterns[name], values) + QUERIES.get(name, "")

    return address_of


@pytest.fixture
def askers(
    alice: User, owner: User, signed_in: Callable[[User], Client], bearer: Callable[[User], dict[str, str]],
    on_loopback: dict[str, str],
) -> list[tuple[Client, dict[str, str]]]:  # fmt: skip
    return [
        (Client(), on_loopback),
        (Client(), {}),
        (signed_in(alice), {}),
        (signed_in(owner), {}),
        (Client(), bearer(alice)),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("name", READABLE)
def test_reading_changes_no_row_and_no_file(
    name: str, where: Callable[[str], str], askers: list[Any], home: Workspace
) -> None:
    before = dict(everything(home))
    for client, extra in askers:
        for method in ("GET", "HEAD", "OPTIONS"):
            client.generic(method, where(name), **extra)
    assert dict(everything(home)) == before


def test_the_search_for_changes_sees_a_planted_one(db: None, alice: User, home: Workspace) -> None:
    del db
    before = dict(everything(home))
    alice.first_name = "Alicia"
    alice.save()
    assert dict(everything(home)) != before


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_the_database_ten_times_at_most(
    name: str, where: Callable[[str], str], askers: list[Any]
) -> None:
    answers = []
    for client, extra in askers:
        with CaptureQueriesContext(connection) as asked:
            answers.append(client.get(where(name), **extra).status_code)
        assert len(asked) <= 10, [query["sql"] for query in asked]
    one_who_may = 3 if PERMISSIONS[name]["GET"] == Who.OWNER else 2
    # The record of a fresh home is empty; clearing is posted.
    others = {"signal": {404}, "api-recorded-signal": {404}, "api-clear-cache": {405}}
    also = others.get(name.removeprefix("v1:"), set())
    assert answers[one_who_may] in {200, 503} | also, "alice sees it, or the owner what is the owner's"


@pytest.mark.django_db
def test_a_foreign_run_is_answered_exactly_like_an_absent_one(
    bob: User, signed_in: Callable[[User], Client], where: Callable[[str], str], run: Run
) -> None:
    client = signed_in(bob)
    patterns = dict(routes())
    with_a_run = [name for name, pattern in patterns.items() if "pk>" in pattern]
    assert with_a_run
    for name in with_a_run:
        method = "GET" if "GET" in PERMISSIONS[name] else "POST"
        there, nowhere = where(name), address(patterns[name], {"pk": "f" * 32, "name": "trades.csv"})
        foreign, absent = client.generic(method, there), client.generic(method, nowhere)
        assert foreign.status_code == absent.status_code == 404, name
        pk = next(part for part in there.split("/") if len(part) == 32)
        assert pk not in foreign.content.decode()
        assert _normal(foreign.content, pk) == _normal(absent.content, "f" * 32)


def everything(home: Workspace) -> Iterator[tuple[str, Any]]:
    """Yield every row of every table and every file of the workspace, but what is allowed to change."""
    with connection.cursor() as cursor:
        for table in set(connection.introspection.table_names(cursor)) - ALLOWED_TABLES:
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 (names from the database itself)
            columns = [column[0] for column in cursor.description]
            kept = [i for i, column in enumerate(columns) if (table, column) not in ALLOWED_COLUMNS]
            yield table, sorted(repr([row[i] for i in kept]) for row in cursor.fetchall())
    for folder in ("runs", "strategies", "reports", "secrets"):
        for file in (home.root / folder).rglob("*"):
            yield str(file), file.read_bytes() if file.is_file() else None


def _normal(content: bytes, pk: str) -> str:
    import re

    # What differs between any two answers: the hidden form token, the clock, and the address asked for.
    text = content.decode().replace(pk, "")
    return re.sub(r'value="\w{64}"|\d{13}|\d\d:\d\d(:\d\d)?', "", text)
