"""Scanning a venue: whatever ends it in between, each signal decided at a close is in the record once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.screening.made import HOUR, walk

from cryptai.market.store import CandleStore
from cryptai.screening.evidence import unlooked
from cryptai.screening.record import Record
from cryptai.strategies.breakout import Breakout
from cryptai.strategies.ema_trend import EmaTrend
from cryptai.web import live
from cryptai.web.scanning import Scanning

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.workspace import Workspace

CLOSES = 24


class Cards:
    """Evidence that lies ready."""

    def __init__(self, *_given: object) -> None:
        self.evidence = unlooked

    def make(self) -> None:
        pass

    def warm(self) -> list[None]:
        return []


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch, home: Workspace) -> Candles:
    del home
    walked = walk(61, 1_200)
    monkeypatch.setattr("cryptai.screening.abreast.LookedUp", Cards)
    monkeypatch.setattr("cryptai.screening.lookout.chosen", lambda *_: [Breakout(2, 2), EmaTrend(2, 4)])
    # No bar is old: what is stale is sealed by nobody.
    monkeypatch.setattr("cryptai.screening.standing.freshness", lambda *_: "fresh")
    return walked


def begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scanning:
    """Return a scanning as a server has it some moments after its start."""
    store = CandleStore(folder)
    monkeypatch.setattr(live, "store", lambda: store)
    scanning = Scanning("binance")
    scanning.look()
    scanning.look_up()
    return scanning


def sealed(folder: Path) -> list[tuple[Any, ...]]:
    record = Record(CandleStore(folder).catalog)
    assert record.verify() is None
    found = [(one.body["strategy"], one.body["decided_ms"]) for one in record.newest(limit=10_000)]
    assert len(set(found)) == len(found)
    return sorted(found)


def test_a_crash_at_any_close_loses_no_signal_and_doubles_none(
    bars: Candles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: Path, crashes: set[int], where: str) -> list[tuple[Any, ...]]:
        CandleStore(folder).write("binance", bars[:-CLOSES])
        scanning = begun(folder, monkeypatch)
        scanning.look()
        for close in range(CLOSES):
            row = len(bars) - CLOSES + close
            live.store().write("binance", bars[row : row + 1])
            if close not in crashes:
                scanning.look()
                continue
            if where != "before the look":
                with monkeypatch.context() as patch:
                    patch.setattr(Record, "seal", crashing(where))
                    # Where nothing was decided nothing is sealed, and nothing ends it.
                    with suppress(Killed):
                        scanning.look()
            scanning = begun(folder, monkeypatch)
            scanning.look()
        return sealed(folder)

    def crashing(where: str) -> Any:
        seal = Record.seal

        def ended(*given: Any) -> None:
            if where == "after the seal":
                seal(*given)
            raise Killed

        return ended

    whole = run(tmp_path / "whole", set(), "")
    assert len(whole) >= 5
    first = int(bars.close_ts[-CLOSES])
    crashes = {(decided_ms - first) // HOUR for _, decided_ms in whole}
    for where in ("before the look", "before the seal", "after the seal"):
        assert run(tmp_path / where, crashes | {2}, where) == whole


def test_closes_that_nobody_looked_at_are_sealed_late_and_say_so(
    bars: Candles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CandleStore(tmp_path)
    store.write("binance", bars[:-CLOSES])
    begun(tmp_path, monkeypatch).look()
    first = len(sealed(tmp_path))
    store.write("binance", bars[-CLOSES:])
    begun(tmp_path, monkeypatch).look()
    later = sealed(tmp_path)
    assert len(later) > first
    record = Record(store.catalog)
    late = [one for one in record.newest(limit=100) if one.body["decided_ms"] < bars.close_ts[-1]]
    assert late
    assert all(one.retrospective for one in late)
