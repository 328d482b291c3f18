"""The setups that stand: what a backtest would hold or order at the last closed bar."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.errors import DataError
from cryptai.market.store import CandleStore
from cryptai.strategies.strategy import build, strategies
from cryptai.trading.backtest import backtest
from cryptai.trading.scan import scan
from tests.strategies.test_strategy import OWN

from .worlds import HOUR, random_candles


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = CandleStore(tmp_path_factory.mktemp("store"))
    for i, symbol in enumerate(("BTC/USDT", "ETH/USDT", "XRP/USDT", "LTC/USDT")):
        candles = random_candles(np.random.default_rng([9, i]), 900, volatility=0.008, holes=0)
        columns = (candles.ts, candles.open, candles.high, candles.low, candles.close, candles.volume)
        from cryptai.market.candles import Candles

        hourly = Candles(*columns, symbol, "1h")
        store.write("binance", hourly, hourly.resample("4h"))
    return store


@pytest.fixture(scope="module")
def now(store):
    return int(store.read("binance", "BTC/USDT", "1h", last=1).close_ts[-1])


def test_a_standing_setup_is_the_engines_open_position(store, now):
    found = scan(store, as_of_ms=now)
    assert len(found) >= 3
    for signal in found:
        candles = store.read("binance", signal.symbol, signal.timeframe).between(None, now)
        result = backtest(candles, build(strategies.get(signal.strategy), {}), close_at_end=False)
        held = result.book.quantity
        if held:
            assert signal.entry == result.book.entry_price
            assert signal.stop == result.book.stop
            assert (held > 0) == (signal.side == "long")
        else:
            assert result.order.side == (1 if signal.side == "long" else -1)
            assert signal.age_bars == 0


def test_each_signal_is_whole_and_ranked(store, now):
    found = scan(store, as_of_ms=now)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    for s in found:
        assert 0 <= s.score <= 1
        assert s.reward_risk == pytest.approx((s.target - s.entry) / (s.entry - s.stop))
        assert s.reward_risk >= 1.5 - 1e-9
        assert set(s.factors) == {"strategy", "reward_risk", "timeframes"}
        assert s.decided_at_ms <= now
        assert not s.stale
        assert s.reason


def test_a_scan_as_of_then_sees_nothing_after_then(store, now):
    then = now - 50 * HOUR
    assert scan(store, as_of_ms=then) == scan(_cut(store, then), as_of_ms=then)


def _cut(store, then):
    class Cut:
        def markets(self, exchange):
            return store.markets(exchange)

        def read(self, exchange, symbol, timeframe, *, last=None):
            candles = store.read(exchange, symbol, timeframe)
            return candles[: int((candles.close_ts <= then).sum())]

    return Cut()


def test_old_candles_make_stale_signals(store, now):
    for late, stale in ((1, False), (2, False), (3, True), (1000, True)):
        found = [s for s in scan(store, as_of_ms=now + late * HOUR) if s.timeframe == "1h"]
        assert {s.stale for s in found} == {stale}


def test_practice_signals_say_so(tmp_path):
    store = CandleStore(tmp_path)
    candles = random_candles(np.random.default_rng(1), 900, volatility=0.008, holes=0)
    store.write("practice", candles)
    found = scan(store, "practice", as_of_ms=int(candles.close_ts[-1]))
    assert {s.practice for s in found} == {True}


def test_the_yardstick_offers_no_setup(store, now):
    assert "buy_and_hold" not in {s.strategy for s in scan(store, as_of_ms=now)}


def test_one_stored_timeframe_leaves_its_share_to_the_other_factors(tmp_path):
    store = CandleStore(tmp_path)
    for seed in range(6):
        candles = random_candles(np.random.default_rng([5, seed]), 900, volatility=0.008, holes=0)
        from cryptai.market.candles import Candles

        columns = (candles.ts, candles.open, candles.high, candles.low, candles.close, candles.volume)
        store.write("binance", Candles(*columns, f"C{seed}/USDT", "1h"))
    found = scan(store, as_of_ms=int(candles.close_ts[-1]))
    assert found
    for s in found:
        assert set(s.factors) == {"strategy", "reward_risk"}
        assert s.score == pytest.approx(
            (0.5 * s.factors["strategy"] + 0.25 * s.factors["reward_risk"]) / 0.75
        )


def test_a_setup_is_not_better_for_having_fallen_towards_its_stop(store, now):
    for s in scan(store, as_of_ms=now):
        assert s.factors["reward_risk"] <= s.reward_risk / 3 + 1e-12
        assert s.factors["reward_risk"] <= s.reward_risk_now / 3 + 1e-12


def test_a_users_broken_strategy_is_told_and_takes_no_other_signal_away(store, now, tmp_path, caplog):
    whole = scan(store, as_of_ms=now)
    (tmp_path / "broken.py").write_text("1 / 0")
    assert scan(store, as_of_ms=now, strategies_folder=tmp_path) == whole
    assert "broken.py" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_users_strategy_without_a_score_is_ranked_by_what_is_known(store, now, tmp_path):
    own = OWN[: OWN.index("    def score")].replace(
        "sma(candles.close, self.period)", "sma(candles.close, 5)"
    )
    (tmp_path / "my_own.py").write_text(own)
    mine = [s for s in scan(store, as_of_ms=now, strategies_folder=tmp_path) if s.strategy == "my_own"]
    assert mine
    assert all(set(s.factors) == {"reward_risk"} for s in mine)


def test_one_damaged_market_takes_no_other_markets_signals_away(store, now, caplog):
    class Damaged:
        def markets(self, exchange):
            return store.markets(exchange)

        def read(self, exchange, symbol, timeframe, *, last=None):
            if symbol == "BTC/USDT":
                raise DataError("A segment is missing or damaged.")
            return store.read(exchange, symbol, timeframe, last=last)

    whole = scan(store, as_of_ms=now)
    assert scan(Damaged(), as_of_ms=now) == [s for s in whole if s.symbol != "BTC/USDT"]
    assert "Its signals are missing" in caplog.text


def test_timeframes_that_are_not_stored_are_made_of_finer_bars(store, now, tmp_path):
    hours = CandleStore(tmp_path / "hours")
    for one in store.markets("binance"):
        if one.timeframe == "1h":
            hours.write("binance", store.read("binance", one.symbol, "1h"))
    wanted = {s.as_object()["symbol"]: s for s in scan(store, as_of_ms=now, timeframes=["4h"])}
    found = {s.as_object()["symbol"]: s for s in scan(hours, as_of_ms=now, timeframes=["4h"])}
    assert found.keys() == wanted.keys() != set()
    assert {s.timeframe for s in found.values()} == {"4h"}
    assert [s.entry for s in found.values()] == [s.entry for s in wanted.values()]
    assert {s.timeframe for s in scan(hours, as_of_ms=now)} == {"1h"}
