"""A machine shown one bar at a time decides as columns do, anew in each run, and is told its mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import cryptai as ca
from cryptai.cli.main import main
from cryptai.errors import InputError
from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.market.store import CandleStore
from cryptai.research.causality import first_rewritten
from cryptai.research.piece import of_strategy
from cryptai.strategies.streamed import ENTER_LONG, ENTER_SHORT, LEAVE_LONG, LEAVE_SHORT, streamed
from tests.trading.worlds import random_candles


class Averages:
    def __init__(self, fast, slow):
        self.fast, self.slow, self.a, self.b = fast, slow, None, None

    def on_bar(self, close):
        if self.a is None:
            self.a = self.b = close
            return 0
        was_under, was_over = self.a <= self.b, self.a >= self.b
        self.a += 2.0 / (self.fast + 1.0) * (close - self.a)
        self.b += 2.0 / (self.slow + 1.0) * (close - self.b)
        if self.a > self.b and was_under:
            return ENTER_LONG + LEAVE_SHORT
        return LEAVE_LONG + ENTER_SHORT if self.a < self.b and was_over else 0


@streamed
@dataclass(frozen=True)
class OnAverages:
    name = "on_averages"  # not registered: it is no strategy of the house
    allow_short: bool = True
    long_reason = "fast above slow"

    def start(self):
        return Averages(5, 12)


def average(close, period):
    out = np.empty(len(close))
    for t, x in enumerate(close.tolist()):
        out[t] = x if t == 0 else out[t - 1] + 2.0 / (period + 1.0) * (x - out[t - 1])
    return out


def saying(answer, *, at=7):
    """A strategy whose machine says this at one bar, and nothing at any other."""

    class Machine:
        def __init__(self):
            self.bar = -1

        def on_bar(self, close):
            del close
            self.bar += 1
            return answer if self.bar == at else 0

    @streamed
    class Says:
        name = "says"

        def start(self):
            return Machine()

    return Says()


def test_it_decides_as_the_same_rule_in_columns(monkeypatch):
    candles = random_candles(np.random.default_rng(3), 2_000)
    fast, slow = average(candles.close, 5), average(candles.close, 12)
    up, down = crosses_above(fast, slow), crosses_below(fast, slow)
    assert up.sum() > 30
    # However the bars are portioned, the machine goes on where it was.
    for portion in (4_096, 7):
        monkeypatch.setattr("cryptai.strategies.streamed._BARS", portion)
        signals = OnAverages().signals(candles)
        assert (signals.entry == up.astype(int) - down).all()
        assert (signals.exits == np.where(up, 2, 0) + np.where(down, 1, 0)).all()
        assert (signals.long_reason, signals.short_reason) == ("fast above slow", "short")


def test_two_runs_share_no_state_and_no_bar_is_rewritten():
    candles = random_candles(np.random.default_rng(4), 300)
    made = OnAverages()
    assert made.signals(candles).entry.tobytes() == made.signals(candles).entry.tobytes()
    assert first_rewritten(of_strategy(made), candles) is None


def test_a_machine_that_is_not_begun_anew_is_caught():
    kept = Averages(5, 12)

    @streamed
    class Kept:
        name = "kept"
        allow_short = True

        def start(self):
            return kept

    candles = random_candles(np.random.default_rng(4), 300)
    assert first_rewritten(of_strategy(Kept()), candles) is not None


def test_columns_come_by_the_names_of_the_arguments():
    seen = []

    class Machine:
        def on_bar(self, volume, ts, open_, low):
            seen.append((volume, ts, open_, low))
            return 0

    @streamed
    class Seen:
        name = "seen"

        def start(self):
            return Machine()

    candles = random_candles(np.random.default_rng(5), 50)
    Seen().signals(candles)
    columns = (candles.volume, candles.ts, candles.open, candles.low)
    assert seen == list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize(
    "answer", [None, 1.0, True, np.int64(1), 16, -1, ENTER_LONG + ENTER_SHORT, "long", 2**70]
)
def test_an_answer_that_is_no_decision_is_refused_with_its_bar(answer):
    candles = random_candles(np.random.default_rng(6), 40)
    with pytest.raises(InputError, match=r"at bar 7 \(.* UTC\); it returns 0, or a sum"):
        ca.backtest(candles, saying(answer))


def test_a_machine_that_raises_or_asks_for_what_is_not_there_is_told():
    class Fails:
        def on_bar(self, close):
            return 1 // (close - close)

    class Asks:
        def on_bar(self, close, mood):
            return 0

    candles = random_candles(np.random.default_rng(6), 40)
    for machine, told in ((Fails, "ZeroDivisionError"), (Asks, "not mood")):
        made = saying(0)
        type(made).start = lambda _, machine=machine: machine()
        with pytest.raises(InputError, match=told):
            ca.backtest(candles, made)
    with pytest.raises(TypeError, match="needs a method start"):
        streamed(type("Without", (), {}))


def test_no_bars_are_no_decisions():
    assert len(OnAverages().signals(random_candles(np.random.default_rng(6), 40)[:0])) == 0


OWN = '''
from dataclasses import dataclass
from cryptai import param, strategy
from cryptai.strategies.streamed import ENTER_LONG, LEAVE_LONG, streamed

class Machine:
    def __init__(self, rise):
        self.rise, self.before = rise, None

    def on_bar(self, close):
        before, self.before = self.before, close
        if before is None:
            return 0
        return ENTER_LONG if close > before * (1 + self.rise) else LEAVE_LONG if close < before else 0

@strategy
@streamed
@dataclass(frozen=True)
class Rises:
    """Long after a rise."""
    rise: float = param(0.01, low=0.0, high=1.0, meaning="rise that begins a long")

    def start(self):
        return Machine(self.rise)
'''


def test_it_is_a_file_of_the_workspace_like_any_other(workspace, capsys):
    CandleStore(workspace.candles).write("binance", random_candles(np.random.default_rng(9), 600))
    (workspace.strategies / "rises.py").write_text(OWN)
    where = ["--symbol", "BTC/USDT", "--timeframe", "1h"]
    assert main(["backtest", "rises", *where, "--param", "rise=0.02", "--json"]) == 0
    assert '"trades"' in capsys.readouterr().out
    assert main(["check", "rises"]) == 0
