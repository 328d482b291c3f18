"""Tables of a run: its trades by what they have in common, and its returns by month and year."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cryptai.analytics.drawdowns import fallen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.analytics.round_trips import RoundTrips

_UNITS: Final = {"month": "M8[M]", "year": "M8[Y]"}


@dataclass(frozen=True)
class Line:
    """What the trades of one kind came to. None is undefined.

    Attributes
    ----------
    pnl, fees, average_win, average_loss, best, worst
        In the quote currency; a loss is negative.
    mean_return
        Mean of the trades' `pnl` over what their entry was worth.
    profit_factor
        Sum of winning over sum of losing `pnl`; None without a loss.
    bars_held, mae, mfe
        Means; None where no trade knows.
    """

    name: str
    trades: int
    wins: int
    win_rate: float
    pnl: float
    fees: float
    mean_return: float | None
    profit_factor: float | None
    average_win: float | None
    average_loss: float | None
    best: float
    worst: float
    bars_held: float | None
    mae: float | None
    mfe: float | None


@dataclass(frozen=True)
class Period:
    """One UTC month or year that has bars.

    Attributes
    ----------
    name
        `2021-03`, or `2021`.
    total_return
        From the last equity of the period before (or the capital) to its own; None where nothing was left.
    max_drawdown
        The deepest fall from the peak of the whole run so far that was seen in it.
    trades, wins, pnl
        Of the trades that ended in it.
    """

    name: str
    total_return: float | None
    max_drawdown: float
    trades: int
    wins: int
    pnl: float


def by_label(trips: RoundTrips, labels: Sequence[str] | NDArray[np.str_]) -> list[Line]:
    """Return one line for each label, those with most trades first, equal ones by name."""
    if not len(trips):
        return []
    names, places = np.unique(np.asarray(labels, np.str_), return_inverse=True)
    lines = [_line(str(name), trips, np.flatnonzero(places == i)) for i, name in enumerate(names)]
    return sorted(lines, key=lambda line: (-line.trades, line.name))


def whole(trips: RoundTrips) -> Line | None:
    """Return one line for all trades; None of no trade."""
    return _line("all", trips, np.arange(len(trips))) if len(trips) else None


def by_time(
    unit: Literal["month", "year"], capital: float, ts: NDArray[np.int64], equity: NDArray[np.float64],
    trips: RoundTrips,
) -> list[Period]:  # fmt: skip
    """Return each UTC month or year that has bars, the first one first.

    `ts` are bar opens (ms UTC, rising) and `equity` that of each close: a bar belongs to the period it opens
    in, as in the metrics' days. So does a trade's end.
    """
    if not len(ts):
        return []
    kind = _UNITS[unit]
    periods = ts.astype("M8[ms]").astype(kind)
    last = np.append(np.flatnonzero(periods[1:] != periods[:-1]), len(ts) - 1)
    ended = trips.exit_ms.astype("M8[ms]").astype(kind)
    falls = np.maximum.reduceat(fallen(capital, equity), np.append(0, last[:-1] + 1))
    found, before = [], capital
    for row, fall in zip(last.tolist(), falls.tolist(), strict=True):
        own = np.flatnonzero(ended == periods[row])
        value = float(equity[row])
        gained = value / before - 1.0 if before > 0.0 else None
        pnl = trips.pnl[own]
        found.append(
            Period(str(periods[row]), gained, fall, len(own), int((pnl > 0.0).sum()), float(pnl.sum()))
        )
        before = value
    return found


def as_rows(table: Sequence[Line | Period]) -> list[dict[str, Any]]:
    """Return a table as JSON takes it."""
    return [asdict(one) for one in table]


def _line(name: str, trips: RoundTrips, rows: NDArray[np.intp]) -> Line:
    pnl = trips.pnl[rows]
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    lost = -float(losses.sum())
    return Line(
        name=name,
        trades=len(rows),
        wins=len(wins),
        win_rate=len(wins) / len(rows),
        pnl=float(pnl.sum()),
        fees=float(trips.fees[rows].sum()),
        mean_return=_mean(trips.returns[rows]),
        profit_factor=float(wins.sum()) / lost if lost > 0.0 else None,
        average_win=_mean(wins),
        average_loss=_mean(losses),
        best=float(pnl.max()),
        worst=float(pnl.min()),
        bars_held=_mean(trips.bars_held[rows]),
        mae=_mean(trips.mae[rows]),
        mfe=_mean(trips.mfe[rows]),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    # Of what is known: other engines' trades lack some of it.
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
