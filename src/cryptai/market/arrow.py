"""Columns of an uncompressed Arrow IPC file, mapped into memory with NumPy alone.

Of the format (https://arrow.apache.org/docs/format/Columnar.html) it knows what a segment needs: flat columns
of 64-bit values without nulls. A data-frame library takes longer to import than all segments to read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC: Final = b"ARROW1"


def map_columns(path: Path, count: int) -> list[NDArray[np.int64]]:
    """Return a file's `count` columns as the bits of their 64-bit values, read-only.

    They are maps of the file where it holds one batch, as a segment does.

    Raises
    ------
    ValueError
        If it is no such file. Whether the values are the right ones is for a digest to say.
    OSError
        If it cannot be read.
    """
    try:
        return read_columns(np.memmap(path, np.uint8, mode="r").data, count)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_columns(content: bytes | memoryview[Any], count: int) -> list[NDArray[np.int64]]:
    """Return the columns of a file's content, as `map_columns` does."""
    try:
        return _columns(memoryview(content), count)
    except (struct.error, IndexError, OverflowError, MemoryError) as error:
        raise ValueError(f"It is not a whole Arrow file ({error}).") from error


def _columns(file: memoryview[Any], count: int) -> list[NDArray[np.int64]]:
    if bytes(file[-6:]) != _MAGIC or bytes(file[:6]) != _MAGIC:
        raise ValueError("It does not begin and end as an Arrow file does.")
    footer = len(file) - 10 - _int("<i", file, len(file) - 10)
    blocks = _vector(file, _field(file, _pointer(file, footer), 3))
    batches = [_batch(file, at, count) for at in range(blocks[0], blocks[0] + 24 * blocks[1], 24)]
    if len(batches) == 1:
        return batches[0]
    columns = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    for column in columns:
        column.flags.writeable = False
    return columns


def _batch(file: memoryview[Any], block: int, count: int) -> list[NDArray[np.int64]]:
    offset, length = _int("<q", file, block), _int("<i", file, block + 8)
    start = offset + (8 if _int("<I", file, offset) == 0xFFFFFFFF else 4)
    batch = _pointer(file, _field(file, _pointer(file, start), 2))
    rows = _int("<q", file, _field(file, batch, 0))
    buffers, found = _vector(file, _field(file, batch, 2))
    if found != 2 * count:
        raise ValueError(f"It has {found} buffers, not {2 * count}.")
    columns = []
    for column in range(count):
        values = buffers + 16 * (2 * column + 1)  # after each column's buffer of nulls
        at = offset + length + _int("<q", file, values)
        columns.append(np.frombuffer(file, "<i8", rows, at))
    return columns


def _field(file: memoryview[Any], table: int, number: int) -> int:
    # A flatbuffer's table points to the places of its fields, 0 for one that is left out.
    places = table - _int("<i", file, table)
    if 4 + 2 * number >= _int("<H", file, places):
        raise ValueError("A part of it is left out.")
    place = _int("<H", file, places + 4 + 2 * number)
    if not place:
        raise ValueError("A part of it is left out.")
    return table + place


def _vector(file: memoryview[Any], at: int) -> tuple[int, int]:
    start = _pointer(file, at)
    return start + 4, _int("<I", file, start)


def _pointer(file: memoryview[Any], at: int) -> int:
    return at + _int("<I", file, at)


def _int(form: str, file: memoryview[Any], at: int) -> int:
    if at < 0:
        raise ValueError("A place in it lies before its beginning.")
    return int(struct.unpack_from(form, file, at)[0])
