"""The signals' API: what stands, the best of a day, the record; refusals and what may be cached."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from tests.screening.made import signal

from cryptai.errors import WorkspaceError
from cryptai.market.timeframe import Timeframe
from cryptai.market.times import iso
from cryptai.screening.present import Closed, Look
from cryptai.screening.record import Event, Record
from cryptai.seams import now_ms
from cryptai.signals import Signal
from cryptai.web import board, live
from cryptai.web.scanning import Scanning


@pytest.fixture
def here(on_loopback: dict[str, str], record: Record) -> Client:
    del record  # what these seal is nobody else's to meet
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


@pytest.mark.parametrize("door", ["/signals/api/", "/api/v1/"])
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("recorded-signals/?symbol=%3C%3E", "symbol"),
        ("recorded-signals/?timeframe=7m", "timeframe"),
        ("recorded-signals/?signal_type=hold", "signal_type"),
        ("recorded-signals/?since=yesterday", "since"),
        ("recorded-signals/?until=2023-13-01", "until"),
        ("recorded-signals/?limit=-1", "limit"),
        ("recorded-signals/?limit=1e9", "limit"),
        ("recorded-signals/?offset=5", "offset"),
        ("daily-best-signals/?day=2023-01-01", "day"),
        ("available-dates/?date=2023-01-01", "date"),
        ("recorded-signals/1/?limit=5", "limit"),
    ],
)
def test_the_record_answers_what_cannot_be_asked_as_lists_do(
    here: Client, board_of: Any, record: Record, door: str, asked: str, field: str
) -> None:
    board_of()
    before = record.state()
    answer = here.get(f"{door}{asked}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    told = answer.json()
    assert (told["status"], told["field"]) == (400, field)
    assert told["detail"].endswith((".", "?"))
    assert record.state() == before


@pytest.mark.parametrize(
    "asked",
    [
        "signals/", "signals/?limit=5&mode=rules", "recorded-signals/", "recorded-signals/?symbol=ADA-USDT",
        "recorded-signals/1/", "daily-best-signals/?date=2022-04-15", "available-dates/",
    ],
)  # fmt: skip
def test_what_is_asked_changes_nothing_and_is_the_same_by_both_doors(
    here: Client, board_of: Any, record: Record, asked: str
) -> None:
    board_of(signal())
    numbers = record.seal([signal(symbol="ADA/USDT", decided_at_ms=1_651_000_000_000).as_sealed()])
    record.select("binance", "2022-04-15", numbers)
    # What is written comes into the log beside the file.
    files = [live.store().folder / f"catalog.sqlite3{end}" for end in ("", "-wal")]
    before = [file.read_bytes() for file in files]
    answers = [here.get(door + asked) for door in ("/signals/api/", "/api/v1/") for _ in range(2)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == len({answer["ETag"] for answer in answers}) == 1
    assert answers[0].headers["Content-Type"] == "application/json"
    for door in ("/signals/api/", "/api/v1/"):
        head = here.head(door + asked)
        assert (head.status_code, head["ETag"], head.content) == (200, answers[0]["ETag"], b"")
        again = here.get(door + asked, HTTP_IF_NONE_MATCH=answers[0]["ETag"])
        assert (again.status_code, again.content) == (304, b"")
    assert [file.read_bytes() for file in files] == before
    record.note([Event(numbers[0], "filled", 5, {"price": 1.0})])
    assert [file.read_bytes() for file in files] != before


def test_each_that_stands_is_written_once_and_anew_with_another_board(
    here: Client, board_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    as_object = Signal.as_object
    monkeypatch.setattr(Signal, "as_object", lambda one: written.append(one.symbol) or as_object(one))
    first, second = signal(score=0.9), signal(symbol="ETH/USDT", score=0.5)
    board_of(first, second)
    assert got(here, "/signals/api/signals/?limit=1")["signals"] == [as_object(first)]
    assert written == ["BTC/USDT"]
    assert got(here, "/signals/api/signals/?mode=rules")["signals"] == [as_object(first), as_object(second)]
    assert written == ["BTC/USDT", "ETH/USDT"]
    changed = signal(score=0.8, price=101.0)
    board_of(changed, second)
    told = got(here, "/signals/api/signals/")["signals"]
    assert told == [as_object(changed), as_object(second)]
    assert told[0]["price"] == 101.0


def test_an_answer_has_a_tag_and_is_not_sent_twice(here: Client, board_of: Any) -> None:
    board_of(signal())
    first = here.get("/signals/api/signals/")
    again = here.get("/signals/api/signals/", HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    board_of(signal(score=0.1))
    assert here.get("/signals/api/signals/", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200


def test_the_choice_of_a_day_is_what_was_recorded(here: Client, board_of: Any, record: Record) -> None:
    board_of()
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


def test_the_best_of_the_day_that_lasts_are_the_best_that_stand_and_follow_the_board(
    here: Client, board_of: Any, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cryptai.web.signals.api._chosen", lambda *_: pytest.fail("all was screened anew"))
    names = [f"{letter}/USDT" for letter in "ABCDEF"]
    many = [signal(symbol=name, score=0.9 - i / 10) for i, name in enumerate(names)]
    own = signal(symbol="MINE/USDT", score=1.0, strategy="my_own")
    board_of(own, *many)
    today = f"/signals/api/daily-best-signals/?date={iso(now_ms())[:10]}"
    first = here.get(today)
    assert [one["symbol"] for one in first.json()["signals"]] == names[:5]
    assert first.json()["recorded"] is False
    assert here.get(today, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    board_of(*many[3:])
    again = here.get(today, HTTP_IF_NONE_MATCH=first["ETag"])
    assert [one["symbol"] for one in again.json()["signals"]] == names[3:]
    # What was chosen counts before what stands.
    numbers = record.seal([many[0].as_sealed()])
    record.select("binance", iso(now_ms())[:10], numbers)
    assert [one["id"] for one in got(here, today)["signals"]] == numbers


def test_a_list_of_the_record_is_made_anew_by_whatever_is_added(
    here: Client, board_of: Any, record: Record
) -> None:
    board_of()
    address = "/api/v1/recorded-signals/?exchange=binance"
    page, rates = "/signals/?exchange=binance", "/signals/quality/?exchange=binance"
    card = {"status": "insufficient_evidence", "break_even": 0.36}
    numbers = record.seal([signal(symbol="ADA/USDT", decided_at_ms=now_ms(), evidence=card).as_sealed()])
    tags = [here.get(address)["ETag"]]
    assert "1 decided: 1 open" in here.get(page).content.decode()
    assert "0 ended, 0 missed" in here.get(rates).content.decode()
    assert here.get(address, HTTP_IF_NONE_MATCH=tags[0]).status_code == 304
    record.note([Event(numbers[0], "target", now_ms(), {"r": 1.5})])
    tags.append(here.get(address, HTTP_IF_NONE_MATCH=tags[0])["ETag"])
    assert "1 decided: 1 target" in here.get(page).content.decode()
    assert "1 ended, 0 missed" in here.get(rates).content.decode()
    record.seal([signal(symbol="XRP/USDT", decided_at_ms=now_ms(), evidence=card).as_sealed()])
    told = here.get(address, HTTP_IF_NONE_MATCH=tags[1])
    assert [one["symbol"] for one in told.json()["signals"]] == ["XRP/USDT", "ADA/USDT"]
    assert "2 decided: 1 target, 1 open" in here.get(page).content.decode()
    assert "2 of 2 recorded" in here.get(rates).content.decode()
    assert len({*tags, told["ETag"]}) == 3


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


def test_the_record_is_listed_and_verified(here: Client, board_of: Any, record: Record) -> None:
    board_of()
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
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert record.head()[0] == 1
    # What could not be sealed is not told, but with the next look.
    decided.insert(0, [other])
    with monkeypatch.context() as patch:
        patch.setattr(Record, "seal", lambda *_: (_ for _ in ()).throw(WorkspaceError("The disk is full.")))
        with pytest.raises(WorkspaceError):
            scanning.look()
    assert scanning.look() == [other]
    assert record.head()[0] == 2


def test_the_jobs_choose_and_follow(record: Record) -> None:
    del record
    from cryptai.web.schedule.signals import follow_signals_task, select_daily_best_signals_task

    assert "chosen" in select_daily_best_signals_task()
    assert "events" in follow_signals_task()
