"""The board of signals: what stands on it after a scan, and after one that failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cryptai.errors import InputError, LimitExceeded
from cryptai.screening.evidence import Evidence
from cryptai.screening.screen import screen
from cryptai.web import board, live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.signals import Signal
    from cryptai.workspace import Workspace


@pytest.fixture(autouse=True)
def _empty_board(home: Workspace) -> Iterator[None]:
    del home
    for kept in (board._signals, board._states, board._scanned):
        kept.clear()
    yield
    for kept in (board._signals, board._states, board._scanned):
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

    def refused(_exchange: str) -> list[Any]:
        raise InputError("The strategy mine cannot be imported.")

    def broken(_exchange: str) -> list[Any]:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(board, "_scan", refused)
    board.scan("binance")
    assert board.state("binance") == board.BoardState(
        "failed", "The strategy mine cannot be imported.", scanned_ms
    )
    monkeypatch.setattr(board, "_scan", broken)
    board.scan("binance")
    assert "inside" not in board.state("binance").message
    assert board.signals("binance") == before


def test_a_strategy_that_never_ends_takes_no_other_signal_away(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_args: object) -> list[Any]:
        raise LimitExceeded("The strategy took more than 60 seconds and was stopped.")

    monkeypatch.setattr("cryptai.screening.isolated.screen_isolated", endless)
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
    monkeypatch.setattr("cryptai.screening.isolated.screen_isolated", lambda *args: asked.append(args) or [])
    monkeypatch.setattr(
        "cryptai.strategies.user._import", lambda *_args: pytest.fail("scanned in the server's process")
    )
    file = home.strategies / "mine.py"
    file.write_text("raise SystemExit")
    try:
        board.scan("binance")
    finally:
        file.unlink()
    assert asked == [(home.root, "binance")]


async def test_it_scans_at_the_start_and_again_only_when_candles_or_strategies_have_changed(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    contents = {"binance": ("a",), "practice": ("x",)}
    monkeypatch.setattr(board, "_GATHER_S", 0.0)
    monkeypatch.setattr(board, "_news", asyncio.Event())
    monkeypatch.setattr(board, "scan", lambda name: loop.call_soon_threadsafe(scanned.put_nowait, name))
    monkeypatch.setattr(live, "exchanges", lambda: sorted(contents))
    monkeypatch.setattr(live.store(), "markets", lambda name: contents[name])
    keeper = asyncio.create_task(board.keep())
    assert [await asyncio.wait_for(scanned.get(), 5) for _ in range(2)] == ["binance", "practice"]
    board.notice({"type": "price", "closed": False})
    assert not board._news.is_set()
    contents["practice"] = ("x", "y")
    board.notice({"type": "candle", "closed": True})
    assert await asyncio.wait_for(scanned.get(), 5) == "practice"
    file = home.strategies / "mine.py"
    file.touch()
    try:
        board._news.set()
        assert [await asyncio.wait_for(scanned.get(), 5) for _ in range(2)] == ["binance", "practice"]
    finally:
        file.unlink()
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    assert scanned.empty()
