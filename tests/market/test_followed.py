"""What the platform follows, named by settings."""

from __future__ import annotations

import pytest

from cryptai.errors import InputError
from cryptai.market.followed import followed_symbols, followed_timeframes
from cryptai.market.source import LARGE_PAIRS


def test_without_settings_the_large_pairs_are_followed(monkeypatch):
    monkeypatch.delenv("CRYPTAI_SYMBOLS", raising=False)
    monkeypatch.setenv("CRYPTAI_TIMEFRAMES", " , ")
    assert followed_symbols() == LARGE_PAIRS
    assert followed_timeframes() == ("1h", "4h", "1d")


def test_settings_name_markets_and_timeframes_once_each(monkeypatch):
    monkeypatch.setenv("CRYPTAI_SYMBOLS", "btcusdt, ETH/USDT,BTC-USDT")
    monkeypatch.setenv("CRYPTAI_TIMEFRAMES", "1m,1h")
    assert followed_symbols() == ("BTC/USDT", "ETH/USDT")
    assert followed_timeframes() == ("1m", "1h")


def test_what_cannot_be_followed_is_refused_by_the_settings_name(monkeypatch):
    monkeypatch.setenv("CRYPTAI_SYMBOLS", "BTC/USDT,?")
    with pytest.raises(InputError, match="CRYPTAI_SYMBOLS: "):
        followed_symbols()
    monkeypatch.setenv("CRYPTAI_TIMEFRAMES", "7m")
    with pytest.raises(InputError, match="CRYPTAI_TIMEFRAMES: "):
        followed_timeframes()
