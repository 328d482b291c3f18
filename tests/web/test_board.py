"""The board of signals: what stands on it after a scan, and after one that failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.screening.made import signal

from conftest import HOUR
from cryptai.errors import InputError, LimitExceeded
from cryptai.market.newness import Stop
from cryptai.market.timeframe import Timeframe
from cryptai.screening.evidence import Evidence
from cryptai.screening.present import Closed, Look
from cryptai.screening.screen import screen
from cryptai.web import board, live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.signals import Signal
    from cryptai.workspace import Workspace


@pytest.fixture(autouse=True)
def _empty_board(home: Workspace) -> Iterator[None]:
    del home
    for kept in (board._signals, board._states, board._scannings):
        kept.clear()
    yield
    for kept in (board._signals, board._states, board._scannings):
        kept.clear()


def scan(home: Workspace, exchange: str) -> list[Signal]:
    store = live.store()
    return screen(store, exchange, evidence=Evidence(home, store, exchange)).signals


def test_before_the_first_scan_it_says_so() -> None:
    assert board.signals("binance") == []
    assert board.state("binance").state == "waiting"


def test_after_a_scan_it_holds_what_the_scan_found(home: Workspace) -> None:
    board.scan("binance")
    assert board.signals("binance") == scan(home, "binance")
    assert board.state("binance").state == "ready"
    assert board.state("binance").scanned_ms > 0


def test_a_failed_scan_leaves_the_signals_before_it_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    board.scan("binance")
    before, scanned_ms = board.signals("binance"), board.state("binance").scanned_ms

    def refused(_self: object) -> list[Any]:
        raise InputError("The strategy mine cannot be imported.")

    def broken(_self: object) -> list[Any]:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("cryptai.web.scanning.Scanning.look", refused)
    news = board.look("binance")
    assert news is not None
    assert (news["state"], news["decided"]) == ("failed", [])
    board.show("binance")
    assert board.state("binance") == board.BoardState(
        "failed", "The strategy mine cannot be imported.", scanned_ms
    )
    monkeypatch.setattr("cryptai.web.scanning.Scanning.look", broken)
    board.look("binance")
    assert "inside" not in board.state("binance").message
    assert board.signals("binance") == before


def test_a_strategy_that_never_ends_takes_no_other_signal_away(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_args: object, **_more: object) -> list[Any]:
        raise LimitExceeded("The strategy took more than 60 seconds and was stopped.")

    monkeypatch.setattr("cryptai.web.scanning.screen_isolated", endless)
    file = home.strategies / "mine.py"
    file.touch()
    try:
        board.scan("binance")
    finally:
        file.unlink()
    assert board.signals("binance") == scan(home, "binance")
    assert board.state("binance").state == "ready"
    assert "more than 60 seconds" in board.state("binance").left_out


def test_strategies_of_the_user_are_scanned_in_another_process(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "cryptai.web.scanning.screen_isolated", lambda *args, **more: asked.append((*args, more)) or []
    )
    monkeypatch.setattr(
        "cryptai.strategies.user._import", lambda *_args: pytest.fail("scanned in the server's process")
    )
    file = home.strategies / "mine.py"
    file.write_text("raise SystemExit")
    try:
        board.scan("binance")
        assert asked == [(home.root, "binance", {"symbols": None})]
        # Again only of the markets in which something closed.
        assert board.look_at_own("binance") is None
        board._scannings["binance"]._due.add("BTC/USDT")
        assert board.look_at_own("binance") is not None
        assert asked[1:] == [(home.root, "binance", {"symbols": ["BTC/USDT"]})]
    finally:
        file.unlink()
    assert board.look_at_own("binance") is not None


@pytest.mark.parametrize(("known_ms", "told"), [(1, True), (HOUR, True), (HOUR + 1, False)])
def test_what_is_decided_in_a_market_that_was_halted_before_is_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch, known_ms: int, *, told: bool
) -> None:
    from cryptai.web.scanning import Scanning

    scanning, sealed = Scanning("binance"), []
    one = signal()
    closed = {("BTC/USDT", Timeframe("1h")): Closed(HOUR, 1.0, 1)}
    look = Look(closed, {}, {}, [one], {}, waits=False)
    monkeypatch.setattr(scanning._abreast, "look", lambda: look)
    monkeypatch.setattr(scanning._record, "seal", sealed.extend)
    monkeypatch.setattr(scanning._book, "stopped", lambda _exchange: {one.symbol: Stop("halted", known_ms)})
    assert (scanning.look(), len(sealed)) == (([one], 1) if told else ([], 0))


class Watched:
    """A scanning that tells which venue was looked at, and finds something new in it each time."""

    looked: asyncio.Queue[str]
    loop: asyncio.AbstractEventLoop
    left_out, looked_ms, standing, waits = "", 5, 0, False

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange

    def look(self) -> list[Signal]:
        self.loop.call_soon_threadsafe(self.looked.put_nowait, self.exchange)
        return [signal(exchange=self.exchange)]

    def look_up(self) -> None:
        return None

    def look_at_own(self) -> None:
        return None

    def signals(self) -> list[Signal]:
        return [signal(exchange=self.exchange)]


async def test_it_looks_at_the_start_and_again_at_each_close(monkeypatch: pytest.MonkeyPatch) -> None:
    Watched.looked, Watched.loop = asyncio.Queue(), asyncio.get_running_loop()
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    monkeypatch.setattr("cryptai.web.scanning.Scanning", Watched)
    monkeypatch.setattr(board, "_GATHER_S", 0.0)
    monkeypatch.setattr(board, "_news", asyncio.Event())
    monkeypatch.setattr(live, "exchanges", lambda: ["binance", "practice"])
    monkeypatch.setattr(live.hub, "publish", told.put_nowait)

    async def looked() -> list[str]:
        return [await asyncio.wait_for(Watched.looked.get(), 5) for _ in range(2)]

    keeper = asyncio.create_task(board.keep())
    assert await looked() == ["binance", "practice"]
    board.notice({"type": "price", "closed": False})
    assert not board._news.is_set()
    board.notice({"type": "candle", "closed": True})
    assert await looked() == ["binance", "practice"]
    news = [await asyncio.wait_for(told.get(), 5) for _ in range(4)]
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    assert Watched.looked.empty()
    assert [one["exchange"] for one in news] == ["binance", "practice"] * 2
    assert {one["decided"][0]["exchange"] for one in news} == {"binance", "practice"}
    assert board.signals("practice") == [signal(exchange="practice")]


async def test_what_many_markets_decided_is_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(live.hub, "publish", told.append)
    monkeypatch.setattr(board, "_TOGETHER", 3)
    news = {"type": "signals", "exchange": "binance", "standing": 7, "decided": list("abcdefg")}
    assert await board._told(news)
    assert ["".join(one["decided"]) for one in told] == ["abc", "def", "g"]
    assert [{**one, "decided": news["decided"]} for one in told] == [news] * 3
    assert await board._told({**news, "decided": []})
    assert told[3:] == [{**news, "decided": []}]
    assert not await board._told(None)
