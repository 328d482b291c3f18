"""What would flip a setup: the nearest bar that would not have been one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from cryptai.errors import DataError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.store import CandleStore
from cryptai.screening.evidence import unlooked
from cryptai.screening.flip import DECISION, Flip, clause, flips, flips_of
from cryptai.screening.quality import FILTERS
from cryptai.screening.screen import screen
from cryptai.screening.setups import setups
from cryptai.signals import Signals
from cryptai.strategies.strategy import build, strategies

from .made import HOUR, walk

NAMES = ["bollinger_bands", "breakout", "ema_trend", "rsi_macd_ma", "supertrend"]


@dataclass(frozen=True)
class Between:
    """Long at the bar whose close lies between two prices, with a volume of so much."""

    low: float
    high: float
    volume: float = 0.0
    side: int = 1
    name: ClassVar[str] = "between"

    def signals(self, candles: Candles) -> Signals:
        last = np.arange(len(candles)) == len(candles) - 1
        inside = last & (candles.close >= self.low) & (candles.close <= self.high)
        inside &= candles.volume >= self.volume
        none = np.zeros(len(candles), bool)
        return Signals.entries(
            candles, long=inside if self.side > 0 else none, short=inside if self.side < 0 else none
        )

    def score(self, candles: Candles) -> np.ndarray:
        return np.full(len(candles), float(self.side))

    def memory(self, timeframe: str) -> int:
        return 2


@pytest.fixture
def flat():
    """Return 200 bars that hardly move, with a close of 100 and a volume of 10."""
    close = 100.0 + np.where(np.arange(200) % 2, 0.5, -0.5)
    close[-1] = 100.0
    opens = np.r_[close[0], close[:-1]]
    high, low = np.maximum(opens, close) + 1.0, np.minimum(opens, close) - 1.0
    return Candles(np.arange(200) * HOUR, opens, high, low, close, np.full(200, 10.0), "BTC/USDT", "1h")


@pytest.mark.parametrize("side", [1, -1])
def test_the_nearest_close_on_each_side_is_found(flat, side):
    told = flips(Between(99.0, 100.3, side=side), flat, side)
    decision = [one for one in told if one.condition == DECISION and one.of == "close"]
    up, down = sorted(decision, key=lambda one: -one.value)
    assert up.value == pytest.approx(100.3, rel=1e-5)
    assert up.value > 100.3
    assert down.value == pytest.approx(99.0, rel=1e-5)
    assert down.value < 99.0
    assert (down.change, up.change) == (pytest.approx(-0.01, abs=1e-5), pytest.approx(0.003, abs=1e-5))
    assert abs(told[0].change) <= abs(told[1].change)


def test_a_volume_below_which_it_is_none_is_found(flat):
    told = flips(Between(1.0, 1e9, volume=4.0), flat, 1)
    (volume,) = [one for one in told if one.of == "volume"]
    assert volume.condition == DECISION
    assert volume.value == pytest.approx(4.0, rel=1e-3)
    assert volume.change == pytest.approx(-0.6, abs=1e-3)


def test_a_filter_that_would_stop_it_is_told_by_its_name(flat):
    told = {one.condition: one for one in flips(Between(1.0, 1e9), flat, 1)}
    assert DECISION not in told
    assert told["no_volume"].value < 2.0


def test_what_is_none_cannot_be_flipped(flat):
    assert flips(Between(1.0, 2.0), flat, 1) is None
    assert flips(Between(1.0, 1e9, side=-1), flat, 1) is None


def test_the_bars_that_are_given_stay_as_they_are(flat):
    before = {name: getattr(flat, name).tobytes() for name in COLUMNS}
    flips(Between(99.0, 101.0), flat, 1)
    assert {name: getattr(flat, name).tobytes() for name in COLUMNS} == before


def test_every_condition_has_words():
    for name in (DECISION, *FILTERS):
        assert clause(Flip(name, "close", 1.0, 0.1), "breakout")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    store = CandleStore(tmp_path_factory.mktemp("store"))
    hourly = walk(1, 6_000)
    store.write("binance", hourly, hourly.resample("4h"))
    asked = {"as_of_ms": int(hourly.close_ts[-1]), "names": NAMES, "ended": True}
    found = screen(store, evidence=unlooked, **asked).signals
    return store, found


def test_each_signal_is_flipped_by_what_is_told_and_not_by_less(stored):
    store, found = stored
    newest = {one.strategy: one for one in found}
    assert len(newest) >= 4
    for one in newest.values():
        made = build(strategies.get(one.strategy), one.params)
        told = flips_of(store, made, one.as_sealed())
        candles = store.read("binance", one.symbol, one.timeframe, end_ms=one.decided_at_ms)
        for flip in told:
            if flip.of == "close" and flip.condition == DECISION:
                assert _decides(made, candles, flip.value) is False
                assert _decides(made, candles, one.entry + (flip.value - one.entry) * 0.99) is True


def _decides(made, candles, close):
    columns = {name: getattr(candles, name).copy() for name in ("high", "low", "close")}
    columns["close"][-1] = close
    columns["high"][-1], columns["low"][-1] = max(columns["high"][-1], close), min(columns["low"][-1], close)
    moved = Candles(
        candles.ts, candles.open, **columns, volume=candles.volume, symbol=candles.symbol,
        timeframe=candles.timeframe,
    )  # fmt: skip
    found = setups(made, moved, len(moved) - 1)
    return len(found.row) == 1


def test_bars_that_were_corrected_since_tell_nothing(stored, tmp_path):
    store, found = stored
    one = found[0]
    made = build(strategies.get(one.strategy), one.params)
    with pytest.raises(DataError, match="not stored any more"):
        flips_of(store, made, {**one.as_sealed(), "data_digest": "0" * 64})
