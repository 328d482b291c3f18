"""How much the reference buys, and what it refuses: one function a rule, from docs/guide/execution.md."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reference_book import (
        Bar,
        Costs,
        Filter,
        Market,
        Position,
        Row,
        Rules,
        Setup,
        Spendable,
        Trade,
    )  # fmt: skip

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


def true_range(before: Bar | None, bar: Bar) -> float:
    if before is None:
        return bar.high - bar.low
    return max(bar.high - bar.low, abs(bar.high - before.close), abs(bar.low - before.close))


def slip(market: Market, bar: int, costs: Costs) -> float:
    """Return the fraction by which a market fill in a bar is worse, before its own impact."""
    total = costs.slippage + (costs.spread or 0.0) / 2
    if bar > 0 and costs.slippage_volatility:
        before, earlier = market.bars[bar - 1], market.bars[bar - 2] if bar > 1 else None
        total += costs.slippage_volatility * true_range(earlier, before) / before.close
    return total


def impact(market: Market, bar: int, quantity: float, costs: Costs) -> float:
    """Return what the square root law adds; nothing where the bar before traded nothing."""
    if bar > 0 and costs.impact and market.bars[bar - 1].volume > 0:
        return costs.impact * math.sqrt(quantity / market.bars[bar - 1].volume)
    return 0.0


def kelly_fraction(trades: list[Trade]) -> float | None:
    """Return `W - (1 - W) / R` over the closed trades; None while there are fewer than 30."""
    if len(trades) < 30:
        return None
    won = [t.pnl for t in trades if t.pnl > 0]
    lost = [-t.pnl for t in trades if t.pnl <= 0]
    if not won:
        return 0.0
    if sum(lost) == 0:
        return 1.0
    share = len(won) / len(trades)
    ratio = (sum(won) / len(won)) / (sum(lost) / len(lost))
    return share - (1 - share) / ratio


def share_of_equity(row: Row, trades: list[Trade], rules: Rules) -> float:
    """Return the share that an entry takes, after the Kelly fraction and the volatility target."""
    size = rules.size if row.size is None else row.size
    if rules.kelly is not None:
        fraction = kelly_fraction(trades)
        if fraction is not None:
            if fraction <= 0:
                raise Refused("kelly")
            size = min(size, rules.kelly * fraction)
    if rules.volatility_target is not None and row.volatility is not None and row.volatility > 0:
        size = min(size, rules.volatility_target / row.volatility)
    return size


def wanted(size: float, equity: float, price: float, stop: float | None, fee: float, rules: Rules) -> float:
    """Return the quantity before any cap."""
    if rules.stake is not None:
        most = rules.stake / price
    else:
        most = equity * size / (price * (1 / rules.leverage + fee))
    if rules.risk is not None and stop is not None:
        most = min(most, equity * rules.risk / abs(price - stop))
    return most


def room(
    quantity: float, price: float, stop: float | None, m: int, held: list[tuple[int, Position, float]],
    spendable: Spendable, rules: Rules,
) -> float:  # fmt: skip
    """Shrink a quantity to what position, risk and exposure allow; `held` has each last known close."""
    equity = spendable.equity
    own = sum(position.quantity for one, position, _ in held if one == m)
    if rules.max_position_size is not None:
        quantity = min(quantity, rules.max_position_size * equity / price - own)
    if rules.max_risk_per_trade is not None and stop is not None:
        quantity = min(quantity, rules.max_risk_per_trade * equity / abs(price - stop))
    if rules.max_exposure is not None:
        exposed = sum(position.quantity * close for _, position, close in held)
        quantity = min(quantity, (rules.max_exposure * equity - exposed) / price)
    if quantity <= 0:
        raise Refused("exposure" if equity > 0 else "cash")
    return quantity


def least(
    quantity: float, price: float, fee: float, market: Market, bar: int, spendable: Spendable, rules: Rules,
    costs: Costs,
) -> float:  # fmt: skip
    """Shrink to the volume and the free cash, floor to the step, and refuse what is then too little."""
    if costs.impact or costs.max_volume_share is not None:
        volume = market.bars[bar - 1].volume
        if volume <= 0:
            raise Refused("volume")
        if costs.max_volume_share is not None:
            quantity = min(quantity, costs.max_volume_share * volume)
    quantity = min(quantity, spendable.cash / (price * (1 / rules.leverage + fee)))
    if quantity <= 0:
        raise Refused("cash")
    row = filter_at(market, market.bars[bar].ts)
    if row is None:
        return quantity
    quantity = down(quantity, row.step)
    if quantity <= 0 or quantity < row.min_quantity:
        raise Refused("step")
    if quantity * price < row.min_notional:
        raise Refused("min_notional")
    return quantity


def check_bracket(
    price: float, side: int, stop: float | None, target: float | None, row: Row, setup: Setup
) -> None:
    """Refuse a stop on the wrong side of the fill, and a bracket from columns that pays too little."""
    if row.stop is not None and stop is not None and (price - stop) * side <= 0:
        raise Refused("wrong_side")
    if (row.stop is not None or row.target is not None) and stop is not None and target is not None:
        ratio = (target - price) / (price - stop)
        if ratio < setup.min_reward_risk * (1 - 1e-12):
            raise Refused("reward_risk")
