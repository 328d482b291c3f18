"""How much the reference buys, and what it refuses: one function a rule, from docs/guide/execution.md."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reference_book import Bar, Costs, Filter, Market, Position, Row, Rules, Setup, Trade

# A price that is on a step but for the last bits of a float is on it.
NEARLY = 1e-9


class Refused(Exception):
    """An entry is not taken; the argument is the reason's name."""


def filter_at(market: Market, ts: int) -> Filter | None:
    """Return the filter in force at a time: the last row that began at or before it."""
    row = None
    for candidate in market.filters:
        if candidate.from_ms <= ts:
            row = candidate
    return row


def down(value: float, step: float) -> float:
    """Floor to a multiple of the step; 0 is any value."""
    return math.floor(value / step + NEARLY) * step if step else value


def up(value: float, step: float) -> float:
    return math.ceil(value / step - NEARLY) * step if step else value


def level(value: float, side: int, tick: float) -> float:
    """Round a stop or target to the tick: a long's down, a short's up."""
    return down(value, tick) if side > 0 else up(value, tick)


# --- slippage


def true_range(before: Bar | None, bar: Bar) -> float:
    if before is None:
        return bar.high - bar.low
    return max(bar.high - bar.low, abs(bar.high - before.close), abs(bar.low - before.close))


def slip(market: Market, last: int, costs: Costs) -> float:
    """Return the fraction by which a market fill is worse, but for its impact; `last` closed last."""
    total = costs.slippage + (costs.spread or 0.0) / 2
    if last >= 0 and costs.slippage_volatility:
        bar, before = market.bars[last], market.bars[last - 1] if last > 0 else None
        total += costs.slippage_volatility * true_range(before, bar) / bar.close
    return total


def impact(market: Market, last: int, quantity: float, costs: Costs) -> float:
    """Return what the square root law adds; where nothing was traded the quantity is all of it."""
    if not costs.impact or last < 0:
        return 0.0
    volume = market.bars[last].volume
    return costs.impact * math.sqrt(quantity / volume if volume > 0 else 1.0)


# --- how much


def kelly_fraction(trades: list[Trade]) -> float | None:
    """Return `W - (1 - W) / R` over the trades; None while there are fewer than 30, 0 without a win."""
    if len(trades) < 30:
        return None
    won = [t.pnl for t in trades if t.pnl > 0]
    lost = [-t.pnl for t in trades if t.pnl < 0]
    share = len(won) / len(trades)
    if not won:
        return 0.0
    if not lost:
        return share
    return share - (1 - share) / ((sum(won) / len(won)) / (sum(lost) / len(lost)))


def wanted(
    row: Row, equity: float, price: float, away: float | None, fee: float, trades: list[Trade], rules: Rules
) -> float:
    """Return the quantity before any cap; `away` is the distance to the stop.

    The row's size comes before a stake, a stake before all shares of the equity.
    """
    if row.size is None and rules.stake is not None:
        most = rules.stake / price
    else:
        size = rules.size if row.size is None else row.size
        if rules.kelly is not None and (fraction := kelly_fraction(trades)) is not None:
            size = min(size, rules.kelly * fraction)
        if rules.volatility_target is not None and row.volatility is not None and row.volatility > 0:
            size = min(size, rules.volatility_target / row.volatility)
        most = equity * size / (price * (1 / rules.leverage + fee))
    if rules.risk is not None and away is not None:
        most = min(most, equity * rules.risk / away)
    return most


def capped(
    quantity: float, price: float, away: float | None, m: int, held: list[tuple[int, Position, float]],
    equity: float, rules: Rules,
) -> float:  # fmt: skip
    """Shrink a quantity to what position, risk and exposure allow; `held` has each last known close."""
    own = sum(position.quantity for one, position, _ in held if one == m)
    if rules.max_position_size is not None:
        quantity = min(quantity, rules.max_position_size * equity / price - own)
    if rules.max_risk_per_trade is not None and away is not None:
        quantity = min(quantity, rules.max_risk_per_trade * equity / away)
    if rules.max_exposure is not None:
        exposed = sum(position.quantity * close for _, position, close in held)
        quantity = min(quantity, (rules.max_exposure * equity - exposed) / price)
    return quantity


# --- what is refused


def check_volume(market: Market, last: int, costs: Costs) -> None:
    if (costs.impact or costs.max_volume_share is not None) and not market.bars[last].volume > 0:
        raise Refused("volume")


def check_sides(price: float, side: int, stop: float | None, target: float | None) -> None:
    """Refuse a bracket on the wrong side of the fill."""
    if stop is not None and (price - stop) * side <= 0:
        raise Refused("wrong_side")
    if target is not None and (target - price) * side <= 0:
        raise Refused("wrong_side")


def check_reward(price: float, stop: float | None, target: float | None, row: Row, setup: Setup) -> None:
    """Refuse a bracket of the row's own that pays too little for its risk."""
    if (row.stop is None and row.target is None) or stop is None or target is None:
        return
    if abs(target - price) / abs(price - stop) < setup.min_reward_risk * (1 - 1e-12):
        raise Refused("reward_risk")


def check_kelly(row: Row, trades: list[Trade], rules: Rules) -> None:
    if rules.kelly is None or (row.size is None and rules.stake is not None):
        return
    fraction = kelly_fraction(trades)
    if fraction is not None and fraction <= 0:
        raise Refused("kelly")


def check_step(quantity: float, price: float, row: Filter | None) -> None:
    if quantity <= 0 or (row is not None and quantity < row.min_quantity):
        raise Refused("step")
    if row is not None and quantity * price < row.min_notional:
        raise Refused("min_notional")
