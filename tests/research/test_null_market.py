"""The null market: worlds that are fair, trades that are counted right, leaks that are flagged."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from testbeds.causality import pieces
from testbeds.null_market import above, chance, leaky, null_worlds, tail, traded

from cryptai.features.events import Events, Kind
from cryptai.research.null_market import TURNOVER, Verdict, held, null_market, positions
from cryptai.research.piece import of_strategy
from cryptai.research.series import noise
from cryptai.research.worlds import packaged, shuffled, walk, worlds
from cryptai.signals import Signals


@pytest.fixture(scope="module")
def tried():
    return null_worlds(1, "test")


@pytest.fixture(scope="module")
def verdicts(tried):
    return traded(tried)


def test_nothing_registered_wins_where_nothing_can_be_won(verdicts):
    chances = {f"{name} gross": chance(one.gross) for name, one in verdicts.items()}
    chances |= {f"{name} net": chance(one.net) for name, one in verdicts.items()}
    assert len(chances) >= 10
    assert above(chances) == []


def test_what_says_a_direction_is_traded(verdicts):
    idle = [name for name, one in verdicts.items() if one.trades == 0]
    assert idle == [], "what never trades is not judged"
    assert {"swing_points", "ema_trend", "breakout with shorts"} <= verdicts.keys()


def test_the_swing_label_traded_at_its_own_bar_is_flagged(tried, verdicts):
    swings = pieces(defaults=True)["swing_points"]
    planted = leaky(swings, tried)
    assert not planted.fair
    assert (planted.net > 0).all()
    assert verdicts["swing_points"].fair
    chances = {name: chance(one.net) for name, one in verdicts.items()}
    assert above({**chances, "the leak": chance(planted.net)}) == ["the leak"]


def test_a_strategy_that_peeks_is_flagged(tried):
    class Peeking:
        name = "peeking"

        def signals(self, candles):
            ahead = np.append(np.diff(candles.close) > 0, False)
            return Signals.entries(candles, long=ahead, exit_long=~ahead)

    assert not null_market(of_strategy(Peeking()), tried=tried).fair


@pytest.mark.parametrize("make", [walk, partial(shuffled, packaged())], ids=["walks", "real bars"])
def test_the_next_move_is_fair_whatever_was_before(make):
    rules = {
        "hold": np.ones_like,
        "follow": np.sign,
        "fade in storms": lambda move: -np.sign(move) * (np.abs(move) > np.abs(move).mean()),
        "after a fall": lambda move: (np.convolve(move, np.ones(20))[: len(move)] < 0).astype(float),
    }
    found = {name: [] for name in rules}
    for number in range(40):
        close = make(4, number, 3_000).close
        move = np.diff(close) / close[:-1]
        for name, rule in rules.items():
            found[name].append(np.sum(rule(move)[:-1] * move[1:]))
    for name, returns in found.items():
        both = min(chance(np.array(returns)), chance(-np.array(returns)))
        assert both > 0.001, name


def test_without_the_coin_real_bars_would_be_a_bridge_to_a_known_end():
    # Why `worlds` turns bars: all orders of the same returns end at one price.
    close = packaged().close
    move = np.diff(close) / close[:-1]
    move -= move.mean()
    ends = [np.prod(1 + np.random.default_rng(i).permutation(move)) for i in range(5)]
    assert np.ptp(ends) < 1e-9 * max(ends)
    ends = [shuffled(packaged(), 1, i, 4_000).close[-1] for i in range(5)]
    assert np.ptp(ends) > 1.0


def test_worlds_are_candles_and_the_same_each_time():
    first, again = worlds(bars=200), worlds(bars=200)
    assert len(first) == 20
    assert [one.digest for one in first] == [one.digest for one in again]
    assert len({one.digest for one in first}) == 20
    assert str(worlds(noise(1, 900, timeframe="4h"), bars=100)[15].timeframe) == "4h"


def test_a_position_is_paid_from_the_next_close_and_for_each_turn():
    candles = noise(1, 6)
    position = np.array([0.0, 1.0, 1.0, -1.0, -1.0, 0.0])
    move = np.diff(candles.close) / candles.close[:-1]
    gross, net, trades = held(candles, position)
    assert gross == pytest.approx(move[1] + move[2] - move[3] - move[4])
    assert net == pytest.approx(gross - TURNOVER * (1 + 2 + 1))
    assert trades == 3


def test_a_position_is_taken_when_the_event_is_known_and_contradictions_change_nothing():
    events = _events(at=[0, 1, 2, 3, 4], known=[2, 4, 6, 6, 8], direction=[1, -1, 1, -1, 1])
    assert positions(events, ["swing"], 10).tolist() == [0, 0, 1, 1, -1, -1, -1, -1, 1, 1]
    labelled = positions(events, ["swing"], 10, at_label=True)
    assert labelled.tolist() == [1, -1, 1, -1, 1, 1, 1, 1, 1, 1]
    assert positions(events, ["other"], 10).tolist() == [0] * 10


def test_the_verdict_is_two_standard_errors():
    returns = np.array([0.1, -0.1] * 10)
    error = returns.std(ddof=1) / np.sqrt(20)
    assert Verdict(returns, returns + 1.9 * error, 1).fair
    assert not Verdict(returns, returns + 2.1 * error, 1).fair
    assert Verdict(np.zeros(20), np.zeros(20), 0).fair


@pytest.mark.parametrize(("t", "p"), [(0.0, 0.5), (1.729133, 0.05), (2.539483, 0.01), (-1.729133, 0.95)])
def test_students_tail_is_that_of_the_tables(t, p):
    assert tail(t, 19) == pytest.approx(p, abs=1e-6)


def test_holms_correction_is_holms():
    assert above({"a": 0.01, "b": 0.02, "c": 0.9}) == ["a", "b"]
    assert above({"a": 0.02, "b": 0.02, "c": 0.9}) == []
    assert above({"a": 0.01, "b": 0.04, "c": 0.045}) == ["a"]


def _events(at, known, direction):
    n = len(at)
    none = [np.full(n, np.nan) for _ in range(6)]
    ints = [np.array(values, np.int64) for values in (at, known)]
    return Events(
        np.arange(10, dtype=np.int64), 1, (Kind("swing"), Kind("other")), *ints, np.zeros(n, np.int8),
        np.array(direction, np.int8), *none,
    )  # fmt: skip
