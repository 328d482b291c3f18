"""The log of syncs: begun, ended well or badly, or cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryptai import seams
from cryptai.errors import InputError, UnknownName
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.market.synclog import SyncLog


@pytest.fixture
def log(tmp_path: Path) -> SyncLog:
    return CandleStore(tmp_path / "candles").sync_log


def test_a_sync_is_pending_until_it_is_told_how_it_ended(log: SyncLog, tmp_path: Path) -> None:
    with seams.replaced(now_ns=lambda: 5_000_000_000):
        well, badly = log.begin("binance", "btcusdt", "1h"), log.begin("binance", "ETH/USDT", "1m")
    with seams.replaced(now_ns=lambda: 6_000_000_000):
        log.end(well, bars=12)
        log.end(badly, bars=3, failed="the venue says 418")
        log.begin("practice", "ETH/USDT", "1m")
    told = [entry[1:] for entry in CandleStore(tmp_path / "candles").sync_log.entries()]
    assert told == [
        ("practice", "ETH/USDT", "1m", 6_000, None, "PENDING", None, 0),
        ("binance", "ETH/USDT", "1m", 5_000, 6_000, "FAILED", "the venue says 418", 3),
        ("binance", "BTC/USDT", "1h", 5_000, 6_000, "COMPLETED", None, 12),
    ]


def test_a_sync_that_was_killed_is_failed_by_the_next_of_its_series_only(log: SyncLog) -> None:
    killed, other = log.begin("binance", "BTC/USDT", "1h"), log.begin("binance", "BTC/USDT", "4h")
    again = log.begin("binance", "BTC/USDT", "1h")
    log.end(killed, bars=9)  # it comes back from the dead: nothing changes
    assert {entry.id: (entry.status, entry.reason, entry.bars) for entry in log.entries()} == {
        killed: ("FAILED", "cut off before it ended", 0),
        other: ("PENDING", None, 0),
        again: ("PENDING", None, 0),
    }


def test_entries_are_chosen_by_series_and_status_and_the_newest_come_first(log: SyncLog) -> None:
    keys = [log.begin("binance", symbol, "1h") for symbol in ("BTC/USDT", "ETH/USDT", "BTC/USDT")]
    log.end(keys[2])
    assert [entry.id for entry in log.entries(limit=2)] == [keys[2], keys[1]]
    assert [entry.id for entry in log.entries(symbol="BTCUSDT")] == [keys[2], keys[0]]
    assert [entry.id for entry in log.entries("binance", "BTC/USDT", "1h", status="COMPLETED")] == [keys[2]]
    assert log.entries("kraken") == []


def test_what_names_no_series_is_refused(log: SyncLog) -> None:
    with pytest.raises(InputError, match="cannot name an exchange"):
        log.begin("Binance!", "BTC/USDT", "1h")
    with pytest.raises(UnknownName, match="2h"):
        log.begin("binance", "BTC/USDT", "2h")


def test_a_log_without_a_store_is_empty_and_makes_nothing(log: SyncLog, tmp_path: Path) -> None:
    assert log.entries() == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_sync_of_a_series_with_nothing_left_to_ask_is_failed_too(log: SyncLog) -> None:
    log.begin("binance", "BTC/USDT", "1h")
    log.begin("binance", "ETH/USDT", "1h")
    log.cut_off("binance", "BTCUSDT", "1h")
    assert [(e.symbol, e.status) for e in log.entries()] == [("ETH/USDT", "PENDING"), ("BTC/USDT", "FAILED")]
