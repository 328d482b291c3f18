"""Alive means the process answers; ready means that what it needs is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from cryptai.market.feed import FeedStatus
from cryptai.market.store import CandleStore
from cryptai.web import live

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch, home: Workspace) -> Any:
    del home

    def stands(state: Any) -> None:
        status = FeedStatus("binance", practice=False, state=state, message="", done=0, total=0, since_ms=0)
        monkeypatch.setattr(live, "_feed", type("Fed", (), {"status": status})())

    return stands


def test_alive_is_for_everybody_and_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert answer.json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("live", 200),
        ("backfilling", 200),
        ("halted", 200),
        ("connecting", 503),
        ("stale", 503),
        ("stopped", 503),
    ],
)
def test_ready_follows_the_feed(feed: Any, on_loopback: dict[str, str], state: str, status: int) -> None:
    feed(state)
    answer = Client().get("/readyz", **on_loopback)
    assert answer.status_code == status
    assert answer.json()["checks"] == {"database": "ok", "store": "ok", "feed": state}


def test_without_a_store_it_is_not_ready(
    feed: Any, on_loopback: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "catalog.sqlite3").write_bytes(b"no database " * 100)
    monkeypatch.setattr(live, "_store", CandleStore(tmp_path))
    feed("live")
    answer = Client().get("/readyz", **on_loopback)
    assert answer.status_code == 503
    assert answer.json()["checks"]["store"] == "does not answer"


def test_strangers_are_not_told_what_is_wrong() -> None:
    assert Client().get("/readyz").status_code == 302
