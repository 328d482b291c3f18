"""Folding beside the writing: whatever happens meanwhile, no bar and no moment is lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from endless import MONDAY, bars, same_bits

from cryptai import seams
from cryptai.errors import WorkspaceError
from cryptai.market import merge
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.rows import Rows
from cryptai.market.segments import SegmentFiles
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

HOUR = 3_600_000
KEY = ("binance", "BTC/USDT", "1h")


def at(ms: int) -> AbstractContextManager[object]:
    return seams.replaced(now_ns=lambda: ms * 1_000_000)


def shifted(candles: Candles, by: float) -> Candles:
    columns = {name: getattr(candles, name) for name in COLUMNS} | {"volume": candles.volume + by}
    return Candles(**columns, symbol=candles.symbol, timeframe=candles.timeframe)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CandleStore:
    monkeypatch.setattr(merge, "TAIL_BARS", 100)
    monkeypatch.setattr(merge, "TAIL_ROWS", 8)
    return CandleStore(tmp_path / "candles")


def tail_of(store: CandleStore) -> int:
    with store._catalog.look() as rows:
        return rows.execute("SELECT COALESCE(sum(bars), 0) FROM revision WHERE folded_at_ms IS NULL")[0][0]


def without_folding(store: CandleStore) -> CandleStore:
    """The same store as a process has it that has no time to fold."""
    other = CandleStore(store.folder)
    other._folding.add = lambda _markets: None  # type: ignore[method-assign]
    return other


def meanwhile(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Do something once, while the first fold has read the tail and not yet become the truth."""
    write, done = SegmentFiles.write, []

    def slow(self: SegmentFiles, *args: Any) -> Any:
        if not done:
            done.append(True)
            work()
        return write(self, *args)

    monkeypatch.setattr(SegmentFiles, "write", slow)


def test_a_tail_of_twice_the_length_is_folded_by_the_writer(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._folding, "add", lambda _markets: None)
    for i in range(20):
        store.write("binance", bars(i * 20, i * 20 + 20))
        assert tail_of(store) <= 200
    assert same_bits(store.read(*KEY), bars(0, 400))


def test_bars_written_meanwhile_stay_in_the_tail(store: CandleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    other = without_folding(store)

    def correct() -> None:
        with at(3_000):
            other.write("binance", shifted(bars(50, 55), 1.0), replace=True)
            other.write("binance", bars(150, 160))

    meanwhile(monkeypatch, correct)
    with at(1_000):
        store.write("binance", bars(0, 90))
    with at(2_000):
        store.write("binance", bars(90, 150))
        store.finish()
    assert tail_of(store) == 15
    now = store.read(*KEY)
    assert same_bits(now[50:55], shifted(bars(50, 55), 1.0))
    assert len(now) == 160
    assert same_bits(store.read(*KEY, as_of_ms=2_999), bars(0, 150))
    assert same_bits(store.read(*KEY, as_of_ms=1_999), bars(0, 90))


def another_fold_meanwhile(store: CandleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    other = without_folding(store)
    meanwhile(monkeypatch, lambda: other.write("binance", shifted(bars(0, 300), 1.0), replace=True))
    for i in range(6):
        store.write("binance", bars(i * 20, i * 20 + 20))
    store.finish()
    assert same_bits(store.read(*KEY), shifted(bars(0, 300), 1.0))


def test_a_fold_of_what_another_has_folded_is_dropped(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_fold_meanwhile(store, monkeypatch)


def test_a_fold_that_would_not_compare_would_be_caught(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Planted: what was made of an older tail becomes the truth all the same.
    def trusting(self: Rows, market: Any, segments: Any, _before: Any, _tail: Any) -> bool:
        self._replace(market, segments, 9_999)
        return True

    monkeypatch.setattr(Rows, "fold_tail", trusting)
    with pytest.raises(AssertionError):
        another_fold_meanwhile(store, monkeypatch)


def test_a_tail_bundled_meanwhile_is_folded_at_the_next_try(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = without_folding(store)
    meanwhile(monkeypatch, lambda: [other.write("binance", bars(i, i + 1)) for i in range(125, 160)])
    store.write("binance", bars(0, 90))
    for i in range(90, 125):
        store.write("binance", bars(i, i + 1))
    store.finish()
    assert same_bits(store.read(*KEY), bars(0, 160))
    assert tail_of(store) < 100


def test_a_tail_that_changes_at_every_try_is_left_as_it_is(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Rows, "fold_tail", lambda *_args: False)
    with caplog.at_level(logging.INFO):
        store.write("binance", bars(0, 90))
        store.write("binance", bars(90, 150))
        store.finish()
    assert "changes too fast" in caplog.text
    assert same_bits(store.read(*KEY), bars(0, 150))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), WorkspaceError("not reachable")])
def test_a_fold_that_fails_is_told_and_done_by_a_later_write(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(*_args: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(SegmentFiles, "write", fail)
        store.write("binance", bars(0, 90))
        store.write("binance", bars(90, 150))
        store.finish()
    assert "is folded later" in caplog.text
    assert same_bits(store.read(*KEY), bars(0, 150))
    store.write("binance", bars(150, 151))
    store.finish()
    assert tail_of(store) == 0
    assert same_bits(store.read(*KEY), bars(0, 151))


def test_there_is_nothing_to_fold_of_a_market_without_a_tail(store: CandleStore) -> None:
    store.write("binance", bars(0, 300))
    with store._catalog.look() as rows:
        (market,) = rows.markets()
    store._folding.add([market])
    store.finish()
    store.finish()
    assert tail_of(store) == 0


def test_the_fast_copy_is_there_when_the_fold_is(store: CandleStore) -> None:
    store.write("binance", bars(0, 20_000))
    (before,) = (path.name for path in store.folder.rglob("joined.*"))
    store.write("binance", bars(20_000, 20_090))
    store.write("binance", bars(20_090, 20_150))
    store.finish()
    (after,) = (path.name for path in store.folder.rglob("joined.*"))
    assert after != before
    assert same_bits(CandleStore(store.folder).read(*KEY), bars(0, 20_150))
    assert [path.name for path in store.folder.rglob("joined.*")] == [after]


def test_a_market_gone_by_then_is_no_matter(store: CandleStore) -> None:
    store.write("binance", bars(0, 90))
    with store._catalog.look() as rows:
        (market,) = rows.markets()
        tail = rows.whole_tail(market)
    assert tail.candles.ts[0] == MONDAY
    with store._catalog.change() as rows:
        assert rows.fold_tail(market._replace(symbol="ETH/USDT"), [], [], tail) is False
