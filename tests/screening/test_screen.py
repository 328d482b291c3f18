"""The screen: the setups that stand, the same whenever one looks, each with its evidence."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.market.store import CandleStore
from cryptai.market.symbols import SymbolBook, SymbolInfo
from cryptai.screening.evidence import Evidence, unlooked
from cryptai.screening.outcomes import HORIZON
from cryptai.screening.quality import FACTORS, PARTS, contributions
from cryptai.screening.screen import screen, why_unscanned
from cryptai.strategies.strategy import strategies
from cryptai.workspace import open_workspace
from tests.strategies.test_strategy import OWN

from .made import HOUR, walk

NAMES = ["BTC/USDT", "ETH/USDT", "XRP/USDT"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = CandleStore(tmp_path_factory.mktemp("store"))
    for i, symbol in enumerate(NAMES):
        hourly = walk(i, 6_000, symbol)
        store.write("binance", hourly, hourly.resample("4h"))
    return store


@pytest.fixture(scope="module")
def now(store):
    return int(store.read("binance", "BTC/USDT", "1h", last=1).close_ts[-1])


def lasting(signal):
    """Return what of a signal must be the same whenever it is looked at."""
    return signal.as_sealed()


def test_each_signal_is_whole_and_ranked(store, now):
    found = screen(store, evidence=unlooked, as_of_ms=now).signals
    assert len(found) >= 10
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    for s in found:
        assert 0 <= s.score <= 1
        assert 0.4 <= s.quality <= 1
        assert s.reward_risk == pytest.approx((s.target - s.entry) / (s.entry - s.stop))
        assert s.reward_risk >= 1.5 - 1e-9
        assert s.entry_low < s.entry < s.entry_high
        assert set(s.factors) == set(FACTORS)
        assert s.parts["model"] is s.parts["sentiment"] is None
        assert s.quality == pytest.approx(s.parts["rules"])
        adds = s.contributions
        assert (set(adds["factors"]), set(adds["parts"])) == (set(FACTORS), set(PARTS))
        assert sum(adds["factors"].values()) == pytest.approx(s.quality, abs=1e-5)
        assert adds["parts"] == {"rules": pytest.approx(s.quality), "model": 0.0, "sentiment": 0.0}
        assert s.as_sealed()["contributions"] == adds
        assert s.decided_at_ms <= now < s.expires_at_ms
        assert s.state in ("waiting", "open")
        assert not s.stale
        assert s.reason
        assert s.evidence["status"] == "insufficient_evidence"


def test_looking_day_by_day_finds_what_one_look_over_all_finds(store, now):
    first = now - 90 * HOUR
    at_once = {
        (s.symbol, s.timeframe, s.strategy, s.side, s.decided_at_ms): lasting(s)
        for s in screen(store, evidence=unlooked, as_of_ms=now, ended=True).signals
        if s.decided_at_ms > first
    }
    bit_by_bit = {}
    for then in range(first + HOUR, now + 1, HOUR):
        for s in screen(store, evidence=unlooked, as_of_ms=then, ended=True, newest=1).signals:
            if s.decided_at_ms > then - HOUR:
                bit_by_bit[s.symbol, s.timeframe, s.strategy, s.side, s.decided_at_ms] = lasting(s)
    assert len(at_once) > 20
    assert bit_by_bit == at_once


def test_a_market_that_its_venue_halted_gives_no_signals_until_it_trades_again(store, now, workspace):
    book = SymbolBook(workspace.root / "symbols.sqlite3")
    sizes = {name: SymbolInfo(name, "trading", Decimal("0.01"), Decimal("0.01")) for name in NAMES}
    halted = [replace(one, status="halted") if one.symbol == "ETH/USDT" else one for one in sizes.values()]

    def found(as_of_ms=now):
        return {s.symbol for s in screen(store, evidence=unlooked, as_of_ms=as_of_ms).signals}

    everywhere = found()
    book.sync("binance", halted, now - 2 * HOUR)
    assert found() == everywhere >= {"ETH/USDT"}, "bars have opened since"
    book.sync("binance", sizes.values(), now - HOUR // 2)
    book.sync("binance", halted, now)
    assert found() == everywhere - {"ETH/USDT"}
    assert "ETH/USDT" in found(now - HOUR), "it was not known then"


def test_a_window_that_is_too_short_is_caught(store, now, monkeypatch):
    # The bed can fail: with hardly any history the same looks differ.
    whole = screen(store, evidence=unlooked, as_of_ms=now).signals
    monkeypatch.setattr("cryptai.screening.windows.needed", lambda _strategy, _frame: 60)
    assert [lasting(s) for s in screen(store, evidence=unlooked, as_of_ms=now).signals] != [
        lasting(s) for s in whole
    ]


def test_a_setup_stands_until_it_is_over(store, now):
    for s in screen(store, evidence=unlooked, as_of_ms=now, ended=True).signals:
        candles = store.read("binance", s.symbol, s.timeframe)
        since = candles.between(s.decided_at_ms, None)
        side = 1 if s.side == "long" else -1
        over = (side * (np.where(side > 0, since.low, since.high) - s.stop) <= 0).any()
        over |= (side * (np.where(side > 0, since.high, since.low) - s.target) >= 0).any()
        assert (s.state in ("waiting", "open")) == (not over) or s.state in ("missed", "expired")


def test_old_candles_make_stale_signals_that_come_last(store, now):
    for late, stale in ((1, False), (3, True), (1_000, True)):
        found = screen(store, evidence=unlooked, as_of_ms=now + late * HOUR, timeframes=["1h"]).signals
        assert {s.stale for s in found} == {stale}
    mixed = [s.stale for s in screen(store, evidence=unlooked, as_of_ms=now + 4 * HOUR).signals]
    assert mixed == sorted(mixed)


def test_the_yardstick_offers_no_setup(store, now):
    found = screen(store, evidence=unlooked, as_of_ms=now).signals
    assert "buy_and_hold" not in {s.strategy for s in found}
    assert {s.strategy for s in found} <= set(strategies.names())


def test_who_has_no_setups_to_give_is_left_out_with_the_reason(store, now):
    class Endless:
        name, stop, target = "endless", 0.05, float("nan")

    found = screen(store, evidence=unlooked, as_of_ms=now, symbols=[])
    left = {name for name in strategies.names() if hasattr(strategies.get(name), "unscanned")}
    assert {"buy_and_hold", "momentum_rotation", "pairs_spread", "funding_carry"} == left
    assert found.unscanned.keys() == left
    assert "spread of two markets" in found.unscanned["pairs_spread"]
    assert found.failed == {}
    assert why_unscanned(Endless) == "it states no stop or no target, so nothing is promised"
    Endless.needs = ("funding",)
    assert why_unscanned(Endless) == "it needs funding, and the scan has the candles of one market at a time"
    assert why_unscanned(strategies.get("ema_trend")) is None


def test_only_what_is_asked_for_is_screened(store, now):
    asked = {"symbols": ["ETH/USDT"], "timeframes": ["1d"], "names": ["ema_trend", "bollinger_bands"]}
    for s in screen(store, evidence=unlooked, as_of_ms=now, ended=True, **asked).signals:
        assert (s.symbol, s.timeframe) == ("ETH/USDT", "1d")
        assert s.strategy in asked["names"]


def test_a_signal_is_the_same_whichever_timeframes_are_asked_for(store, now):
    every = {s.identity: lasting(s) for s in screen(store, evidence=unlooked, as_of_ms=now).signals}
    hourly = screen(store, evidence=unlooked, as_of_ms=now, timeframes=["1h"]).signals
    assert {s.timeframe for s in hourly} == {"1h"}
    assert len(hourly) > 5
    assert any(s.factors["confluence"] is not None for s in hourly)
    assert all(every[s.identity] == lasting(s) for s in hourly)


def test_practice_says_so(tmp_path):
    store = CandleStore(tmp_path)
    candles = walk(5, 3_000)
    store.write("practice", candles)
    found = screen(store, "practice", evidence=unlooked, as_of_ms=int(candles.close_ts[-1])).signals
    assert {s.practice for s in found} == {True}


def test_every_setup_is_passed_or_stopped_by_a_rule_with_a_name(store, now):
    made = screen(store, evidence=unlooked, as_of_ms=now)
    assert made.stopped["passed"] == len(made.signals)
    assert sum(made.stopped.values()) > len(made.signals)
    assert set(made.stopped) <= {"passed", "quality", "against_the_trend", "no_volume"}


def test_a_users_broken_strategy_is_told_and_takes_no_other_signal_away(store, now, tmp_path, caplog):
    whole = screen(store, evidence=unlooked, as_of_ms=now).signals
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "failing.py").write_text(OWN.replace("average = sma", "1 / 0; average = sma"))
    made = screen(store, evidence=unlooked, as_of_ms=now, strategies_folder=tmp_path)
    assert made.signals == whole
    assert set(made.failed) == {"broken", "failing"}
    assert "ZeroDivisionError" in caplog.text


def test_a_users_strategy_without_a_score_is_ranked_by_what_is_known(store, now, tmp_path):
    own = OWN[: OWN.index("    def score")]
    own = own.replace("sma(candles.close, self.period)", "sma(candles.close, 5)")
    (tmp_path / "my_own.py").write_text(own)
    asked = {"strategies_folder": tmp_path, "names": ["my_own"], "ended": True}
    mine = screen(store, evidence=unlooked, as_of_ms=now, **asked).signals
    assert mine
    assert all(s.factors["technical"] is None and s.factors["volume"] is not None for s in mine)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"rules": 0.6, "model": 0.2, "sentiment": 0.3}, "sum to 1.1"),
        ({"rules": 1.2, "model": -0.2}, "sum to 1"),
        ({"rules": float("nan")}, "sum to nan"),
        ({"rules": 0.5, "mood": 0.5}, "no 'mood'"),
    ],
)
def test_weights_that_cannot_be_are_refused(store, now, weights, words):
    with pytest.raises(InputError, match=words) as refused:
        screen(store, evidence=unlooked, as_of_ms=now, weights=weights)
    assert refused.value.field == "weights"


def test_a_silent_part_shares_its_weight_out():
    nan = float("nan")
    assert contributions({"rules": 0.5, "model": nan, "sentiment": nan}, PARTS) == {
        "rules": 0.5, "model": 0.0, "sentiment": 0.0,
    }  # fmt: skip
    told = contributions({"rules": 0.5, "model": 1.0, "sentiment": nan}, PARTS)
    assert told == pytest.approx({"rules": 0.375, "model": 0.25, "sentiment": 0.0})


def test_evidence_is_kept_in_the_workspace_and_read_again(store, now, tmp_path):
    home = open_workspace(tmp_path / "home")
    looked: list[str] = []
    asked = {"as_of_ms": now, "names": ["ema_trend", "breakout"]}
    first = Evidence(home, store, "binance", progress=looked.append)
    found = screen(store, evidence=first, **asked).signals
    assert looked
    again: list[str] = []
    second = Evidence(home, store, "binance", progress=again.append)
    assert screen(store, evidence=second, **asked).signals == found
    assert again == []
    assert all(s.evidence["past"] for s in found)


def test_evidence_is_made_anew_a_day_later(store, now, tmp_path):
    home = open_workspace(tmp_path / "home")
    longer = CandleStore(tmp_path / "candles")
    whole = store.read("binance", "BTC/USDT", "1h")
    longer.write("binance", whole[:-100])
    looked: list[str] = []
    for until in (now - 100 * HOUR, now - 90 * HOUR, now):
        longer.write("binance", whole.between(None, until))
        evidence = Evidence(home, longer, "binance", progress=looked.append)
        screen(longer, evidence=evidence, as_of_ms=until, ended=True)
    counted = Counter(looked)
    assert set(counted.values()) == {1, 2}


def test_a_market_that_moved_since_is_scored_by_what_is_left(store, now):
    for s in screen(store, evidence=unlooked, as_of_ms=now).signals:
        left = min(s.reward_risk, s.reward_risk_now)
        assert s.score == pytest.approx((0.5 * s.quality + 0.25 * min(left / 3.0, 1.0)) / 0.75)
        assert s.expires_at_ms - s.decided_at_ms == HORIZON * (HOUR if s.timeframe == "1h" else 4 * HOUR)


def test_candles_of_one_bar_are_no_trouble(tmp_path):
    store, one = CandleStore(tmp_path), walk(1, 2)[:1]
    store.write("binance", one)
    assert screen(store, evidence=unlooked, as_of_ms=int(one.close_ts[0])).signals == []
