"""Candles and other tables into a person's file: CSV or Parquet, which reads back to the bit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cryptai.errors import ConflictError, InputError
from cryptai.market.candles import COLUMNS
from cryptai.market.durable import sync_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike

    from cryptai.market.candles import Candles

ENDINGS = (".csv", ".parquet")


def check_target(path: Path, *, force: bool = False) -> None:
    """Refuse a file that could not be written, before anything is read for it.

    Raises
    ------
    InputError
        For an ending that is neither .csv nor .parquet, a missing folder, or a folder in the file's place.
    ConflictError
        If the file exists and `force` is not given.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(
            f"{path}: tables are written to .csv and .parquet files, not {path.suffix or 'this'}.",
            field="out",
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.", field="out")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; make it first.", field="out")
    if path.exists() and not force:
        raise ConflictError(f"{path} exists already; give --force to replace it.", field="out")


def write_candles(path: Path, candles: Candles, *, force: bool = False) -> None:
    """Write columns ts (ms UTC), open, high, low, close, volume; the file is whole or not there.

    Numbers in CSV are the shortest that read back to the same bits, so `read_candles` returns equal bars.

    Raises
    ------
    InputError, ConflictError
        As `check_target` says.
    """
    check_target(path, force=force)
    write_table(path, {name: getattr(candles, name) for name in COLUMNS})


def write_table(path: Path, columns: Mapping[str, ArrayLike]) -> None:
    """Write columns of one length under their names, in the place of a file that is there.

    CSV or Parquet by the ending, which `check_target` has looked at; whole or not there. Texts are columns of
    objects.
    """
    import polars as pl  # noqa: PLC0415 (slow to import; only files need it)

    made = {
        name: pl.Series(name, column.tolist(), dtype=pl.String)
        if (column := np.asarray(values)).dtype == object
        else pl.Series(name, column)
        for name, values in columns.items()
    }
    frame = pl.DataFrame(made)
    if path.suffix.lower() == ".csv":
        write_whole(path, frame.write_csv)
    else:
        write_whole(path, partial(frame.write_parquet, compression="zstd"))
    sync_folder(path.parent)
