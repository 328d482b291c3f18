"""Terms: what a run is done by besides its rules and costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptai.errors import InputError
from cryptai.market.symbol import parse_symbol
from cryptai.trading.options import FILLS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptai.portfolio.rules import Rules

MOST_STEPS: Final = 8
_POLICIES: Final = (0, 1)


class Terms(NamedTuple):
    """How orders fill, and which markets go together.

    target_steps
        Pairs of bars held and fraction, in place of the rules' target: that of the last pair reached holds,
        before the first there is no target.
    fill
        `open`: market orders fill at the next open; `close`: at the close of the bar that decides.
    groups
        Symbol to the name of its group; a market without one is a group of its own.
    policy
        What holds where bars do not tell which event came first: 0 the worse reading, 1 the better.
    """

    target_steps: tuple[tuple[int, float], ...] = ()
    fill: str = FILLS[0]
    groups: Mapping[str, str] = {}
    policy: int = 0

    def told(self) -> dict[str, Any]:
        """Return, as JSON takes it, what is not as by default."""
        found: dict[str, Any] = {}
        if self.target_steps:
            found["target_steps"] = [list(step) for step in self.target_steps]
        if self.fill != FILLS[0]:
            found["fill"] = self.fill
        if self.groups:
            found["groups"] = dict(sorted(self.groups.items()))
        if self.policy:
            found["policy"] = self.policy
        return found


def check_terms(terms: Terms, rules: Rules, symbols: Sequence[str], *, shorts: bool = False) -> Terms:
    """Return the terms, or refuse those that cannot be kept.

    Raises
    ------
    InputError
        For steps whose bars do not rise from 0 on, or whose fraction no price can reach; another fill or
        policy; a group of a market that is not in the run; `max_per_group` without a group.
    """
    if len(terms.target_steps) > MOST_STEPS:
        raise InputError(
            f"target_steps has {len(terms.target_steps)} pairs; {MOST_STEPS} is the most.",
            field="target_steps",
        )
    before = -1
    for bars, fraction in terms.target_steps:
        if bars <= before:
            raise InputError(
                f"target_steps must rise in bars from 0 on, but {bars} comes after {before}."
                if before >= 0
                else f"target_steps counts bars from 0 on, was {bars}.",
                field="target_steps",
            )
        if not (math.isfinite(fraction) and -1.0 < fraction < (1.0 if shorts else 1000.0)):
            raise InputError(
                f"A step of target_steps must be above -1 and below {1 if shorts else 1000}, was "
                f"{fraction:g}.",
                field="target_steps",
            )
        before = bars
    if terms.fill not in FILLS:
        raise InputError(f"fill must be open or close, was {terms.fill!r}.", field="fill")
    if terms.policy not in _POLICIES:
        raise InputError(f"policy must be 0 or 1, was {terms.policy}.", field="policy")
    groups = {parse_symbol(symbol): str(name) for symbol, name in terms.groups.items()}
    other = next((symbol for symbol in groups if symbol not in symbols), None)
    if other:
        raise InputError(f"{other} has a group, but is no market of this run.", field="group")
    if groups and math.isnan(rules.max_per_group):
        raise InputError(
            "Groups alone limit nothing; give max_per_group, the most positions in one.",
            field="max_per_group",
        )
    if not groups and not math.isnan(rules.max_per_group):
        raise InputError(
            "max_per_group needs groups; name them, such as group majors=BTC/USDT,ETH/USDT.", field="group"
        )
    return terms._replace(groups=groups)
