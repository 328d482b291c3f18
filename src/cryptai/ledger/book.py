"""The words of the ledger: a book (cash and position), a pending order, a finished trade."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

LONG: Final = 1
SHORT: Final = -1

# Why a position was left. The index into EXIT_REASONS; NO_EXIT where it was not.
NO_EXIT: Final = -1
SIGNAL: Final = 0
STOP: Final = 1
TARGET: Final = 2
END: Final = 3
TRAILING: Final = 4
TIME: Final = 5
LIQUIDATION: Final = 6
REDUCE: Final = 7
EXIT_REASONS: Final = ("signal", "stop", "target", "end", "trailing", "time", "liquidation", "reduce")

# How a position was entered: by which kind of order. The index into ENTRY_KINDS.
MARKET: Final = 0
LIMIT: Final = 1
TRIGGER: Final = 2
STOP_LIMIT: Final = 3
ENTRY_KINDS: Final = ("market", "limit", "trigger", "stop_limit")


class Book(NamedTuple):
    """Cash and the one open position, folded from fills: a value; folding gives a new one.

    `quantity` is signed (short below zero), `stop` and `target` are prices (NaN: none), `fees` what the entry
    cost, `entry_bar` the row it was opened on, `trades` how many round trips are finished.
    """

    cash: float
    quantity: float
    entry_price: float
    stop: float
    target: float
    fees: float
    entry_bar: int
    trades: int


class Mark(NamedTuple):
    """The book's value over time: equity and peak, drawdown as a fraction of the peak, days seen.

    `floor` is the equity below which the drawdown deepens; `day_end` where the current UTC day ends (ms).
    """

    equity: float
    peak: float
    floor: float
    max_drawdown: float
    day_end: int
    days: int


class Order(NamedTuple):
    """What was decided at a close, for the next open: leave (bits of `signals`), then enter (side or 0)."""

    exits: int
    side: int


class Exit(NamedTuple):
    """The fill that closes a position: its price and why; `NO_EXIT` where there was none."""

    price: float
    reason: int


# One round trip, or the part of one that an exit ended, as the kernel writes it. Times are bar opens in ms
# UTC, `market` is the index into the run's markets, `funding` what was paid for funding and borrowing,
# `undecided` 1 where the bars do not tell which of two events came first and a rule chose.
TRADE: Final = np.dtype(
    [
        ("side", "i8"), ("entry_bar", "i8"), ("exit_bar", "i8"), ("entry_time", "i8"), ("exit_time", "i8"),
        ("entry_price", "f8"), ("exit_price", "f8"), ("quantity", "f8"), ("fees", "f8"), ("pnl", "f8"),
        ("exit_reason", "i8"), ("funding", "f8"), ("market", "i4"), ("entry_kind", "i2"), ("undecided", "i2"),
    ]
)  # fmt: skip

# One fill, as the market gave it: the quantity is signed, the fee an amount. `why` is an entry kind where
# `entered` is 1, else an exit reason.
FILL: Final = np.dtype(
    [
        ("time", "i8"), ("market", "i8"), ("bar", "i8"), ("quantity", "f8"), ("price", "f8"), ("fee", "f8"),
        ("entered", "i8"), ("why", "i8"),
    ]
)  # fmt: skip
