"""The signals' API: what stands, the best of a day, the record; refusals and what may be cached."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from tests.screening.made import signal

from cryptai.errors import WorkspaceError
from cryptai.market.timeframe import Timeframe
from cryptai.market.times import iso
from cryptai.screening.present import Closed, Look
from cryptai.screening.record import Event, Record
from cryptai.seams import now_ms
from cryptai.web import board, live
from cryptai.web.scanning import Scanning

if TYPE_CHECKING:
    from cryptai.workspace import Workspace


@pytest.fixture
def here(on_loopback: dict[str, str], home: Workspace) -> Client:
    del home
    return Client(**on_loopback)  # type: ignore[arg-type]


@pytest.fixture
def board_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(*signals: Any) -> None:
        monkeypatch.setitem(board._signals, "binance", list(signals))
        monkeypatch.setitem(board._states, "binance", board.BoardState("ready", "", 5))

    monkeypatch.setattr("cryptai.web.context.live.feed_status", lambda: _Feed)
    return put


class _Feed:
    exchange, state = "binance", "live"


def got(client: Client, path: str, status: int = 200) -> Any:
    answer = client.get(path)
    assert answer.status_code == status, answer.content
    return answer.json()


@pytest.mark.parametrize("door", ["/signals/api/", "/api/v1/"])
def test_what_stands_is_answered_best_first_by_both_doors(here: Client, board_of: Any, door: str) -> None:
    board_of(
        signal(score=0.9), signal(symbol="ETH/USDT", side="short"), signal(symbol="XRP/USDT", stale=True)
    )
    told = got(here, f"{door}signals/")
    assert [one["symbol"] for one in told["signals"]] == ["BTC/USDT", "ETH/USDT", "XRP/USDT"]
    assert (told["exchange"], told["count"], told["state"]) == ("binance", 3, "ready")
    first = told["signals"][0]
    for name in (
        "symbol", "timeframe", "side", "entry", "stop", "target", "quality", "confidence", "factors",
        "evidence", "strategy", "decided_at", "data_digest",
    ):  # fmt: skip
        assert name in first


@pytest.mark.parametrize(
    ("asked", "symbols"),
    [
        ("symbol=ETH-USDT", ["ETH/USDT"]),
        ("signal_type=BUY", ["BTC/USDT", "XRP/USDT"]),
        ("signal_type=short", ["ETH/USDT"]),
        ("is_valid=true", ["BTC/USDT", "ETH/USDT"]),
        ("is_valid=false", ["XRP/USDT"]),
        ("limit=1", ["BTC/USDT"]),
        ("mode=rules", ["ETH/USDT", "BTC/USDT", "XRP/USDT"]),
        ("timeframe=4h", []),
        ("strategy=ema_trend&limit=2", ["BTC/USDT", "ETH/USDT"]),
    ],
)
def test_it_is_filtered(here: Client, board_of: Any, asked: str, symbols: list[str]) -> None:
    better = {"rules": 0.9, "model": None, "sentiment": None}
    board_of(
        signal(score=0.9),
        signal(symbol="ETH/USDT", side="short", parts=better),
        signal(symbol="XRP/USDT", stale=True),
    )
    assert [one["symbol"] for one in got(here, f"/signals/api/signals/?{asked}")["signals"]] == symbols


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("mode=magic", "mode"),
        ("signal_type=hold", "signal_type"),
        ("is_valid=perhaps", "is_valid"),
        ("limit=0", "limit"),
        ("limit=10000", "limit"),
        ("symbol=%3C%3E", "symbol"),
        ("timeframe=7m", "timeframe"),
        ("sort=score", "sort"),
    ],
)
def test_what_cannot_be_asked_is_a_problem_with_its_field(
    here: Client, board_of: Any, asked: str, field: str
) -> None:
    board_of()
    told = got(here, f"/signals/api/signals/?{asked}", 400)
    assert told["field"] == field


def test_an_answer_has_a_tag_and_is_not_sent_twice(here: Client, board_of: Any) -> None:
    board_of(signal())
    first = here.get("/signals/api/signals/")
    again = here.get("/signals/api/signals/", HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    board_of(signal(score=0.1))
    assert here.get("/signals/api/signals/", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200


def test_the_choice_of_a_day_is_what_was_recorded(here: Client, board_of: Any) -> None:
    board_of()
    record = Record(live.store().catalog)
    numbers = record.seal([signal(decided_at_ms=1_650_000_000_000).as_sealed()])
    record.select("binance", "2022-04-15", numbers)
    record.note([Event(numbers[0], "filled", 1_650_000_000_000, {"price": 100.0})])
    told = got(here, "/signals/api/daily-best-signals/?date=2022-04-15")
    assert told["recorded"] is True
    assert [one["id"] for one in told["signals"]] == numbers
    assert told["signals"][0]["events"][0]["event"] == "filled"
    assert told["signals"][0]["retrospective"] is True
    assert "2022-04-15" in got(here, "/signals/api/available-dates/")["dates"]


def test_a_day_without_a_choice_is_computed(here: Client, board_of: Any) -> None:
    board_of()
    last = int(live.store().read("binance", "BTC/USDT", "1h", last=1).ts[0])
    day = iso(last)[:10]
    told = got(here, f"/signals/api/daily-best-signals/?date={day}")
    assert told["recorded"] is False
    assert told["date"] == day
    assert len(told["signals"]) <= 5
    assert day not in got(here, "/signals/api/available-dates/")["dates"]


@pytest.mark.parametrize("day", ["tomorrow", "2023-13-01", "2023-01-01T05:00:00Z", "2999-01-01"])
def test_a_day_that_cannot_be_is_refused(here: Client, board_of: Any, day: str) -> None:
    board_of()
    assert got(here, f"/signals/api/daily-best-signals/?date={day}", 400)["field"] == "date"


def test_clearing_is_posted_by_the_owner_and_a_get_says_so(
    here: Client, board_of: Any, owner: Any, alice: Any
) -> None:
    board_of()
    refused = here.get("/signals/api/clear-cache/")
    assert refused.status_code == 405
    assert "POST" in refused["Allow"]
    assert "GET" not in refused["Allow"]
    assert "POST, not GET" in refused.json()["detail"]
    for user, status in ((None, (302, 401, 403)), (alice, (403,)), (owner, (200,))):
        client = Client()
        if user is not None:
            client.force_login(user)
        assert client.post("/signals/api/clear-cache/").status_code in status
    closed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board, "_scannings", {"binance": SimpleNamespace(close=lambda: closed.append("it"))})
        client.post("/api/v1/clear-cache/")
        assert board._scannings == {}
        board._thread.submit(closed.append, "the thread").result()
        assert closed == ["it", "the thread"]


def test_the_record_is_listed_and_verified(here: Client, board_of: Any) -> None:
    board_of()
    record = Record(live.store().catalog)
    (number,) = record.seal([signal(symbol="ADA/USDT", decided_at_ms=1_651_000_000_000).as_sealed()])
    told = got(here, "/api/v1/recorded-signals/?symbol=ADA-USDT")
    assert [one["id"] for one in told["signals"]] == [number]
    assert got(here, f"/api/v1/recorded-signals/{number}/")["hash"] == record.get(number).hash
    assert got(here, "/api/v1/recorded-signals/999999/", 404)["status"] == 404
    whole = got(here, "/api/v1/recorded-signals/verify/")
    assert whole["whole"] is True
    assert whole["head"] == record.head()[1]
    cut = got(here, "/api/v1/recorded-signals/verify/?head=" + "0" * 63 + "1")
    assert cut["whole"] is False


def test_what_was_decided_is_sealed_before_it_is_told(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    del home
    record = Record(live.store().catalog)
    before = record.head()[0]
    fresh, other = (signal(symbol=f"{name}/USDT", decided_at_ms=now_ms()) for name in ("NEW", "OTHER"))
    stale = signal(symbol="STALE/USDT", stale=True)
    decided = [[fresh, stale], [fresh], []]

    def look(_self: Any) -> Look:
        return Look({("X/USDT", Timeframe("1h")): Closed(0, 1.0, 1)}, {}, {}, decided.pop(0), {}, waits=False)

    monkeypatch.setattr("cryptai.screening.abreast.Abreast.look", look)
    scanning = Scanning("binance")
    assert scanning.look() == [fresh]
    sealed = record.newest("binance", symbol="NEW/USDT")
    assert [one.retrospective for one in sealed] == [False]
    assert scanning.look() == [fresh]
    assert record.head()[0] == before + 1
    # What could not be sealed is not told, but with the next look.
    decided.insert(0, [other])
    with monkeypatch.context() as patch:
        patch.setattr(Record, "seal", lambda *_: (_ for _ in ()).throw(WorkspaceError("The disk is full.")))
        with pytest.raises(WorkspaceError):
            scanning.look()
    assert scanning.look() == [other]
    assert record.head()[0] == before + 2


def test_the_jobs_choose_and_follow(home: Workspace) -> None:
    from cryptai.web.schedule.signals import follow_signals_task, select_daily_best_signals_task

    assert "chosen" in select_daily_best_signals_task()
    assert "events" in follow_signals_task()
