"""The tables that the loop over many markets is handed: each market's columns, the terms, the run itself.

Records of addresses and numbers. They stand apart from the compiled functions that read them, so that whoever
fills them does not import a compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.jit import address
from cryptai.portfolio.rules import Rules
from cryptai.signals import COLUMNS as SAID
from cryptai.trading.costs import Costs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.trading.market import Market

# One market. Addresses are 0 where there is no such column. Rows before `first` are known, but over; `base`
# is the number of the market's bars before row 0. `volatility` is yearly, `finer` holds for each row where
# its finer bars begin (one entry more than rows); the kernel sets `speaks` where a held market's rows count.
COLUMNS: Final = np.dtype(
    [
        (name, "i8")
        for name in (
            "rows", "first", "base", "group", "speaks",
            "ts", "open", "high", "low", "close", "volume", "entry", "exits",
            *SAID, "volatility",
            "fundings", "funding_ts", "funding_rate",
            "filters", "filter_ts", "tick", "step", "min_quantity", "min_notional",
            "finer", "finer_open", "finer_high", "finer_low", "finer_close",
        )
    ]
)  # fmt: skip

_NAMES: Final = COLUMNS.names or ()

# Every rule and cost under its name, and how the run is done: `at_close` fills market orders at the deciding
# bar's close; each bit of `readings` takes the better of one event that bars do not tell, its sign of all
# further ones.
TERMS: Final = np.dtype(
    [(name, "f8") for name in (*Rules._fields, *Costs._fields, "min_reward_risk")]
    + [(name, "i8") for name in ("at_close", "readings", "close_at_end")]
)

# One run: addresses of what it reads and writes, and how many of each there are. `held` are the markets with
# a position, in order; `wake` is when each market must be looked at again; `due` are those of this step and
# `ranked` those that enter, both as numbers of markets. `carries` and `weighs` say whether positions cost
# anything while they are held, and whether any row has a weight; `calms` whether any bar may pass unseen
# (`cryptai.trading.calm`).
RUN: Final = np.dtype(
    [
        (name, "i8")
        for name in (
            "count", "columns", "markets", "account", "terms", "pairs", "steps", "held", "wake", "due",
            "ranked", "clocks", "clock", "equity", "days", "daily", "trades", "fill_room", "fills", "refused",
            "places", "stops", "carries", "weighs", "calms",
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
    """The markets' columns as a kernel takes them: a record of addresses each; it keeps the arrays alive.

    `clock` is the sorted union of all bar opens, which are multiples of `step_ms` apart.
    """

    def __init__(self, times: Sequence[NDArray[np.int64]], step_ms: int = 0) -> None:
        self.columns = np.zeros(len(times), COLUMNS)
        self._kept: list[object] = []
        first = times[0] if times else np.empty(0, np.int64)
        # Markets whose bars open at the same times share one column of them: it stays in the cache.
        same = all(_same(one, first, step_ms) for one in times)
        self.clock = np.ascontiguousarray(first if same else np.unique(np.concatenate(times)))
        self._same = self._address(self.clock, np.int64) if same else 0

    def fill(self, i: int, market: Market, *, first: int = 0, base: int = 0) -> None:
        """Set the row of one market; rows before `first` are over, `base` bars were before row 0."""
        bars, signals, at = market.candles, market.signals, self._address
        row = dict.fromkeys(_NAMES, 0)
        row["rows"], row["first"], row["base"], row["group"] = len(bars), first, base, market.group
        self._kept.append(bars)
        row["ts"], row["open"], row["high"], row["low"], row["close"], row["volume"] = bars.addresses
        row["ts"] = self._same or row["ts"]
        row["entry"], row["exits"] = at(signals.entry, np.int8), at(signals.exits, np.int8)
        for name in SAID:
            if (said := getattr(signals, name)) is not None:
                row[name] = at(said, np.float64)
        if market.volatility is not None:
            row["volatility"] = at(market.volatility, np.float64)
        if market.funding is not None:
            row["fundings"] = len(market.funding[0])
            row["funding_ts"], row["funding_rate"] = (
                at(market.funding[0], np.int64),
                at(market.funding[1], np.float64),
            )
        if market.filters is not None:
            row["filters"], row["filter_ts"] = len(market.filters.ts), at(market.filters.ts, np.int64)
            for name in ("tick", "step", "min_quantity", "min_notional"):
                row[name] = at(getattr(market.filters, name), np.float64)
        if market.finer is not None:
            row["finer"] = at(market.finer.offsets, np.int64)
            for name in ("open", "high", "low", "close"):
                row["finer_" + name] = at(getattr(market.finer, name), np.float64)
        self.columns[i] = tuple(row.values())

    def _address(self, values: NDArray[np.generic], dtype: type[np.generic]) -> int:
        held = np.ascontiguousarray(values, dtype)
        self._kept.append(held)
        return address(held)


def _same(one: NDArray[np.int64], other: NDArray[np.int64], step_ms: int) -> bool:
    if one is other or len(one) != len(other):
        return one is other
    # Without a hole, where they begin and how many they are says all.
    whole = len(one) > 0 and one[0] == other[0] and one[-1] == other[-1]
    if whole and step_ms > 0 and one[-1] - one[0] == (len(one) - 1) * step_ms:
        return True
    return one.tobytes() == other.tobytes()
