"""The tables that the loop over many markets is handed: each market's columns, the terms, the run itself.

Records of addresses and numbers. They stand apart from the compiled functions that read them, so that whoever
fills them does not import a compiler.
"""

from __future__ import annotations

from operator import attrgetter
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
# How many of its fields every market has: the first ones.
_ALWAYS: Final = _NAMES.index("exits") + 1
_said_by: Final = attrgetter(*SAID)
_NEVER: Final = np.empty(0, np.int64)

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

    `clock` is the sorted union of all bar opens, which are multiples of `step_ms` apart; 0 is not known.
    """

    def __init__(self, markets: Sequence[Market], step_ms: int = 0) -> None:
        self._kept: list[object] = [one.candles for one in markets]
        times = [one.candles.ts for one in markets]
        # Markets whose bars open at the same times share one column of them: it stays in the cache.
        same = _same(times, step_ms)
        self.clock = np.ascontiguousarray(times[0] if same else np.unique(np.concatenate(times or [_NEVER])))
        shared = address(self.clock) if same else 0
        self.columns = np.zeros(len(markets), COLUMNS)
        # All numbers at once, for all fields are of one kind; one by one they take longer than short runs.
        rows = [self._row(one, shared) for one in markets]
        numbers = self.columns.view(np.int64).reshape(len(rows), len(_NAMES))
        numbers[:, :_ALWAYS] = np.array(rows, np.int64).reshape(len(rows), _ALWAYS)
        for i, one in enumerate(markets):
            self._fill(i, one)

    def _row(self, market: Market, shared: int) -> tuple[int, ...]:
        # What every market has, in the order of the fields.
        bars, signals, at = market.candles, market.signals, self._address
        ts, *prices = bars.addresses
        return (
            len(bars.ts), 0, 0, market.group, 0, shared or ts, *prices,
            at(signals.entry, np.int8), at(signals.exits, np.int8),
        )  # fmt: skip

    def _fill(self, i: int, market: Market) -> None:
        # What a market may have beside, and most have not.
        row, signals, at = self.columns, market.signals, self._address
        for name, said in zip(SAID, _said_by(signals), strict=True):
            if said is not None:
                row[name][i] = at(said, np.float64)
        if market.volatility is not None:
            row["volatility"][i] = at(market.volatility, np.float64)
        if market.funding is not None:
            ts, rate = market.funding
            row["fundings"][i] = len(ts)
            row["funding_ts"][i], row["funding_rate"][i] = at(ts, np.int64), at(rate, np.float64)
        if market.filters is not None:
            row["filters"][i], row["filter_ts"][i] = len(market.filters.ts), at(market.filters.ts, np.int64)
            for name in ("tick", "step", "min_quantity", "min_notional"):
                row[name][i] = at(getattr(market.filters, name), np.float64)
        if market.finer is not None:
            row["finer"][i] = at(market.finer.offsets, np.int64)
            for name in ("open", "high", "low", "close"):
                row["finer_" + name][i] = at(getattr(market.finer, name), np.float64)

    def _address(self, values: NDArray[np.generic], dtype: type[np.generic]) -> int:
        held = np.ascontiguousarray(values, dtype)
        self._kept.append(held)
        return address(held)


def _same(times: Sequence[NDArray[np.int64]], step_ms: int) -> bool:
    # Whether all are the same times. Without a hole, where they begin and end and how many they are says all.
    first = times[0] if times else _NEVER
    others = [one for one in times if one is not first]
    if not len(first) or not others:
        return bool(times) and not any(len(one) for one in others)
    count, begin, end = len(first), first.item(0), first.item(-1)
    if any(len(one) != count or one.item(0) != begin or one.item(-1) != end for one in others):
        return False
    whole = step_ms > 0 and end - begin == (count - 1) * step_ms
    return whole or all(one.tobytes() == first.tobytes() for one in others)
