"""Funding from a person's file: CSV or Parquet, refused with one sentence when it is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptai.errors import DataError, InputError
from cryptai.market.files import ENDINGS, check_file, silenced_stderr
from cryptai.market.funding import Funding

if TYPE_CHECKING:
    import polars as pl

# Ours first, then what venues call them.
_TIMES: Final = ("ts", "fundingTime", "funding_time", "calc_time", "timestamp")
_RATES: Final = ("funding_rate", "fundingRate", "last_funding_rate", "rate")
_NAME: Final = re.compile(
    r"(?P<symbol>[A-Za-z0-9]+(?:[-_/][A-Za-z0-9]+)?)[-_](funding|fundingRate)\b.*", re.IGNORECASE
)


def read_funding(path: str | Path, symbol: str | None = None) -> Funding:
    """Return the funding of a CSV or Parquet file, every number exact.

    The file has the columns `ts` (whole milliseconds UTC) and `funding_rate` (a fraction), or the names that
    Binance gives them; others are ignored. The symbol comes from its name (`BTCUSDT_funding.parquet`) unless
    it is given, and is a perpetual's.

    Raises
    ------
    InputError
        If the file cannot be opened, is neither CSV nor Parquet, or its market is not told.
    DataError
        If what it holds is no funding; the message names the file, row and value.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise InputError(
            f"{path}: funding is read from .csv and .parquet files, not {path.suffix or 'this'}."
        )
    check_file(path)
    match = _NAME.fullmatch(path.stem)
    name = symbol or (match["symbol"] if match else None)
    if name is None:
        raise InputError(
            f"{path}: the file's name does not tell its market as BTCUSDT_funding{path.suffix} would; give "
            "--symbol.",
            field="symbol",
        )
    try:
        table = _table(path)
        times = _column(table, _TIMES, "ts")
        rates = _column(table, _RATES, "funding_rate")
        return Funding(name, times.to_numpy(), rates.to_numpy())
    except InputError as error:
        raise DataError(f"{path}: {error}", field=error.field) from error


def _table(path: Path) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 (slow to import)

    try:
        with silenced_stderr():
            return pl.read_csv(path) if path.suffix.lower() == ".csv" else pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).splitlines() or [""])[0][:160]
        raise DataError(f"it is not a whole {path.suffix[1:].upper()} table ({reason}).") from error


def _column(table: pl.DataFrame, names: tuple[str, ...], ours: str) -> pl.Series:
    import polars as pl  # noqa: PLC0415 (slow to import)

    found = next((name for name in names if name in table.columns), None)
    if found is None:
        shown = ", ".join(one[:30] for one in table.columns[:12]) or "none"
        raise DataError(f"it has no column {ours}; found are {shown}.", field=ours)
    column = table[found]
    if not column.dtype.is_numeric() or (ours == "ts" and not column.dtype.is_integer()):
        wanted = "whole milliseconds UTC since 1970" if ours == "ts" else "numbers"
        raise DataError(f"its column {found} is of type {column.dtype}, but must hold {wanted}.", field=ours)
    if column.null_count():
        row = int(column.is_null().arg_true()[0])
        raise DataError(f"Row {row}: {found} is empty.", field=ours)
    return column.cast(pl.Int64 if ours == "ts" else pl.Float64)
