"""The fields of the full execution by their heading, made of the command's options: none is missed."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from cryptai.trading.options import FILLS, FLAGS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.trading.options import Option
    from cryptai.web.pages.fields import Field

# They stand in the form's first groups.
_PLAIN: Final = (
    "capital", "fee", "slippage", "stop", "target", "size", "risk", "min_reward_risk",
)  # fmt: skip
_NUMBERS: Final = tuple(option for option in NUMBERS if option.name not in _PLAIN)
MORE: Final = (*(option.name for option in _NUMBERS), "fill", "target_steps", "group", *FLAGS)
"""The names of these fields."""
_FLAGS: Final = {
    "funding": "Pay and receive the funding of perpetuals that is stored.",
    "filters": "Keep the venue's steps and minimums as they were at the time, where they are known.",
    "finer": "Take the path inside a bar from finer stored candles.",
}


_FILL: Final = "When a market order fills: at the next open, or at the close that decides."
_STEPS: Final = "Target by bars held, in place of the target."
_GROUPS: Final = "One NAME=MARKET,MARKET in each line; see max per group."
_EXITS: Final = "Orders and exits"


def more_fields(field: Callable[..., Field]) -> list[tuple[str, list[Field]]]:
    """Return headings with their fields; `field(name, label, kind, default, …)` makes one with its value."""
    groups = [
        (name, [_of_option(one, field) for one in options])
        for name, options in groupby(sorted(_NUMBERS, key=lambda one: one.group), key=lambda one: one.group)
    ]
    orders = [
        field("fill", "Fill", "choice", FILLS[0], choices=FILLS, hint=_FILL),
        field("target_steps", "Target steps", "text", "", placeholder="0:0.15,48:0.05", hint=_STEPS),
    ]
    found = [(name, [*fields, *orders] if name == _EXITS else fields) for name, fields in groups]
    data = [field(name, name.capitalize(), "check", "false", hint=hint) for name, hint in _FLAGS.items()]
    several = field("group", "Groups of markets", "lines", "", hint=_GROUPS)
    return [*found, ("From the stored data", data), ("Several markets", [several])]


def _of_option(option: Option, field: Callable[..., Field]) -> Field:
    label = option.name.replace("_", " ").capitalize()
    text = option.help if option.help.endswith(".") else f"{option.help}."
    return field(option.name, label, "text", "", hint=text)
