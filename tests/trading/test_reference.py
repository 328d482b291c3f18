"""The kernel against the reference: the same trades and equity on random strategies and series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryptai.analytics.metrics import measure
from cryptai.ledger.book import END, NO_EXIT, TRADE, Order
from cryptai.ledger.fold import empty_book, first_mark, record
from cryptai.portfolio.rules import Rules
from cryptai.trading import kernel
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs

from . import reference, reference_book
from .worlds import random_candles, random_script

NUMBERS = ("entry_price", "exit_price", "quantity", "fees", "pnl")


def _setup(rng):
    stop = None if rng.random() < 0.15 else float(rng.uniform(0.005, 0.12))
    target = None if rng.random() < 0.15 else float(rng.uniform(0.021, 0.2))  # it pays every fee below
    risk = float(rng.uniform(0.002, 0.05)) if stop is not None and rng.random() < 0.3 else None
    return reference_book.Setup(
        capital=float(rng.choice([100.0, 10_000.0, 1e6])),
        costs=reference_book.Costs(
            fee=float(rng.choice([0.0, 0.001, 0.01])), slippage=float(rng.choice([0.0, 0.0005, 0.005]))
        ),
        rules=reference_book.Rules(stop=stop, target=target, size=float(rng.choice([0.25, 1.0])), risk=risk),
    )


def _kernel(candles, script, setup):
    nan = float("nan")
    told = setup.rules
    rules = Rules(
        nan if told.stop is None else told.stop,
        nan if told.target is None else told.target,
        told.size,
        nan if told.risk is None else told.risk,
    )
    return backtest(
        candles,
        script,
        capital=setup.capital,
        rules=rules,
        costs=Costs(setup.costs.fee, setup.costs.slippage),
        min_reward_risk=0,
    )


def _reference(candles, script, setup):
    names = ("open", "high", "low", "close", "ts", "volume")
    bars = zip(*(getattr(candles, name).tolist() for name in names), strict=True)
    said = (script.entry_long, script.entry_short, script.leave_long, script.leave_short)
    rows = zip(*said, strict=True)
    market = reference_book.Market(
        tuple(reference_book.Bar(*bar) for bar in bars),
        tuple(
            reference_book.Row(int(long) - int(short), int(leave) + 2 * int(cover))
            for long, short, leave, cover in rows
        ),
    )
    return reference.run([market], setup)


def differences(result, expected, capital):  # noqa: C901, PLR0911 (a list of comparisons)
    """Return the first thing that differs, in words; None if all agrees to 1e-9."""
    if len(result.trades) != len(expected.trades):
        return f"{len(result.trades)} trades, expected {len(expected.trades)}"
    for i, (got, want) in enumerate(zip(result.trades, expected.trades, strict=True)):
        for name in ("side", "exit_reason", "entry_bar", "exit_bar"):
            if got[name] != getattr(want, name):
                return f"trade {i}: {name} {got[name]}, expected {getattr(want, name)}"
        if bool(result.records["undecided"][i]) != want.undecided:
            return f"trade {i}: undecided {not want.undecided}, expected {want.undecided}"
        for name in ("entry_time", "exit_time"):
            if int(got[name].astype("i8")) != getattr(want, name):
                return f"trade {i}: {name}"
        for name in NUMBERS:
            right = getattr(want, name)
            if abs(got[name] - right) > 1e-9 * max(1.0, abs(right), abs(want.quantity)):
                return f"trade {i}: {name} {got[name]!r}, expected {right!r}"
    scale = max(1.0, capital, *map(abs, expected.equity))
    if not np.allclose(result.equity, expected.equity, rtol=0, atol=1e-9 * scale):
        return "equity"
    if abs(result.metrics.max_drawdown - expected.max_drawdown(capital)) > 1e-9:
        return "max_drawdown"
    sharpe = expected.sharpe(capital) if min(expected.equity) > 0 and expected.trades else None
    if sharpe is not None and result.metrics.sharpe_ratio != pytest.approx(sharpe, rel=1e-9, abs=1e-9):
        return f"sharpe_ratio {result.metrics.sharpe_ratio}, expected {sharpe}"
    return None


def _world(seed):
    rng = np.random.default_rng([2026, seed])
    candles = random_candles(
        rng, int(rng.integers(20, 400)), volatility=float(rng.choice([0.002, 0.01, 0.03]))
    )
    return candles, random_script(rng, len(candles)), _setup(rng)


def test_two_hundred_random_worlds_agree_trade_by_trade():
    reasons, sides, gaps, undecided = set(), set(), 0, 0
    for seed in range(200):
        candles, script, setup = _world(seed)
        result, expected = _kernel(candles, script, setup), _reference(candles, script, setup)
        assert differences(result, expected, setup.capital) is None, f"world {seed}"
        reasons |= {t.exit_reason for t in expected.trades}
        sides |= {t.side for t in expected.trades}
        undecided += sum(t.undecided for t in expected.trades)
        gaps += sum(
            t.exit_reason == "stop" and t.exit_price < candles.low[t.exit_bar] for t in expected.trades
        )
    # A test of the test: the worlds reach every kind of end and both sides.
    assert reasons == {"signal", "stop", "target", "end"}
    assert undecided > 5
    assert sides == {"long", "short"}


def test_the_other_metrics_follow_from_the_trades():
    for seed in range(200, 240):
        candles, script, setup = _world(seed)
        metrics, expected = _kernel(candles, script, setup).metrics, _reference(candles, script, setup)
        pnl = [t.pnl for t in expected.trades]
        assert metrics.trades == len(pnl)
        assert metrics.total_return == pytest.approx(expected.equity[-1] / setup.capital - 1, abs=1e-9)
        if not pnl:
            assert metrics.win_rate is None
            continue
        assert metrics.win_rate == pytest.approx(sum(p > 0 for p in pnl) / len(pnl))
        lost = -sum(p for p in pnl if p <= 0)
        won = sum(p for p in pnl if p > 0)
        assert metrics.profit_factor == (pytest.approx(won / lost, rel=1e-9) if lost else None)


MUTANTS = {
    "target before stop": ("if low <= book.stop:", "if low <= book.stop and not high >= book.target:"),
    "a gap fills at the stop": ("Exit(min(open_, book.stop) *", "Exit(book.stop *"),
    "a gap fills at the target": ("Exit(max(open_, book.target), TARGET)", "Exit(book.target, TARGET)"),
    "slippage on a target": (
        "Exit(max(open_, book.target), TARGET)",
        "Exit(max(open_, book.target) * (1 - costs.slippage), TARGET)",
    ),
    "an old cross enters again": ("entry if entry != entry_before else 0", "entry"),
    "bracket from the open": ("stop = price - order.side * (price", "stop = open_ - order.side * (open_"),
    "no slippage at the end": ("Exit(close[t] * (1.0 - side * costs.slippage), END)", "Exit(close[t], END)"),
    "an exit that waits for the bracket": ("if order.exits != 0 and book.quantity != 0.0:", "if False:"),
    "a short that fills like a long": (
        "open_ * (1.0 + order.side * costs.slippage)",
        "open_ * (1.0 + costs.slippage)",
    ),
    "slippage in our favour": ("Exit(open_ * (1.0 - side *", "Exit(open_ * (1.0 + side *"),
    "the day begins an hour late": (
        "(ts // _DAY_MS + 1) * _DAY_MS",
        "(ts // _DAY_MS + 1) * _DAY_MS + 3_600_000",
    ),
    "the drawdown forgets its peak": ("if equity > value.peak:", "if equity != value.equity:"),
}


@pytest.mark.parametrize("bug", MUTANTS)
def test_a_bug_planted_in_the_kernel_is_caught(bug):
    old, new = MUTANTS[bug]
    source = Path(kernel.__file__).read_text()
    assert old in source
    mutant = _interpreted(source.replace(old, new))
    for seed in range(40):
        candles, script, setup = _world(seed)
        if differences(
            _looped(mutant, candles, script, setup), _reference(candles, script, setup), setup.capital
        ):
            return
    pytest.fail(f"40 worlds did not notice: {bug}")


def test_the_kernel_read_by_plain_python_gives_the_same_bits():
    plain = _interpreted(Path(kernel.__file__).read_text())
    for seed in range(15):
        candles, script, setup = _world(seed)
        compiled, interpreted = _kernel(candles, script, setup), _looped(plain, candles, script, setup)
        assert compiled.equity.tobytes() == interpreted.equity.tobytes()
        assert compiled.records.tobytes() == interpreted.records.tobytes()


def test_one_closed_bar_at_a_time_gives_the_fills_and_the_equity_of_the_loop_to_the_bit():
    for seed in range(30):
        candles, script, setup = _world(seed)
        loop = _kernel(candles, script, setup)
        equity, trades = _bar_by_bar(candles, script, setup, loop.rules, loop.costs)
        assert equity[:-1].tobytes() == loop.equity[:-1].tobytes()
        # The loop alone knows where the range ends and closes what is open there.
        finished = loop.records[loop.records["exit_reason"] != END]
        assert trades.tobytes() == finished.tobytes()


def _interpreted(source):
    """Return the kernel's functions without Numba, from a source text."""
    plain = "njit = lambda f=None, **_: f if f is not None else (lambda g: g)"
    source = source.replace("from cryptai.jit import njit", plain)
    source = source.replace("from cryptai.trading.memory import fetch", "fetch = lambda address, row: None")
    names = {}
    exec(compile(source, "kernel", "exec"), names)  # noqa: S102
    return names


def _looped(functions, candles, script, setup):
    """Run a kernel's `simulate` from Python; return a result to compare."""
    result, signals = _kernel(candles, script, setup), script.signals(candles)
    n, capital = len(candles), float(setup.capital)
    trades, daily, equity = np.empty(n + 1, TRADE), np.empty(n), np.empty(n)
    with np.errstate(all="ignore"):
        book, value, _, _ = functions["simulate"](
            candles.ts, candles.open, candles.high, candles.low, candles.close, signals.entry, signals.exits,
            result.rules, result.costs, empty_book(capital), first_mark(capital), equity, daily, trades, True,
        )  # fmt: skip
    metrics = measure(
        setup.capital, equity[-1], value.max_drawdown, n, daily[: value.days], trades[: book.trades]
    )
    return replace(result, equity=equity, records=trades[: book.trades], metrics=metrics)


def _bar_by_bar(candles, script, setup, rules, costs):
    """Call the compiled functions as a session does: one closed bar at a time."""
    signals = script.signals(candles)
    trades = np.empty(len(candles) + 1, TRADE)
    capital = float(setup.capital)
    book, value, order, before = empty_book(capital), first_mark(capital), Order(0, 0), 0
    equity = []
    for t in range(len(candles)):
        open_, high, low = float(candles.open[t]), float(candles.high[t]), float(candles.low[t])
        was = book
        book, left = kernel.match_open(book, order, t, open_, rules, costs)
        if left.reason != NO_EXIT:
            record(trades, candles.ts, was, t, left, costs.fee)
        was = book
        book, left = kernel.match_inside(book, open_, high, low, costs)
        if left.reason != NO_EXIT:
            both = kernel.chosen(was, left, open_, high, low)
            record(trades, candles.ts, was, t, left, costs.fee, both)
        value = kernel.mark(value, book, int(candles.ts[t]), float(candles.close[t]))
        order = kernel.decide(int(signals.entry[t]), before, int(signals.exits[t]))
        before = int(signals.entry[t])
        equity.append(value.equity)
    return np.array(equity), trades[: book.trades]
