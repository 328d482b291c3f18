# ruff: noqa: C901, PLR0912, PLR0915, PLR5501 (one function, read from top to bottom, is the point)
"""The reference backtest: slow, obvious, and written from the rules alone.

Plain Python over lists; nothing of the engine is imported. Whatever the kernel does must agree with this.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

DAY = 24 * 60 * 60 * 1000


@dataclass
class Setup:
    capital: float = 10_000.0
    fee: float = 0.001
    slippage: float = 0.0005
    stop: float | None = 0.08
    target: float | None = 0.15
    size: float = 1.0
    risk: float | None = None


@dataclass
class Outcome:
    trades: list[dict] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)

    def max_drawdown(self, capital: float) -> float:
        """A positive fraction of the peak, from the capital and the equity at closes."""
        peak, worst = capital, 0.0
        for value in self.equity:
            peak = max(peak, value)
            worst = max(worst, (peak - value) / peak)
        return worst

    def sharpe(self, capital: float, times: list[int]) -> float | None:
        """The last equity of each UTC day that has bars, the capital first; sample deviation; √365."""
        last_of_day: dict[int, float] = {}
        for t, value in zip(times, self.equity, strict=True):
            last_of_day[t // DAY] = value
        path = [capital, *last_of_day.values()]
        returns = [b / a - 1 for a, b in itertools.pairwise(path)]
        if len(returns) < 2:
            return None
        mean = sum(returns) / len(returns)
        variance = sum((r - mean) ** 2 for r in returns) / (len(returns) - 1)
        return mean / math.sqrt(variance) * math.sqrt(365) if variance > 0 else None


def run(
    times, opens, highs, lows, closes, enter_long, enter_short, exit_long, exit_short, setup: Setup
) -> Outcome:
    """Each `enter_*`/`exit_*` is a list of booleans, decided at that bar's close."""
    out = Outcome()
    cash = setup.capital
    position = None  # {"side": "long"/"short", "quantity", "price", "bar", "fee", "stop", "target"}

    def leave(bar, price, reason):
        nonlocal cash, position
        fee = position["quantity"] * price * setup.fee
        if position["side"] == "long":
            gain = position["quantity"] * (price - position["price"])
            cash += position["quantity"] * price - fee
        else:
            gain = position["quantity"] * (position["price"] - price)
            cash -= position["quantity"] * price + fee
        fees = position["fee"] + fee
        out.trades.append({
            "side": position["side"], "entry_bar": position["bar"], "exit_bar": bar,
            "entry_time": times[position["bar"]], "exit_time": times[bar],
            "entry_price": position["price"], "exit_price": price, "quantity": position["quantity"],
            "fees": fees, "pnl": gain - fees, "exit_reason": reason,
        })  # fmt: skip
        position = None

    def worse(price, side_of_order):
        return price * (1 + setup.slippage) if side_of_order == "buy" else price * (1 - setup.slippage)

    last = len(times) - 1
    for bar in range(len(times)):
        # 1. the open: first a signal's exit, then a new entry
        if bar > 0:
            was = bar - 1
            if position and position["side"] == "long" and exit_long[was]:
                leave(bar, worse(opens[bar], "sell"), "signal")
            elif position and position["side"] == "short" and exit_short[was]:
                leave(bar, worse(opens[bar], "buy"), "signal")
            new_long = enter_long[was] and not (was > 0 and enter_long[was - 1])
            new_short = enter_short[was] and not (was > 0 and enter_short[was - 1])
            if position is None and (new_long or new_short) and cash > 0:
                side = "long" if new_long else "short"
                price = worse(opens[bar], "buy" if side == "long" else "sell")
                quantity = setup.size * cash / (price * (1 + setup.fee))
                if setup.risk is not None:
                    quantity = min(quantity, setup.risk * cash / (setup.stop * price))
                fee = quantity * price * setup.fee
                up = 1 if side == "long" else -1
                position = {
                    "side": side, "quantity": quantity, "price": price, "bar": bar, "fee": fee,
                    "stop": None if setup.stop is None else price * (1 - up * setup.stop),
                    "target": None if setup.target is None else price * (1 + up * setup.target),
                }  # fmt: skip
                cash -= up * quantity * price + fee
        # 2. inside the bar: the stop before the target, a gap fills at the open
        if position:
            stop, target = position["stop"], position["target"]
            if position["side"] == "long":
                if stop is not None and lows[bar] <= stop:
                    leave(bar, worse(min(opens[bar], stop), "sell"), "stop")
                elif target is not None and highs[bar] >= target:
                    leave(bar, max(opens[bar], target), "target")
            else:
                if stop is not None and highs[bar] >= stop:
                    leave(bar, worse(max(opens[bar], stop), "buy"), "stop")
                elif target is not None and lows[bar] <= target:
                    leave(bar, min(opens[bar], target), "target")
        # 3. the end of the range
        if position and bar == last:
            leave(bar, worse(closes[bar], "sell" if position["side"] == "long" else "buy"), "end")
        # 4. the close
        held = 0.0
        if position:
            held = position["quantity"] * closes[bar] * (1 if position["side"] == "long" else -1)
        out.equity.append(cash + held)
    return out
