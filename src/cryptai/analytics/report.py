"""Report: what one wants to know of a run, in tables and series, beside its metrics.

It is made of the object that `backtest --json` prints, the equity, and the candles; so a stored run, one that
was made this moment and another engine's trade list are read alike. What each figure means stands once in
docs/guide/results.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics.capacity import capacity
from cryptai.analytics.drawdowns import Drawdown, drawdowns, fallen
from cryptai.analytics.exposure import Exposure, exposure, last_bars
from cryptai.analytics.plausible import doubts
from cryptai.analytics.round_trips import RoundTrips, of_rows, regimes_at_entry
from cryptai.analytics.tables import Line, Period, as_rows, by_label, by_time, whole
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, eq=False)
class Report:
    """One run, told in full.

    Attributes
    ----------
    found
        The run's object, as `backtest --json` prints it.
    ts, equity
        Bar opens (ms UTC) and the equity at each close.
    months, years
        Its returns and trades by UTC month and year; see `Period`.
    groups
        Its trades by `symbol`, `side`, `entry_reason`, `exit_reason`, `regime` (the one known at entry); see
        `Line`. A kind of which there is one line only is there, too.
    doubts
        Sentences on figures too good to be true.
    held
        What holding would have been worth at each close; None without candles.
    capacity
        The worth of an entry at which the edge is gone; see `cryptai.analytics.capacity`.
    """

    found: Mapping[str, Any]
    ts: NDArray[np.int64]
    equity: NDArray[np.float64]
    trips: RoundTrips
    trades: Line | None
    longest_wins: int
    longest_losses: int
    months: list[Period]
    years: list[Period]
    groups: dict[str, list[Line]]
    drawdowns: list[Drawdown]
    exposure: Exposure
    doubts: list[str]
    held: NDArray[np.float64] | None
    capacity: float | None

    @property
    def drawdown(self) -> NDArray[np.float64]:
        """Return the fall from the peak at each close, a positive fraction; the capital is the first peak."""
        return fallen(self.found["capital"], self.equity)

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it: head, metrics, tables, and the last row of each UTC day.

        `daily` rows are bar open (ms UTC), equity, drawdown, gross exposure (None: unknown).
        """
        told = {name: self.found[name] for name in _HEAD if name in self.found}
        extra = {"longest_wins": self.longest_wins, "longest_losses": self.longest_losses}
        return {
            **told,
            "metrics": dict(self.found["metrics"]),
            "doubts": self.doubts,
            "trades": None if self.trades is None else {**asdict(self.trades), **extra},
            "exposure": {
                "mean": self.exposure.mean,
                "highest": self.exposure.highest,
                "most_positions": int(self.exposure.positions.max(initial=0)),
            },
            "months": as_rows(self.months),
            "years": as_rows(self.years),
            "by": {name: as_rows(table) for name, table in self.groups.items()},
            "capacity": self.capacity,
            "drawdowns": [one.as_object() for one in self.drawdowns],
            "daily": self._daily(),
        }

    def _daily(self) -> list[list[float | None]]:
        if not len(self.ts):
            return []
        day = self.ts // _DAY_MS
        last = np.append(np.flatnonzero(day[1:] != day[:-1]), len(day) - 1)
        gross = [None if np.isnan(one) else one for one in self.exposure.gross[last].tolist()]
        columns = self.ts[last].tolist(), self.equity[last].tolist(), self.drawdown[last].tolist(), gross
        return [list(row) for row in zip(*columns, strict=True)]


_HEAD: Final = (
    "run", "strategy", "params", "exchange", "symbol", "symbols", "timeframe", "from", "to", "bars",
    "capital", "costs", "rules", "practice", "engine", "data_digest", "source_digest",
)  # fmt: skip


def report(
    found: Mapping[str, Any],
    ts: NDArray[np.int64],
    equity: NDArray[np.float64],
    markets: Mapping[str, Candles] | None = None,
) -> Report:
    """Return the report of a run.

    Parameters
    ----------
    found
        The object that `backtest --json` prints.
    ts, equity
        Bar opens (ms UTC, rising) and the equity at each close.
    markets
        Candles of the symbols that were traded, those before the range included: what regimes, exposure and
        holding are computed from. Where they are missing, these are told as unknown.
    """
    markets, capital = markets or {}, float(found["capital"])
    trips = of_rows(found["trades"], str(found["symbol"]))
    labels: dict[str, list[str] | NDArray[np.str_]] = {
        "symbol": trips.symbol, "side": np.where(trips.side > 0, "long", "short"),
        "entry_reason": trips.entry_reason, "exit_reason": trips.exit_reason,
        "regime": regimes_at_entry(trips, markets),
    }  # fmt: skip
    span = int(ts[-1] - ts[0]) + Timeframe(found["timeframe"]).ms if len(ts) else 0
    return Report(
        found=found,
        ts=ts,
        equity=equity,
        trips=trips,
        trades=whole(trips),
        longest_wins=_longest(trips.pnl > 0.0),
        longest_losses=_longest(trips.pnl < 0.0),
        months=by_time("month", capital, ts, equity, trips),
        years=by_time("year", capital, ts, equity, trips),
        groups={name: by_label(trips, kinds) for name, kinds in labels.items()},
        drawdowns=drawdowns(capital, ts, equity),
        exposure=exposure(trips, ts, equity, markets),
        doubts=list(doubts(found["metrics"], span / _DAY_MS)),
        held=holding(capital, ts, markets),
        capacity=capacity(trips, markets),
    )


def holding(
    capital: float, ts: NDArray[np.int64], markets: Mapping[str, Candles]
) -> NDArray[np.float64] | None:
    """Return what holding the markets would have been worth at each close; None without candles.

    Bought in equal parts at each one's first open in the range, without costs; a part waits as cash until
    then. None, too, for a market that has no bar in the range.
    """
    if not markets or not len(ts):
        return None
    total, part = np.zeros(len(ts)), capital / len(markets)
    for candles in markets.values():
        inside = candles.between(int(ts[0]))
        if not len(inside) or (rows := last_bars(inside, ts))[-1] < 0:
            return None
        worth = inside.close[np.maximum(rows, 0)] / inside.open[0]
        total += part * np.where(rows >= 0, worth, 1.0)
    return total


def _longest(hit: NDArray[np.bool_]) -> int:
    # Most in a row: the widest distance between two that missed, both ends included.
    missed = np.flatnonzero(~np.concatenate([[False], hit, [False]]))
    return int(np.diff(missed).max(initial=1)) - 1
