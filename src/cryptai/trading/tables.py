"""The tables that the loop over many markets is handed: each market's columns, the terms, the run itself.

Records of addresses and numbers. They stand apart from the compiled functions that read them, so that whoever
fills them does not import a compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.portfolio.rules import Rules
from cryptai.signals import COLUMNS as SAID
from cryptai.trading.costs import Costs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.trading.market import Market

# One market. Addresses are 0 where there is no such column. Rows before `first` are known, but over; `base`
# is the number of the market's bars before row 0. `volatility` is yearly, `finer` holds for each row where
# its finer bars begin (one entry more than rows).
COLUMNS: Final = np.dtype(
    [
        (name, "i8")
        for name in (
            "rows", "first", "base", "group",
            "ts", "open", "high", "low", "close", "volume", "entry", "exits",
            *SAID, "volatility",
            "fundings", "funding_ts", "funding_rate",
            "filters", "filter_ts", "tick", "step", "min_quantity", "min_notional",
            "finer", "finer_open", "finer_high", "finer_low", "finer_close",
        )
    ]
)  # fmt: skip

# Every rule and cost under its name, and how the run is done: `at_close` fills market orders at the deciding
# bar's close; each bit of `readings` takes the better of one event that bars do not tell, its sign of all
# further ones.
TERMS: Final = np.dtype(
    [(name, "f8") for name in (*Rules._fields, *Costs._fields, "min_reward_risk")]
    + [(name, "i8") for name in ("at_close", "readings", "close_at_end")]
)

# One run: addresses of what it reads and writes, and how many of each there are. `held` are the markets with
# a position, in order; `wake` is when each market must be looked at again; `due` are those of this step and
# `ranked` those that enter, both as numbers of markets.
RUN: Final = np.dtype(
    [
        (name, "i8")
        for name in (
            "count", "columns", "markets", "account", "terms", "pairs", "steps", "held", "wake", "due",
            "ranked", "clocks", "clock", "equity", "days", "daily", "trades", "fill_room", "fills", "refused",
            "places", "stops",
        )
    ]
)  # fmt: skip


def terms(
    rules: Rules,
    costs: Costs,
    min_reward_risk: float,
    fill: str,
    policy: int,
    close_at_end: bool,
    readings: int | None = None,
) -> NDArray[np.void]:
    """Return what a run is done by, as the one record that the kernel reads (`TERMS`).

    `readings` names the events that are read the better way, in place of `policy`, which is all or none.
    """
    made = np.zeros(1, TERMS)
    for name, value in (*rules._asdict().items(), *costs._asdict().items()):
        made[name] = value
    made["min_reward_risk"], made["readings"] = min_reward_risk, -policy if readings is None else readings
    made["at_close"], made["close_at_end"] = fill == "close", close_at_end
    return made


class Table:
    """The markets' columns as a kernel takes them: a record of addresses each; it keeps the arrays alive."""

    def __init__(self, times: Sequence[NDArray[np.int64]]) -> None:
        self.columns = np.zeros(len(times), COLUMNS)
        self._times = times
        self._kept: list[object] = []

    def clock(self) -> NDArray[np.int64]:
        """Return the sorted union of all bar opens."""
        times = self._times
        if not times:
            return np.empty(0, np.int64)
        first = times[0]
        if all(one is first or (len(one) == len(first) and np.array_equal(one, first)) for one in times):
            return np.ascontiguousarray(first)
        return np.unique(np.concatenate(times))

    def fill(self, i: int, market: Market, *, first: int = 0, base: int = 0) -> None:
        """Set the row of one market; rows before `first` are over, `base` bars were before row 0."""
        row, bars, signals = self.columns[i], market.candles, market.signals
        row["rows"], row["first"], row["base"], row["group"] = len(bars), first, base, market.group
        for name in ("open", "high", "low", "close", "volume"):
            row[name] = self._address(getattr(bars, name), np.float64)
        row["ts"] = self._address(bars.ts, np.int64)
        row["entry"], row["exits"] = (self._address(a, np.int8) for a in (signals.entry, signals.exits))
        for name in SAID:
            row[name] = self._address(getattr(signals, name), np.float64)
        row["volatility"] = self._address(market.volatility, np.float64)
        if market.funding is not None and len(market.funding[0]):
            row["fundings"] = len(market.funding[0])
            row["funding_ts"] = self._address(market.funding[0], np.int64)
            row["funding_rate"] = self._address(market.funding[1], np.float64)
        if market.filters is not None and len(market.filters.ts):
            row["filters"] = len(market.filters.ts)
            row["filter_ts"] = self._address(market.filters.ts, np.int64)
            for name in ("tick", "step", "min_quantity", "min_notional"):
                row[name] = self._address(getattr(market.filters, name), np.float64)
        if market.finer is not None:
            row["finer"] = self._address(market.finer.offsets, np.int64)
            for name in ("open", "high", "low", "close"):
                row["finer_" + name] = self._address(getattr(market.finer, name), np.float64)

    def _address(self, values: NDArray[np.generic] | None, dtype: type[np.generic]) -> int:
        if values is None:
            return 0
        held = np.ascontiguousarray(values, dtype)
        self._kept.append(held)
        return int(held.__array_interface__["data"][0])
