"""Arrow files read by NumPy alone are what polars wrote, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from endless import bars

from cryptai.market.arrow import map_columns
from cryptai.market.candles import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path


def frame(n: int) -> pl.DataFrame:
    return pl.DataFrame({name: getattr(bars(0, n), name) for name in COLUMNS})


def bits(n: int) -> list[bytes]:
    return [getattr(bars(0, n), name).tobytes() for name in COLUMNS]


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 1_000, 300_000])
def test_columns_are_those_that_polars_wrote(tmp_path: Path, n: int) -> None:
    path = tmp_path / "a.arrow"
    frame(n).write_ipc(path, compression="uncompressed")
    columns = map_columns(path, 6)
    assert [column.tobytes() for column in columns] == bits(n)
    assert not any(column.flags.writeable for column in columns)


def test_a_file_of_several_batches_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    pieces = pl.concat([frame(1_000)[:300], frame(1_000)[300:]], rechunk=False)
    pieces.write_ipc(path, compression="uncompressed")
    assert [column.tobytes() for column in map_columns(path, 6)] == bits(1_000)


@pytest.mark.parametrize("keep", [0, 1, 5, 6, 100, 3_000, -1])
def test_a_part_of_a_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.arrow"
    frame(100).write_ipc(path, compression="uncompressed")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r".+"):
        map_columns(path, 6)


def test_another_number_of_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    frame(100).write_ipc(path, compression="uncompressed")
    with pytest.raises(ValueError, match="12 buffers, not 10"):
        map_columns(path, 5)


def test_no_damage_to_a_byte_ends_in_anything_but_values_or_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    frame(10).write_ipc(path, compression="uncompressed")
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            assert len(map_columns(path, 6)) == 6
        except ValueError:
            continue
