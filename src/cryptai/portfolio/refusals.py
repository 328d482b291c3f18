"""Why an entry was refused: the words by which refusals are counted."""

from __future__ import annotations

from typing import Final

# The index into REFUSALS; ALLOWED where it was not.
ALLOWED: Final = -1
CASH: Final = 0
STEP: Final = 1
MIN_NOTIONAL: Final = 2
MAX_OPEN: Final = 3
MAX_EXPOSURE: Final = 4
GROUP: Final = 5
DAILY_LOSS: Final = 6
DRAWDOWN: Final = 7
COOLDOWN: Final = 8
STOP_GUARD: Final = 9
VOLUME: Final = 10
KELLY: Final = 11
WRONG_SIDE: Final = 12
REWARD_RISK: Final = 13
REFUSALS: Final = (
    "cash", "step", "min_notional", "max_open", "max_exposure", "group", "daily_loss", "drawdown", "cooldown",
    "stop_guard", "volume", "kelly", "wrong_side", "reward_risk",
)  # fmt: skip
