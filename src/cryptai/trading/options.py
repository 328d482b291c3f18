"""The options of a backtest by name: what each is, its default, and where the command's help shows it."""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptai.portfolio.rules import Rules
from cryptai.trading.costs import Costs


class Option(NamedTuple):
    """One number that a backtest can be given.

    `off` says that `none` is a value, too: the rule is then off. `group` is the heading of the help.
    """

    name: str
    group: str
    help: str
    off: bool = True


_COSTS: Final = "Costs"
_SIZE: Final = "How much"
_EXITS: Final = "Orders and exits"
_LIMITS: Final = "Limits and halts"
_MARGIN: Final = "Leverage"

# In the order of the help. Defaults stand in brackets; without one the rule is off.
NUMBERS: Final = (
    Option("capital", _SIZE, "Cash at the start [10000].", off=False),
    Option("size", _SIZE, "Share of the equity in one entry [1].", off=False),
    Option("stake", _SIZE, "Amount of the quote currency for each entry, in place of size."),
    Option("risk", _SIZE, "Share of the equity lost at the stop."),
    Option("volatility_target", _SIZE, "Yearly volatility a position should have: 0.2 is 20 %."),
    Option("kelly", _SIZE, "Share of the Kelly fraction of the closed trades, after 30: 0.5 is half."),
    Option("max_entries", _SIZE, "Entries that one position may be made of [1].", off=False),
    Option("max_position_size", _SIZE, "Most that one position is worth, over the equity."),
    Option("max_risk_per_trade", _SIZE, "Most of the equity that the stop may cost."),
    Option("stop", _EXITS, "Stop distance, or none [0.08]."),
    Option("target", _EXITS, "Target distance, or none [0.15]."),
    Option("min_reward_risk", _EXITS, "Least target over stop [1.5].", off=False),
    Option("trailing", _EXITS, "Distance of the trailing stop from the best price."),
    Option("trailing_from", _EXITS, "Profit at which the stop begins to trail [0].", off=False),
    Option("max_bars", _EXITS, "Bars after which a position leaves."),
    Option("time_in_force", _EXITS, "Bars that a limit or stop order rests; 0 is the next open only."),
    Option("fee", _COSTS, "Fee of each side [0.001].", off=False),
    Option("maker", _COSTS, "Fee of limit orders that rested [as fee]."),
    Option("slippage", _COSTS, "Slippage of market orders and stops [0.0005].", off=False),
    Option("spread", _COSTS, "Full spread; a market order pays half [0].", off=False),
    Option("slippage_volatility", _COSTS, "Slippage as a multiple of the bar's true range [0].", off=False),
    Option("impact", _COSTS, "Slippage by the root of quantity over volume, times this [0].", off=False),
    Option("max_volume_share", _COSTS, "Most of the last bar's volume that an entry takes."),
    Option("borrow", _COSTS, "Yearly rate on what is borrowed [0].", off=False),
    Option("max_open", _LIMITS, "Most positions open at once."),
    Option("max_exposure", _LIMITS, "Most that all positions are worth, over the equity."),
    Option("max_per_group", _LIMITS, "Most positions open in one --group."),
    Option("daily_loss", _LIMITS, "Loss in a UTC day that ends the day's entries."),
    Option("drawdown_halt", _LIMITS, "Drawdown that ends all entries."),
    Option("cooldown", _LIMITS, "Bars without an entry in a market after a loss there."),
    Option("stop_guard", _LIMITS, "Stopped trades that end entries for a while."),
    Option("stop_guard_bars", _LIMITS, "Bars over which they are counted."),
    Option("stop_guard_pause", _LIMITS, "Bars for which entries end."),
    Option("leverage", _MARGIN, "Worth of a position over its margin [1].", off=False),
    Option("maintenance", _MARGIN, "Maintenance margin, a fraction of the worth."),
)
BY_NAME: Final = {option.name: option for option in NUMBERS}
# What is a rule or a cost, and has no field of its own in a request.
MORE_RULES: Final = tuple(name for name in Rules._fields[4:] if name in BY_NAME)
MORE_COSTS: Final = tuple(name for name in Costs._fields[2:] if name in BY_NAME)

# What other platforms call it, in per cent: `stop_loss_percentage` 8 is `stop` 0.08.
SYNONYMS: Final = {"stop_loss_percentage": "stop", "take_profit_percentage": "target"}

# When a market order fills: at the next open, or at the close of the bar that decides.
FILLS: Final = ("open", "close")
# What is taken from the workspace when it is asked for.
FLAGS: Final = ("funding", "filters", "finer")
