"""Trades and equity of a report as CSV, and trades back: numbers exact to the bit, times ISO UTC."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptai.analytics.report import Report

FULL_EQUITY: Final = 200_000
"""Equity of more bars than this is written hour by hour: five years of minutes would be 150 MB otherwise."""
_HOUR_MS: Final = 3_600_000
_FIRST: Final = (
    "symbol", "side", "entry_time", "exit_time", "entry_price", "exit_price", "quantity", "fees", "pnl",
    "mae", "mfe", "bars_held", "entry_reason", "exit_reason",
)  # fmt: skip
_TEXTS: Final = {"symbol", "side", "entry_time", "exit_time", "entry_reason", "exit_reason", "entry_kind"}
_WHOLE: Final = {"bars_held", "hole_bars", "market"}
# A spreadsheet takes a cell that begins so for a formula; a reason is a strategy's own words.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def trades_csv(trades: Sequence[Mapping[str, Any]], symbol: str) -> str:
    """Return the `trades` of `backtest --json` as CSV, one row each; a field without a value is empty.

    `symbol` is theirs where a row names none. Text that a spreadsheet would take for a formula is led by an
    apostrophe. `read_trades` gives the same rows back.
    """
    more = sorted({name for row in trades for name in row} - set(_FIRST))
    names = [*_FIRST, *more]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for row in trades:
        writer.writerow([_cell(name, row.get(name, symbol if name == "symbol" else None)) for name in names])
    return file.getvalue()


def read_trades(text: str) -> list[dict[str, Any]]:
    """Return the rows that `trades_csv` wrote, with its `symbol` in each.

    Raises
    ------
    DataError
        For text that it did not write: the message names row and column.
    """
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(rows[0][: len(_FIRST)]) != _FIRST:
        raise DataError("trades.csv does not begin with the names of its columns.", field="run")
    names, found = rows[0], []
    for number, cells in enumerate(rows[1:], start=2):
        if len(cells) != len(names):
            raise DataError(
                f"trades.csv has {len(cells)} cells in row {number}, not {len(names)}.", field="run"
            )
        told = zip(names, cells, strict=True)
        # What happens to few trades is told of those alone.
        found.append({name: _value(name, cell, number) for name, cell in told if cell or name in _FIRST})
    return found


def equity_csv(report: Report) -> str:
    """Return `time,equity,drawdown,exposure` as CSV: a row a bar, or a row an hour (see `written_rows`).

    `time` is the bar's open, the others are those of its close; drawdown is a positive fraction of the peak,
    exposure the positions' worth over the equity, empty where it is unknown.
    """
    rows = written_rows(report.ts)
    times = np.datetime_as_string(report.ts[rows].astype("M8[ms]").astype("M8[s]")).tolist()
    gross = report.exposure.gross[rows].tolist()
    columns = zip(times, report.equity[rows].tolist(), report.drawdown[rows].tolist(), gross, strict=True)
    lines = ["time,equity,drawdown,exposure"]
    lines += [f"{t}Z,{e!r},{d!r},{'' if x != x else repr(x)}" for t, e, d, x in columns]  # noqa: PLR0124 (NaN)
    return "\n".join(lines) + "\n"


def written_rows(ts: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return which bars `equity.csv` tells: all, or of more than 200,000 the last one of each hour."""
    if len(ts) <= FULL_EQUITY:
        return np.arange(len(ts))
    hour = ts // _HOUR_MS
    return np.append(np.flatnonzero(hour[1:] != hour[:-1]), len(ts) - 1)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _TEXTS or isinstance(value, str):
        text = str(value)
        return f"'{text}" if text.startswith((*_FORMULA, "'")) else text
    return repr(value)


def _value(name: str, cell: str, row: int) -> Any:
    if name in _TEXTS:
        return cell.removeprefix("'")
    if cell == "":
        return None
    try:
        if cell in ("True", "False"):
            return cell == "True"
        return int(cell) if name in _WHOLE else float(cell)
    except ValueError as error:
        raise DataError(
            f"trades.csv has no number in row {row}, column {name}, but {cell[:40]!r}.", field="run"
        ) from error
