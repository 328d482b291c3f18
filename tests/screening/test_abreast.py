"""Lookouts abreast: processes beside this one find what one screen finds, and one that dies is begun anew."""

from __future__ import annotations

import os
import signal

import pytest

from cryptai.errors import CryptaiError
from cryptai.market.opening import open_store
from cryptai.screening.abreast import Abreast
from cryptai.screening.evidence import Evidence
from cryptai.screening.present import Present
from cryptai.screening.screen import screen
from cryptai.workspace import open_workspace

from .made import walk

NAMES = ["ema_trend", "breakout", "bollinger_bands", "rsi_macd_ma"]
HOURS = 1_500


@pytest.fixture
def venue(tmp_path, monkeypatch):
    monkeypatch.setattr("cryptai.screening.abreast.MANY", 2)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    workspace = open_workspace(tmp_path / "home")
    store = open_store(workspace)
    bars = [walk(50 + i, HOURS, f"S{i}/USDT") for i in range(4)]
    store.write("binance", *(one[:-20] for one in bars))
    return workspace, store, bars


def settled(abreast, present, now):
    """Look until everything has its card."""
    while True:
        look = abreast.look()
        present.take(look, now)
        if not look.waits:
            return look


def test_it_finds_what_a_screen_finds_also_after_a_process_died_and_a_look_failed(venue, caplog):
    workspace, store, bars = venue
    abreast, present = Abreast(workspace, store, "binance", names=NAMES), Present()

    def screened(now):
        evidence = Evidence(workspace, store, "binance")
        return screen(store, evidence=evidence, as_of_ms=now, names=NAMES).signals

    try:
        now = int(bars[0].close_ts[-21])
        assert abreast.look().decided == []
        abreast.look_up()
        settled(abreast, present, now)
        assert present.signals(now) == screened(now)
        assert all(one.evidence["past"] for one in present.signals(now))
        store.write("binance", *(one[-20:-1] for one in bars))
        look = settled(abreast, present, now)
        assert look.decided
        first, *_ = abreast._beside
        os.kill(first._process.pid, signal.SIGKILL)
        store.write("binance", *(one[-1:] for one in bars))
        now = int(bars[0].close_ts[-1])
        look = settled(abreast, present, now)
        assert "begun anew" in caplog.text
        assert present.signals(now) == screened(now)
        # What was found in a look of which a part failed is found again.
        last, answer = abreast._beside[-1], abreast._beside[-1].answer
        last.answer = lambda: (answer(), CryptaiError("The disk is gone."))[1]
        with pytest.raises(CryptaiError, match="The disk is gone"):
            abreast.look()
        last.answer, present = answer, Present()
        settled(abreast, present, now)
        assert present.signals(now) == screened(now)
        processes = [one._process for one in abreast._beside]
    finally:
        abreast.close()
    assert all(one.poll() is not None for one in processes)
