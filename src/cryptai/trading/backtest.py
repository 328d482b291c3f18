"""`backtest(candles, strategy, …) -> Result`: one strategy over one market, through the kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryptai.analytics.metrics import measure
from cryptai.errors import CryptaiError, DataError, InputError
from cryptai.jit import NativeKernel
from cryptai.ledger.book import TRADE, Book, Order
from cryptai.market.timeframe import DAY_MS
from cryptai.portfolio.rules import MIN_REWARD_RISK, STOP, TARGET, Rules, check_rules
from cryptai.signals import EXIT_LONG, EXIT_SHORT
from cryptai.strategies.strategy import values_of
from cryptai.strategies.user import what_failed
from cryptai.trading.costs import Costs, check_costs
from cryptai.trading.result import Result

if TYPE_CHECKING:
    from cryptai.market.candles import Candles
    from cryptai.signals import Signals
    from cryptai.strategies.strategy import Strategy

_simulate = NativeKernel("cryptai.trading.kernel", "simulate_entry", "ipppppppp" + "ppipiip")


def backtest(
    candles: Candles,
    strategy: Strategy,
    *,
    capital: float = 10_000.0,
    rules: Rules | None = None,
    costs: Costs | None = None,
    min_reward_risk: float = MIN_REWARD_RISK,
    start_ms: int | None = None,
    end_ms: int | None = None,
    exchange: str | None = None,
    close_at_end: bool = True,
) -> Result:
    """Run a strategy over candles; the order of events is told in `cryptai.trading.kernel`.

    Parameters
    ----------
    rules, costs
        Without rules: all equity, and the strategy's own bracket or stop 8 %, target 15 %.
    start_ms, end_ms
        Half-open range of bar opens, ms UTC. Earlier bars only warm the indicators; none of them decides.
    close_at_end
        Close a position left at the end at the last close, with costs, reason `end`.

    Raises
    ------
    InputError
        For rules, costs or capital that cannot be, a range without bars, a strategy that fails, or amounts
        beyond the range of floating point.
    """
    costs = check_costs(costs or Costs())
    shorts = bool(getattr(strategy, "allow_short", False))
    rules = check_rules(
        rules or default_rules(type(strategy)), min_reward_risk=min_reward_risk, shorts=shorts
    )
    if not (math.isfinite(capital) and capital > 0.0):
        raise InputError(f"capital must be a finite amount above 0, was {capital:g}.", field="capital")
    known = candles.between(None, end_ms)
    first = 0 if start_ms is None else int(np.searchsorted(known.ts, start_ms))
    bars = known[first:]
    if not len(bars):
        raise DataError(_no_bars(candles, start_ms, end_ms), field="from")
    signals = decided(strategy, known)
    entry, exits = signals.entry[first:], signals.exits[first:]

    n = len(bars)
    equity = np.empty(n)
    days = int(bars.ts[-1] // DAY_MS - bars.ts[0] // DAY_MS) + 1
    daily = np.empty(days)
    # Each round trip needs an entry row of its own before it.
    trades = np.empty(int(np.count_nonzero(entry)) + 1, TRADE)
    settings = np.array([capital, *rules[:4], *costs[:2]])
    end = np.empty(12)
    # Columns are contiguous by contract, so an address and a length say all.
    arrays = [bars.ts, bars.open, bars.high, bars.low, bars.close, entry, exits, settings, equity, daily]
    held = [np.ascontiguousarray(a) for a in arrays]
    address = [a.ctypes.data for a in held]
    count = _simulate(
        n, *address, days, trades.ctypes.data, len(trades), int(close_at_end), end.ctypes.data
    )  # fmt: skip
    records = trades[:count]
    with np.errstate(over="ignore", invalid="ignore"):
        sound = math.isfinite(equity.sum())
    if not sound:
        raise InputError(
            f"A capital of {capital:g} at prices about {bars.close[0]:g} leaves the range of numbers; "
            "choose a capital nearer to the prices.",
            field="capital",
        )
    return Result(
        strategy=strategy.name,
        params=values_of(strategy),
        exchange=exchange,
        symbol=candles.symbol,
        timeframe=str(candles.timeframe),
        capital=float(capital),
        rules=rules,
        costs=costs,
        bars=bars,
        equity=equity,
        records=records,
        reasons=(signals.long_reason, signals.short_reason),
        metrics=measure(
            capital,
            float(equity[-1]),
            float(end[8]),
            n,
            daily[: int(end[9])],
            records,
            span_ms=int(bars.ts[-1] - bars.ts[0]) + bars.timeframe.ms,
            held=float(bars.close[-1] / bars.open[0] - 1.0),
        ),
        book=Book._make([*end[:6].tolist(), int(end[6]), int(end[7])]),
        order=Order(int(end[11]), int(end[10])),
        candles=known,
    )


def default_rules(strategy: type[Strategy]) -> Rules:
    """Return all equity with the strategy's own bracket, where it states one, else 8 % and 15 %."""
    return Rules(stop=getattr(strategy, "stop", STOP), target=getattr(strategy, "target", TARGET))


def decided(strategy: Strategy, candles: Candles) -> Signals:
    """Return the strategy's columns for these candles; a user's mistake becomes a sentence."""
    try:
        signals = strategy.signals(candles)
        columns = (("entry", signals.entry, -1, 1), ("exits", signals.exits, 0, EXIT_LONG | EXIT_SHORT))
    except CryptaiError:
        raise
    except (Exception, SystemExit) as error:  # a user's sys.exit() would end the command as if all were well
        raise InputError(
            f"The strategy {strategy.name} failed: {what_failed(error)}.", field="strategy"
        ) from error
    for name, values, low, high in columns:
        wrong = _unfit(values, len(candles), low, high)
        if wrong:
            raise InputError(
                f"The strategy {strategy.name} gave a column {name!r} {wrong}; see Signals.entries.",
                field="strategy",
            )
    return signals


def _unfit(values: object, n: int, low: int, high: int) -> str | None:
    # The kernel is handed an address, and would read whatever lies there.
    if not isinstance(values, np.ndarray) or values.dtype != np.int8:
        return f"of {getattr(values, 'dtype', type(values).__name__)}, where int8 is needed"
    if values.shape != (n,):
        return f"of shape {values.shape} for {n} bars, where one row a bar is needed"
    if n and not (low <= values.min() and values.max() <= high):
        return f"with values outside {low} to {high}"
    return None


def _no_bars(candles: Candles, start_ms: int | None, end_ms: int | None) -> str:
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        return "The range is empty: `to` must be later than `from`."
    return f"There is no bar in that range; {candles!r} is all there is."
