"""Strategies over several markets at once, out of sample: the second table of `benchmarks.strategies`.

The same walk-forward as for one market: a year of training, a quarter of trading, the best set of a small
grid by Sharpe ratio chosen in training only, the account carried from one quarter into the next. A market is
in a fold if it had bars, and funding where that is asked for, when the training began.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.analytics.returns import daily_returns, drawdowns
from cryptai.analytics.significance import chance_deviation, deflated_sharpe, moments
from cryptai.market.timeframe import DAY_MS
from cryptai.research.windows import windows
from cryptai.strategies.strategy import build
from cryptai.trading.backtest import backtest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.funding import Funding
    from cryptai.research.windows import Window
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.result import Result

_TRAIN_MS, _TEST_MS = 365 * DAY_MS, 90 * DAY_MS


def walked_together(
    cls: type[Strategy],
    markets: Sequence[Candles],
    sets: Mapping[str, str],
    funding: Mapping[str, Funding],
) -> dict[str, Any]:
    """Return what a walk-forward over all the markets came to, in the words of a result's metrics."""
    names, values = list(sets), [one.split(",") for one in sets.values()]
    every = [dict(zip(names, some, strict=True)) for some in itertools.product(*values)]
    clock = np.unique(np.concatenate([one.ts for one in markets]))
    capital, tried, tests = 10_000.0, [], []
    for window in windows(clock, _TRAIN_MS, _TEST_MS):
        there = [one for one in markets if _begun(one, funding, window)]
        if len({_base(one) for one in there}) < 2:
            continue

        def ran(values: Mapping[str, Any], start: int, end: int, money: float, there: Any = there) -> Result:
            paid = {one.symbol: funding[one.symbol] for one in there if one.symbol in funding}
            return backtest(
                there, build(cls, values), capital=money, start_ms=start, end_ms=end, funding=paid
            )

        scores = [_daily_sharpe(ran(one, window.train_from, window.train_to, 10_000.0)) for one in every]
        tried += scores
        test = ran(every[int(np.argmax(scores))], window.test_from, window.test_to, capital)
        capital = float(test.equity[-1])
        tests.append(test)
    return _stitched(tests, tried)


def _begun(candles: Candles, funding: Mapping[str, Funding], window: Window) -> bool:
    # A market pays funding from a day on that may be later than that of its first bar.
    rates = [one for one in funding.values() if _base(one) == _base(candles)]
    began = [one.ts[0] for one in (candles, *rates) if len(one)]
    return bool(len(candles) and max(began) <= window.train_from and candles.ts[-1] >= window.test_from)


def _base(one: Candles | Funding) -> str:
    return one.symbol.partition(":")[0]


def _daily_sharpe(result: Result) -> float:
    returns = daily_returns(result.capital, result.ts, result.equity)
    found = None if returns is None else moments(returns)
    return 0.0 if found is None else found[0]


def _stitched(tests: Sequence[Result], tried: Sequence[float]) -> dict[str, Any]:
    ts = np.concatenate([one.ts for one in tests])
    equity = np.concatenate([one.equity for one in tests])
    capital = tests[0].capital
    returns = daily_returns(capital, ts, equity)
    found = None if returns is None else moments(returns)
    sure = None
    if found is not None and returns is not None:
        ratio, skewness, kurtosis = found
        deviation = float(np.std(tried, ddof=1)) or chance_deviation(len(returns))
        sure = deflated_sharpe(ratio, len(returns), len(tried), deviation, skewness, kurtosis)
    held = math.prod(1.0 + (one.metrics.buy_and_hold_return or 0.0) for one in tests) - 1.0
    return {
        "trades": sum(len(one.records) for one in tests),
        "total_return": float(equity[-1]) / capital - 1.0,
        "buy_and_hold_return": held,
        "sharpe_ratio": None if found is None else found[0] * math.sqrt(365.0),
        "max_drawdown": float(drawdowns(np.r_[capital, equity]).max()),
        "deflated_sharpe": sure,
    }
