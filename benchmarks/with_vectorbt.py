"""What vectorbt makes of given signals, for `peers`: run by an interpreter that has vectorbt.

usage: with_vectorbt.py DATA.npz: reads prices and decisions, prints one JSON line a run.
"""

import json
import sys

import numpy as np
import pandas as pd
import vectorbt as vbt
from numba import njit
from vectorbt.portfolio.nb import order_nb, order_nothing_nb


@njit
def _orders(ctx, says, o, h, low, state, levels, stake, places, stop, target, fee, slippage):  # noqa: ANN001, ANN202
    """Our rules as an order function: leave, enter in the order of the markets, then the bracket."""
    now, count = ctx.i, says.shape[1]
    if ctx.call_idx == 0:
        state[0], state[1] = 0, 0
    while state[0] < 3:
        while state[1] < count:
            m = state[1]
            state[1] += 1
            held = ctx.last_position[m]
            said = says[now - 1, m] if now > 0 else 0
            if state[0] == 0 and said < 0 and held > 0:
                state[2] -= 1
                return m, order_nb(size=-held, price=o[now, m] * (1 - slippage), fees=fee)
            if state[0] == 1 and said > 0 and held == 0 and state[2] < places:
                price = o[now, m] * (1 + slippage)
                worth = ctx.last_cash[0] if stake == 0 else min(stake * (1 + fee), ctx.last_cash[0])
                levels[m, 0], levels[m, 1] = price - price * stop, price + price * target
                state[2] += 1
                return m, order_nb(size=worth / (price * (1 + fee)), price=price, fees=fee)
            if state[0] == 2 and held > 0:
                price = 0.0
                if low[now, m] <= levels[m, 0]:
                    price = min(o[now, m], levels[m, 0]) * (1 - slippage)
                elif h[now, m] >= levels[m, 1]:
                    price = max(o[now, m], levels[m, 1])
                if price > 0:
                    state[2] -= 1
                    return m, order_nb(size=-held, price=price, fees=fee)
        state[0] += 1
        state[1] = 0
    return -1, order_nothing_nb()


def _told(what: str, portfolio: vbt.Portfolio) -> None:
    final = float(np.asarray(portfolio.value())[-1])
    print(json.dumps({"what": what, "trades": int(portfolio.trades.closed.count()), "final_equity": final}))


def main() -> None:
    """Run it all."""
    given = np.load(sys.argv[1])
    fee, slippage, cash = (float(given[name]) for name in ("fee", "slippage", "cash"))
    index = pd.RangeIndex(len(given["close"]))
    close, open_ = (pd.Series(given[name], index) for name in ("close", "open"))
    says = pd.Series(given["says"], index).shift(1, fill_value=0)
    _told("signals", vbt.Portfolio.from_signals(
        close, says > 0, says < 0, price=open_, fees=fee, slippage=slippage, init_cash=cash,
    ))  # fmt: skip
    for what, suffix, places in (("bracket", "", 1), ("portfolio", "_50", int(given["places"]))):
        o, h, low, c, decided = (
            np.atleast_2d(given[name + suffix].T).T for name in ("open", "high", "low", "close", "says")
        )
        _told(what, vbt.Portfolio.from_order_func(
            pd.DataFrame(c), _orders, decided, o, h, low, np.zeros(3, np.int64),
            np.zeros((c.shape[1], 2)), 0.0 if what == "bracket" else float(given["stake"]), places,
            float(given["stop"]), float(given["target"]), fee, slippage,
            flexible=True, group_by=True, cash_sharing=True, init_cash=cash, max_orders=200_000,
        ))  # fmt: skip


main()
