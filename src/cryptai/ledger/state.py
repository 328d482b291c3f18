"""The state of a run over many markets: the account, and of each market its position, order and last close.

Records, so that a compiled loop and a session in Python advance the same bytes. Nothing in them cannot be
refolded from the bars and the strategy's rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What is shared by all markets. Days are UTC days since 1970, steps count from 0.
ACCOUNT: Final = np.dtype(
    [
        ("capital", "f8"), ("cash", "f8"), ("equity", "f8"), ("peak", "f8"), ("floor", "f8"),
        ("max_drawdown", "f8"), ("day_end", "i8"), ("days", "i8"), ("step", "i8"),
        # The equity that sizes this step's entries, and what of the cash an entry inside the bar may take.
        ("sizing", "f8"), ("free", "f8"),
        # Positions open; trades and fills written; trades by their outcome, for Kelly's fraction.
        ("open", "i8"), ("trades", "i8"), ("fills", "i8"),
        ("closed", "i8"), ("wins", "i8"), ("losses", "i8"), ("won", "f8"), ("lost", "f8"),
        # Protections: equity at the end of the day before, the day without entries, the halt, stops so far
        # and in this step, the last step without entries.
        ("day_start", "f8"), ("blocked_day", "i8"), ("halted", "i8"), ("stops", "i8"), ("stopped", "i8"),
        ("guard_until", "i8"),
        # How many events bars did not decide: a reading was taken of each.
        ("readings", "i8"),
    ]
)  # fmt: skip

# What one market has. `row` and `funded` are where it stands in its columns and its funding, `close` is the
# last known close, `side` 0 where no order waits. `triggered` is 1 where a stop-limit order rests as a limit
# order, 2 in the bar that made it so.
MARKET_STATE: Final = np.dtype(
    [
        ("row", "i8"), ("funded", "i8"), ("close", "f8"),
        # The position; `by_steps` says that its target follows the steps.
        ("quantity", "f8"), ("entry_price", "f8"), ("stop", "f8"), ("target", "f8"), ("fees", "f8"),
        ("funding", "f8"), ("entry_bar", "i8"), ("entry_time", "i8"), ("entry_kind", "i8"), ("entries", "i8"),
        ("by_steps", "i8"), ("armed", "i8"), ("trailed", "i8"), ("undecided", "i8"),
        # What the last row decided for the next open.
        ("exits", "i8"), ("reduce", "f8"),
        # The order that waits.
        ("side", "i8"), ("kind", "i8"), ("limit", "f8"), ("trigger", "f8"), ("triggered", "i8"),
        ("age", "i8"), ("order_stop", "f8"), ("order_target", "f8"), ("size", "f8"), ("weight", "f8"),
        ("adds", "f8"), ("score", "f8"), ("volatility", "f8"),
        # A trade lost in this bar; the last bar without entries after one.
        ("lost", "i8"), ("cool_until", "i8"),
    ]
)  # fmt: skip


def first_account(capital: float) -> NDArray[np.void]:
    """Return the account before the first step: one record (`ACCOUNT`), the capital in cash."""
    account = np.zeros(1, ACCOUNT)
    for name in ("capital", "cash", "equity", "peak", "floor", "day_start"):
        account[name] = capital
    account["day_end"] = -(1 << 62)
    account["blocked_day"] = account["guard_until"] = -(1 << 62)
    return account


def first_markets(count: int) -> NDArray[np.void]:
    """Return that many markets (`MARKET_STATE`) without a position or an order."""
    markets = np.zeros(count, MARKET_STATE)
    for name in ("stop", "target", "reduce", "limit", "trigger", "order_stop", "order_target", "size",
                 "weight", "score", "volatility"):  # fmt: skip
        markets[name] = np.nan
    markets["entry_bar"] = -1
    markets["cool_until"] = -(1 << 62)
    return markets
