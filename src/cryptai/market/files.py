"""Candles from a person's file: CSV or Parquet, refused with one sentence when they are not candles."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import DataError, InputError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.quality import check_spacing
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import TIMEFRAMES, Timeframe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

# BTCUSDT_1h, BTC-USDT_1h, BTC_USDT-1h
_NAME: Final = re.compile(r"(?P<symbol>[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)?)[-_](?P<timeframe>[0-9]+[mhdwM])")
# What others call our columns.
_OTHER_NAMES: Final = {
    "ts": ("timestamp", "time", "date", "datetime", "open_time", "opentime", "unix", "t"),
    "open": ("o", "open_price"),
    "high": ("h", "high_price", "max"),
    "low": ("l", "low_price", "min"),
    "close": ("c", "close_price", "price"),
    "volume": ("v", "vol", "base_volume", "amount"),
}
ENDINGS: Final = (".csv", ".parquet")
_stderr: Final = Lock()


def read_candles(path: str | Path, symbol: str | None = None, timeframe: str | None = None) -> Candles:
    """Return the candles of a CSV or Parquet file, every number exact.

    The file has the columns `ts` (whole milliseconds UTC, the bar's open), `open`, `high`, `low`, `close`,
    `volume` in any order; other columns are ignored. CSV has a header, commas and UTF-8. Symbol and timeframe
    come from the file's name (`BTCUSDT_1h.parquet`, `BTC-USDT_1h.csv`) unless they are given.

    Raises
    ------
    InputError
        If the file cannot be opened, is neither CSV nor Parquet, or symbol or timeframe are unknown.
    DataError
        If what it holds are not candles of that timeframe; the message names the file, row and value.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(f"{path}: candles are read from .csv and .parquet files, not {ending or 'this'}.")
    check_file(path)
    name, length = _named(path, symbol, timeframe)
    return _candles(path, ending, name, length)


def read_series(path: str | Path, timeframe: str | None = None) -> Candles:
    """Return the candles of a file whose market is of no matter, so that its name may be anything.

    The timeframe is the one given, the one the name tells, or else that of the two closest bars; the symbol
    is `ANY/ANY` where the name tells none. Raises as `read_candles` does.
    """
    path = Path(path)
    match = _NAME.fullmatch(path.stem)
    told, length = "ANY/ANY", timeframe
    if match is not None:
        with suppress(InputError):
            told = parse_symbol(match["symbol"])
        if length is None and match["timeframe"] in TIMEFRAMES:
            length = match["timeframe"]
    return read_candles(path, told, length or _spacing(path))


def market_of(path: Path) -> tuple[str, Timeframe]:
    """Return the symbol and timeframe that a file's name tells; raise `InputError` where it tells none."""
    return _named(path, None, None)


def _spacing(path: Path) -> str:
    # The finest grid holds every other, so whatever the bars are, they can be read with it first.
    if path.suffix.lower() not in ENDINGS:
        return TIMEFRAMES[0]
    check_file(path)
    try:
        ts = (_read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path))["ts"]
    except InputError as error:
        raise DataError(f"{path}: {error}", field=error.field) from error
    apart = [int(b) - int(a) for a, b in pairwise(ts.tolist())]
    same = (name for name in TIMEFRAMES if apart and Timeframe(name).ms == min(apart))
    found = next(same, None)
    if found is None:
        raise InputError(
            f"{path}: neither its name nor the spacing of its bars tells the timeframe; give --timeframe.",
            field="timeframe",
        )
    return found


def _candles(path: Path, ending: str, symbol: str, timeframe: Timeframe) -> Candles:
    try:
        columns = _read_csv(path) if ending == ".csv" else _read_parquet(path)
        if not len(columns["ts"]):
            raise DataError("it holds no bars.")
        candles = Candles(**columns, symbol=symbol, timeframe=timeframe)
        check_spacing(candles.ts, candles.timeframe)
    except InputError as error:
        raise DataError(f"{path}: {error}", field=error.field) from error
    return candles


def check_file(path: Path) -> None:
    """Refuse what is no readable plain file with something in it."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name the files in it.")
        if not path.exists():
            raise InputError(f"There is no file {path}.")
        if not path.is_file():
            raise InputError(f"{path} is not a plain file.")
        with path.open("rb") as handle:
            empty = not handle.read(1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if empty:
        raise DataError(f"{path} is empty.")


def _named(path: Path, symbol: str | None, timeframe: str | None) -> tuple[str, Timeframe]:
    market = None if symbol is None else parse_symbol(symbol)
    length = None if timeframe is None else Timeframe(timeframe)
    if market and length:
        return market, length
    missing = [name for name, value in (("symbol", market), ("timeframe", length)) if value is None]
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise InputError(
            f"{path}: the file's name does not tell symbol and timeframe as BTCUSDT_1h{path.suffix} would; "
            f"give {' and '.join(f'--{option}' for option in missing)}.",
            field=missing[0],
        )
    try:
        return market or parse_symbol(match["symbol"]), length or Timeframe(match["timeframe"])
    except InputError as error:
        raise InputError(f"{path}: {error}", field=error.field) from error


def _read_csv(path: Path) -> dict[str, Any]:
    import polars as pl  # noqa: PLC0415 (slow to import; the store is read without it)

    with path.open("rb") as handle:
        start = handle.read(65_536)
    if b"\0" in start:
        hint = "; it looks like Parquet, so name it .parquet" if start.startswith(b"PAR1") else ""
        raise DataError(f"it holds binary data, not UTF-8 text{hint}.")
    try:
        # Text first: so a value that is no number can be told, and no column's type is guessed.
        table = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(_csv_sentence(str(error))) from error
    table = table.rename({name: name.strip() for name in table.columns}, strict=False)
    _check_names(table.columns)
    table = table.select(COLUMNS)
    written = table.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    if not written.any():
        return {name: table[name][:0].cast(pl.Float64).to_numpy() for name in COLUMNS}
    table = table[: int(written.arg_true()[-1]) + 1]  # blank lines at the end are no bars
    return {name: _numbers(table[name].str.strip_chars()) for name in COLUMNS}


def _read_parquet(path: Path) -> dict[str, Any]:
    import polars as pl  # noqa: PLC0415 (slow to import; the store is read without it)

    try:
        with silenced_stderr():
            names = pl.read_parquet_schema(path)
            _check_names(list(names))
            table = pl.read_parquet(path, columns=list(COLUMNS), glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).splitlines() or [""])[0][:160]
        raise DataError(f"it is not a whole Parquet file ({reason}).") from error
    for name in COLUMNS:
        kind = table.schema[name]
        if not kind.is_numeric() or (name == "ts" and not kind.is_integer()):
            wanted = "whole milliseconds UTC since 1970 (int64)" if name == "ts" else "numbers (float64)"
            raise DataError(f"its column {name} is of type {kind}, but must hold {wanted}.", field=name)
        _refuse_empty(table[name], table[name].is_null())
    times = table["ts"].to_numpy()
    return {"ts": times} | {name: table[name].cast(pl.Float64).to_numpy() for name in COLUMNS[1:]}


def _check_names(found: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in found]
    if not missing:
        twice = [name for name in COLUMNS if f"{name}_duplicated_0" in found]
        if twice:
            raise DataError(f"its header names {', '.join(twice)} twice.", field=twice[0])
        return
    if found and all(re.fullmatch(r"[0-9.eE+-]+", name) for name in found):
        raise DataError(f"its first line holds numbers; give it the header {','.join(COLUMNS)}.")
    shown = ", ".join(name[:30] for name in found[:12]) + (" …" if len(found) > 12 else "")
    known = {name.strip().lower(): name for name in found}
    renames = []
    for name in missing:
        other = next((known[n] for n in (name, *_OTHER_NAMES[name]) if n in known), None)
        if other:
            renames.append(f"{other} to {name}")
    way_out = f"rename {', '.join(renames)}" if renames else f"the columns are {', '.join(COLUMNS)}"
    raise DataError(
        f"it has no column {', '.join(missing)}; found are {shown or 'none'}; {way_out}.", field=missing[0]
    )


def _numbers(texts: pl.Series) -> Any:
    import polars as pl  # noqa: PLC0415 (see above)

    _refuse_empty(texts, texts.is_null() | (texts == ""))
    # Polars parses to the nearest double, as Python does.
    numbers = texts.cast(pl.Int64, strict=False) if texts.name == "ts" else None
    if numbers is None or numbers.null_count():
        numbers = texts.cast(pl.Float64, strict=False)
    if numbers.null_count():
        row = int(numbers.is_null().arg_true()[0])
        wanted = "whole milliseconds UTC since 1970" if texts.name == "ts" else "a number"
        raise DataError(
            f"Row {row}: {texts.name} must be {wanted}, was {texts[row][:40]!r}.", field=texts.name
        )
    return numbers.to_numpy()


def _refuse_empty(column: pl.Series, empty: pl.Series) -> None:
    if empty.any():
        raise DataError(f"Row {int(empty.arg_true()[0])}: {column.name} is empty.", field=column.name)


def _csv_sentence(reason: str) -> str:
    if "utf-8" in reason:
        return "it is not UTF-8 text."
    if "empty CSV" in reason:
        return "it holds no bars."
    if "more fields" in reason:
        return "a line of it has more fields than the header."
    return "it is not a CSV table; is a quote left open?"


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Keep what a decoder in Rust writes about damaged bytes away from the terminal."""
    # Polars' Parquet decoder may panic on damaged bytes. Python gets an exception, but Rust has written a
    # report to file descriptor 2 by then, past `sys.stderr`.
    with _stderr:
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(nowhere)
            os.close(kept)
