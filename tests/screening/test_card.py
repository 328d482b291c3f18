"""The evidence card: what it sees, what it says, and that its interval means what it says."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.screening.card import (
    FEWEST,
    INSUFFICIENT,
    NOT_SUPPORTED,
    SUPPORTED,
    Asked,
    card,
    words,
)
from cryptai.screening.outcomes import EXPIRED, STOP, TARGET
from cryptai.screening.past import ROW, PastSetups, past_setups
from cryptai.screening.slices import MOST_DRAWN, apart, interval

from .made import HOUR, Scripted, walk

COSTS = {"fee": 0.001, "slippage": 0.0005}
ASKED = Asked("BTC/USDT", 1, 1, 10_000 * HOUR, 100.0, 92.0, 115.0)


def made(hits, misses, *, symbol=0, regime=1, every=200, symbols=("BTC/USDT", "ETH/USDT"), seed=0):
    """Return past setups of so many hits and stops that do not overlap, in random order."""
    n = hits + misses
    rows = np.zeros(n, ROW)
    rows["symbol"], rows["regime"], rows["side"] = symbol, regime, 1
    rows["decided_ms"] = np.arange(n) * every * HOUR
    rows["resolved_ms"] = rows["decided_ms"] + 50 * HOUR
    hit = np.random.default_rng(seed).permutation(np.arange(n) < hits)
    rows["outcome"] = np.where(hit, TARGET, STOP)
    rows["net"] = np.where(hit, 0.147, -0.083)
    rows["r"] = rows["net"] / 0.08
    return PastSetups({"costs": COSTS}, symbols, rows)


def late(past):
    return ASKED._replace(decided_ms=int(past.rows["resolved_ms"].max()) + 1)


def test_a_clear_edge_is_supported():
    past = made(60, 20)
    told = card(past, late(past), trials=3)
    assert told["status"] == SUPPORTED
    assert (told["trades"], told["hits"]) == (80, 60)
    assert told["hit_rate"]["low"] > told["break_even"]
    assert told["missing"] == []


def test_a_rate_below_break_even_is_not_supported():
    past = made(20, 80)
    assert card(past, late(past), trials=1)["status"] == NOT_SUPPORTED


def test_setups_that_mostly_expire_without_loss_are_not_spoken_against():
    past = made(10, 70)
    miss = np.flatnonzero(past.rows["outcome"] == STOP)[:60]
    past.rows["outcome"][miss], past.rows["net"][miss] = EXPIRED, 0.0
    told = card(past, late(past), trials=1)
    assert told["hit_rate"]["high"] < told["break_even"]
    assert told["status"] == INSUFFICIENT


def test_what_expires_lowers_the_rate_that_is_needed():
    """Three in five reach neither end, and come to a little: then one target in seven stops pays."""
    past = made(60, 140)
    gone = np.flatnonzero(past.rows["outcome"] == STOP)[:120]
    past.rows["outcome"][gone], past.rows["net"][gone], past.rows["r"][gone] = EXPIRED, 0.001, 0.0125
    told = card(past, late(past), trials=1)
    assert (told["hits"], told["expired"]) == (60, 120)
    assert told["hit_rate"]["high"] < told["break_even"] + 0.02
    # At the rate needed, the mean of targets, stops and what expires is nothing.
    hit, stop, expired = told["needed"], 0.4 - told["needed"], 0.6
    assert hit * 0.147 - stop * 0.083 + expired * 0.001 == pytest.approx(0.0, abs=2e-4)
    assert told["status"] == SUPPORTED
    even = f"break-even is {round(100 * told['needed'])} % with so many, 36 % if none expires"
    assert words(told).endswith(f"and 120 expired; {even}")
    rows = card(made(60, 140), late(past), trials=1)
    assert rows["expired"] == 0
    assert rows["needed"] == rows["break_even"]
    assert rows["status"] == INSUFFICIENT


def test_what_expires_at_a_loss_raises_it():
    past = made(60, 60)
    gone = np.flatnonzero(past.rows["outcome"] == STOP)[:30]
    past.rows["outcome"][gone], past.rows["net"][gone] = EXPIRED, -0.15
    told = card(past, late(past), trials=1)
    assert told["needed"] > told["break_even"]


def test_too_few_say_how_many_are_missing():
    past = made(20, 5)
    told = card(past, late(past), trials=1)
    assert told["status"] == INSUFFICIENT
    assert told["missing"] == ["Only 25 like it were decided and ended before; 30 are the least."]


def test_no_past_at_all_are_insufficient():
    told = card(None, ASKED)
    assert told["status"] == INSUFFICIENT
    assert told["trades"] == 0


def test_the_same_edge_found_after_many_trials_is_not_enough():
    past = made(38, 42)
    few, many = (card(past, late(past), trials=trials) for trials in (1, 100_000))
    assert few["deflated_sharpe"] > many["deflated_sharpe"]
    assert many["status"] == INSUFFICIENT
    assert any("100,000 ways" in one for one in many["missing"])


def test_nothing_that_ended_later_is_seen():
    past = made(60, 20)
    middle = int(past.rows["decided_ms"][40])
    told = card(past, ASKED._replace(decided_ms=middle), trials=1)
    assert told["trades"] == 40
    cut = PastSetups(past.facts, past.symbols, past.rows[:40])
    again = card(cut, ASKED._replace(decided_ms=middle), trials=1)
    assert {**again, "past": 0} == {**told, "past": 0}


def test_overlapping_setups_of_one_market_count_once():
    past = made(60, 20, every=10)
    assert len(apart(past.rows)) == 16
    kept = apart(past.rows)
    assert (kept["decided_ms"][1:] >= kept["resolved_ms"][:-1]).all()


def test_the_narrowest_slice_with_enough_is_asked():
    here, there = made(25, 5, regime=1), made(25, 25, symbol=1, regime=1)
    rows = np.concatenate([here.rows, there.rows])
    rows = rows[np.argsort(rows["decided_ms"], kind="stable")]
    past = PastSetups(here.facts, here.symbols, rows)
    assert card(past, late(past), 1)["scope"] == {"symbols": 1, "symbol": "BTC/USDT", "regime": "BULL"}
    other = late(past)._replace(symbol="XRP/USDT")
    assert card(past, other, 1)["scope"] == {"symbols": 2, "symbol": None, "regime": "BULL"}
    assert card(past, late(past)._replace(regime=2), 1)["scope"] == {
        "symbols": 1, "symbol": "BTC/USDT", "regime": None,
    }  # fmt: skip


def test_break_even_is_where_stop_and_target_earn_nothing_after_costs():
    needed = card(None, ASKED)["break_even"]
    fill = 100 * 1.0005
    won = 115 / fill - 1 - 0.001 * (1 + 115 / fill)
    left = 92 * 0.9995
    lost = left / fill - 1 - 0.001 * (1 + left / fill)
    assert needed * won + (1 - needed) * lost == pytest.approx(0, abs=1e-12)


def test_past_setups_that_were_kept_give_the_same_card(tmp_path):
    candles = walk(1, 3_000)
    past = past_setups(Scripted(tuple(range(5, 2_900, 30))), {"BTC/USDT": [candles]}, exchange="binance")
    past.save(tmp_path)
    again = PastSetups.load(tmp_path, past.digest)
    asked = ASKED._replace(decided_ms=int(candles.close_ts[-1]))
    assert card(again, asked, 5) == card(past, asked, 5)
    assert card(past, asked, 5)["trades"] > FEWEST / 2


def test_past_setups_that_were_changed_are_refused(tmp_path):
    from cryptai.errors import DataError

    past = made(3, 3)
    path = past.save(tmp_path)
    whole = path.read_bytes()
    for at in (5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(DataError):
            PastSetups.load(tmp_path, past.digest)


def test_the_interval_of_many_is_that_of_the_draws():
    random = np.random.default_rng(4)
    for hits in (60, 120):
        net = random.permutation(np.where(np.arange(MOST_DRAWN) < hits, 0.147, -0.083))
        drawn, normal = interval(net), interval(np.tile(net, 4))
        assert normal[1] - normal[0] == pytest.approx((drawn[1] - drawn[0]) / 2, rel=0.06)
        assert sum(normal) == pytest.approx(sum(drawn), abs=0.05 * (drawn[1] - drawn[0]))


def test_without_an_edge_it_hardly_ever_says_supported():
    # The rate is exactly break-even: 5 of 100 would be an honest test's error, on both sides.
    random, said, needed, n = np.random.default_rng(12), 0, card(None, ASKED)["break_even"], 60
    for seed in range(300):
        hits = int(random.binomial(n, needed))
        said += (
            card(made(hits, n - hits, seed=seed), ASKED._replace(decided_ms=10**15), 10)["status"]
            == SUPPORTED
        )
    assert said <= 15
