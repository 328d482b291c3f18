"""Outcomes: what came of each setup, by the levels it promised and nothing else.

The rule, written once. A setup decided at the close of bar t is entered at the open of bar t + 1, if that
lies in its zone, else it was `missed`. From that bar on, within `HORIZON` bars: the stop if the bar's low (a
short's high) reaches it, at the open where that lies beyond it already; else the target in the same way. A
bar that reaches both counts as the stop. After the last bar of the horizon it has `expired`, at that close.
What none of this has befallen yet is `open`. The strategy's own exits play no part: a reader of the signal
does not know them.

A `hit` is a target reached before the stop, and nothing else. Returns are after costs: a fee of each
side, slippage on the entry, on a stop and on an expiry. `r` is that return over the risk that was
published, the distance from entry to stop: -1 is a stop without costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.trading.costs import Costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.screening.setups import Setups

HORIZON: Final = 120
"""Bars after which a setup has expired."""

OPEN, TARGET, STOP, EXPIRED, MISSED = 0, 1, 2, 3, 4
OUTCOMES: Final = ("open", "target", "stop", "expired", "missed")
# Setups looked at together: the windows of all of them at once would not fit into memory.
_PORTION: Final = 4_096


class Outcomes(NamedTuple):
    """Columns, one row a setup.

    Attributes
    ----------
    outcome
        int8: the number of its name in `OUTCOMES`.
    row
        int64: the bar that decided it; -1 where it is open.
    fill, price
        Prices, slippage included: entered at, left at (NaN: not).
    net, r
        Return after costs as a fraction of the fill, and over the published risk; NaN where it is open or
        missed.
    mae, mfe
        The furthest it went against and for the entry while it was held, in published risks, 0 or more.
    """

    outcome: NDArray[np.int8]
    row: NDArray[np.int64]
    fill: NDArray[np.float64]
    price: NDArray[np.float64]
    net: NDArray[np.float64]
    r: NDArray[np.float64]
    mae: NDArray[np.float64]
    mfe: NDArray[np.float64]


def outcomes(found: Setups, candles: Candles, costs: Costs | None = None) -> Outcomes:
    """Return what came of each setup by the last of these candles."""
    costs = costs or Costs()
    starts = range(0, len(found.row), _PORTION)
    portions = [_resolved(found.portion(start, start + _PORTION), candles, costs) for start in starts]
    if not portions:
        return Outcomes(np.empty(0, np.int8), np.empty(0, np.int64), *(np.empty(0) for _ in range(6)))
    columns: list[Any] = [np.concatenate(one) for one in zip(*portions, strict=True)]
    return Outcomes(*columns)


def _resolved(found: Setups, candles: Candles, costs: Costs) -> Outcomes:
    n, side = len(candles), found.side.astype(np.float64)
    bars = found.row[:, None] + 1 + np.arange(HORIZON)
    there = bars < n
    bars = np.minimum(bars, n - 1)
    up = side[:, None] > 0
    against = np.where(up, candles.low[bars], candles.high[bars])
    towards = np.where(up, candles.high[bars], candles.low[bars])
    stop_at = _first(there & (side[:, None] * (against - found.stop[:, None]) <= 0.0))
    target_at = _first(there & (side[:, None] * (towards - found.target[:, None]) >= 0.0))
    opens = candles.open[bars[:, 0]]
    entered = there[:, 0] & (found.low <= opens) & (opens <= found.high)

    outcome = np.full(len(side), OPEN, np.int8)
    outcome[there[:, -1]] = EXPIRED
    at = np.full(len(side), HORIZON - 1)
    for code, first, before in ((TARGET, target_at, stop_at), (STOP, stop_at, target_at)):
        # Of one bar that reaches both, the stop.
        came = (first < HORIZON) & ((first < before) if code == TARGET else (first <= before))
        outcome[came], at[came] = code, first[came]
    outcome[there[:, 0] & ~entered] = MISSED
    at[outcome == MISSED] = 0

    row = np.where(outcome == OPEN, -1, found.row + 1 + at)
    left = bars[np.arange(len(side)), at]
    first_price = candles.open[left]
    price = np.select(
        [outcome == STOP, outcome == TARGET, outcome == EXPIRED],
        [
            _worse(first_price, found.stop, side) * (1.0 - side * costs.slippage),
            np.where(side * (first_price - found.target) > 0.0, first_price, found.target),
            candles.close[left] * (1.0 - side * costs.slippage),
        ],
        np.nan,
    )
    fill = np.where(entered, opens * (1.0 + side * costs.slippage), np.nan)
    price[~entered] = np.nan
    net = side * (price / fill - 1.0) - costs.fee * (1.0 + price / fill)
    risk = np.abs(found.entry - found.stop)
    held = there & (np.arange(HORIZON) < np.where(outcome == OPEN, HORIZON, at)[:, None]) & entered[:, None]
    mae = _excursion(-side[:, None] * (against - fill[:, None]), held, -side * (price - fill))
    mfe = _excursion(side[:, None] * (towards - fill[:, None]), held, side * (price - fill))
    return Outcomes(outcome, row, fill, price, net, net * fill / risk, mae / risk, mfe / risk)


def _first(reached: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.where(reached.any(axis=1), reached.argmax(axis=1), HORIZON)


def _worse(
    opens: NDArray[np.float64], level: NDArray[np.float64], side: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.where(side * (opens - level) < 0.0, opens, level)


def _excursion(
    moves: NDArray[np.float64], held: NDArray[np.bool_], last: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Of the bar that ended it only the price it ended at is known to have come while it was held.
    seen = np.where(held, moves, 0.0).max(axis=1, initial=0.0)
    found: NDArray[np.float64] = np.fmax(seen, np.fmax(last, 0.0))
    return found
