"""Rules: every limit a run obeys, read by Python and by the kernel."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from cryptai.errors import InputError

STOP = 0.08
TARGET = 0.15
MIN_REWARD_RISK = 1.5
# Less than this share of the equity is what rounding leaves, and nothing to trade with.
DUST: Final = 1e-9
# The highest that a venue of ours offers on any contract (Binance USD-M, BTCUSDT); a market's own bracket,
# where it is known, is lower.
MAX_LEVERAGE: Final = 125.0


class Rules(NamedTuple):
    """What a position may risk and how it ends. NaN switches a rule off (all fields stay floats).

    How each rule acts, and in which order, stands in docs/guide/execution.md. A bar is one of the market's
    own; a clock step is one bar of any market of the run. Fractions: 0.08 is 8 %.

    stop, target
        Distance of the bracket from the fill price, as a fraction of it.
    size
        Share of the equity a new position costs, fee included: 1.0 is all of it.
    risk
        Share of the equity lost if the stop fills at its level, before costs; never more than `size`.
    stake
        Amount of the quote currency for each entry, in place of `size`.
    volatility_target
        Yearly volatility a position should have: the size is no more than this over the market's own.
    kelly
        Share of the Kelly fraction of the run's closed trades (0.5 is half), once there are 30 of them.
    trailing, trailing_from
        Distance of the trailing stop from the best price since entry; the profit at which it starts.
    max_bars
        Bars after which a position leaves at the open.
    time_in_force
        Bars that a limit or stop order rests; 0 is the next open only, NaN until replaced or cancelled.
    max_entries
        Entries that one position may be made of: 1 is no scaling in.
    max_open, max_per_group
        Open positions of the run, and of one group of markets.
    max_exposure, max_position_size
        Sum of all positions' worth, and one position's, over the equity.
    max_risk_per_trade
        Most of the equity that the stop may cost, whatever the sizing asks.
    daily_loss, drawdown_halt
        Loss since the last UTC day, and from the peak, at which entries stop: for the day, and for good.
    cooldown
        Bars without an entry in a market after a trade lost there.
    stop_guard, stop_guard_bars, stop_guard_pause
        So many stopped trades within so many clock steps end entries for so many steps.
    leverage, maintenance
        Worth of a position over its margin; the maintenance margin as a fraction of the worth.
    """

    stop: float = STOP
    target: float = TARGET
    size: float = 1.0
    risk: float = math.nan
    stake: float = math.nan
    volatility_target: float = math.nan
    kelly: float = math.nan
    trailing: float = math.nan
    trailing_from: float = 0.0
    max_bars: float = math.nan
    time_in_force: float = math.nan
    max_entries: float = 1.0
    max_open: float = math.nan
    max_exposure: float = math.nan
    max_position_size: float = math.nan
    max_risk_per_trade: float = math.nan
    max_per_group: float = math.nan
    daily_loss: float = math.nan
    drawdown_halt: float = math.nan
    cooldown: float = math.nan
    stop_guard: float = math.nan
    stop_guard_bars: float = math.nan
    stop_guard_pause: float = math.nan
    leverage: float = 1.0
    maintenance: float = math.nan

    def told(self) -> dict[str, float]:
        """Return what a reader of a result is told: the first four, and each other rule that is on."""
        off = Rules()
        return {
            name: value
            for i, (name, value) in enumerate(self._asdict().items())
            if i < FIRST or not (value == off[i] or (math.isnan(value) and math.isnan(off[i])))
        }

    def plain(self) -> bool:
        """Say whether only the first four rules are on: what one market's fast road knows."""
        return len(self.told()) == FIRST


FIRST: Final = 4

# Name: lowest, highest, whether the lowest itself is meant, and how a person writes it.
_SHARES: Final[dict[str, tuple[float, float, bool, str]]] = {
    "stake": (0.0, 1e15, False, "1000 is a thousand of the quote currency"),
    "volatility_target": (0.0, 10.0, False, "0.2 is 20 % a year"),
    "kelly": (0.0, 1.0, False, "0.5 is half of the Kelly fraction"),
    "trailing_from": (0.0, 1000.0, True, "0.02 is 2 % of profit"),
    "max_exposure": (0.0, MAX_LEVERAGE, False, "1 is all equity"),
    "max_position_size": (0.0, MAX_LEVERAGE, False, "0.1 is 10 % of the equity"),
}
_BELOW_ONE: Final[dict[str, str]] = {
    "trailing": "0.05 is 5 %",
    "max_risk_per_trade": "0.02 is 2 % of the equity",
    "daily_loss": "0.05 is 5 %",
    "drawdown_halt": "0.2 is 20 %",
    "maintenance": "0.005 is 0.5 % of the position",
}
_WHOLE: Final[dict[str, int]] = {
    "max_bars": 1, "time_in_force": 0, "max_entries": 1, "max_open": 1, "max_per_group": 1, "cooldown": 1,
    "stop_guard": 1, "stop_guard_bars": 1, "stop_guard_pause": 1,
}  # fmt: skip
_MOST_WHOLE: Final = 10_000_000
# A value under one name that another name would make meaningless.
_EXCLUDED: Final = (("stake", "kelly"), ("stake", "volatility_target"))


def check_rules(
    rules: Rules,
    *,
    min_reward_risk: float = MIN_REWARD_RISK,
    shorts: bool = False,
    own_stops: bool = False,
    max_leverage: float = MAX_LEVERAGE,
) -> Rules:
    """Return the rules, or refuse those that cannot be kept.

    Parameters
    ----------
    shorts
        Whether the strategy may sell short.
    own_stops
        Whether the strategy's columns give stops, so that risk can be measured without `rules.stop`.
    max_leverage
        The venue's, where it is known.

    Raises
    ------
    InputError
        For a stop or size outside (0, 1), a target not above 0 (nor below 1 where shorts are allowed: a price
        does not fall below zero), risk without a stop, a target under `min_reward_risk` × stop, any other
        rule outside its range, or two that contradict each other; `field` is the rule's name.
    """
    if not (math.isnan(rules.stop) or 0.0 < rules.stop < 1.0):
        raise InputError(f"stop must be above 0 and below 1 (0.08 is 8 %), was {rules.stop:g}.", field="stop")
    if not (math.isnan(rules.target) or 0.0 < rules.target < (1.0 if shorts else 1000.0)):
        top = "1, since shorts are allowed and no price falls below zero" if shorts else "1000"
        raise InputError(
            f"target must be above 0 and below {top} (0.15 is 15 %), was {rules.target:g}.", field="target"
        )
    if not 0.0 < rules.size <= 1.0:
        raise InputError(
            f"size must be above 0 and at most 1 (1 is all equity), was {rules.size:g}.", field="size"
        )
    if not math.isnan(rules.risk) and not 0.0 < rules.risk < 1.0:
        raise InputError(f"risk must be above 0 and below 1 (0.01 is 1 %), was {rules.risk:g}.", field="risk")
    for name in ("risk", "max_risk_per_trade"):
        if not math.isnan(getattr(rules, name)) and math.isnan(rules.stop) and not own_stops:
            raise InputError(
                f"{name} is measured to the stop, and there is none; give a stop too.", field=name
            )
    if not (math.isfinite(min_reward_risk) and min_reward_risk >= 0.0):
        raise InputError(
            f"min_reward_risk must be 0 or more, was {min_reward_risk:g}.", field="min_reward_risk"
        )
    # The tolerance lets 0.06 over 0.04 be the 1.5 that it is on paper.
    if rules.target / rules.stop < min_reward_risk * (1 - 1e-12):
        raise InputError(
            f"A target of {rules.target:g} over a stop of {rules.stop:g} is a reward:risk of "
            f"{rules.target / rules.stop:.3g}, below the minimum of {min_reward_risk:g}; raise the target to "
            f"{rules.stop * min_reward_risk:g}, lower the stop, or set another min_reward_risk.",
            field="target",
        )
    _check_ranges(rules, max_leverage)
    _check_together(rules)
    return rules


def _check_ranges(rules: Rules, max_leverage: float) -> None:
    for name, (low, high, included, example) in _SHARES.items():
        value = getattr(rules, name)
        if not (math.isnan(value) or low < value <= high or (included and value == low)):
            words = f"{low:g} or more" if included else f"above {low:g}"
            raise InputError(
                f"{name} must be {words} and at most {high:g} ({example}), was {value:g}.", field=name
            )
    for name, example in _BELOW_ONE.items():
        value = getattr(rules, name)
        if not (math.isnan(value) or 0.0 < value < 1.0):
            raise InputError(f"{name} must be above 0 and below 1 ({example}), was {value:g}.", field=name)
    for name, least in _WHOLE.items():
        value = getattr(rules, name)
        if not (math.isnan(value) or (least <= value <= _MOST_WHOLE and value == math.floor(value))):
            raise InputError(
                f"{name} must be a whole number from {least} to {_MOST_WHOLE:,}, was {value:g}.", field=name
            )
    for name in ("trailing_from", "max_entries", "leverage"):
        if math.isnan(getattr(rules, name)):
            raise InputError(f"{name} must be a number; {Rules()._asdict()[name]:g} is off.", field=name)
    if not 1.0 <= rules.leverage <= max_leverage:
        raise InputError(
            f"leverage must be from 1 to {max_leverage:g}, the most that the venue gives, was "
            f"{rules.leverage:g}.",
            field="leverage",
        )


def _check_together(rules: Rules) -> None:
    for name, other in _EXCLUDED:
        if not (math.isnan(getattr(rules, name)) or math.isnan(getattr(rules, other))):
            raise InputError(f"{name} fixes each entry's amount, {other} changes it; give one.", field=other)
    guard = ("stop_guard", "stop_guard_bars", "stop_guard_pause")
    missing = [name for name in guard if math.isnan(getattr(rules, name))]
    if missing and len(missing) < len(guard):
        raise InputError(
            f"A stop guard needs stop_guard, stop_guard_bars and stop_guard_pause; {missing[0]} is missing.",
            field=missing[0],
        )
    # A long is liquidated at (1 - 1 / leverage) / (1 - maintenance) of its entry: here that is the entry.
    if rules.maintenance >= 1.0 / rules.leverage:
        raise InputError(
            f"A maintenance margin of {rules.maintenance:g} with leverage {rules.leverage:g} liquidates each "
            f"position at its entry; maintenance must be below {1.0 / rules.leverage:g}.",
            field="maintenance",
        )
