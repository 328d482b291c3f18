"""Reading and writing at an address, row by row, from compiled code.

A kernel over many markets is handed tables of addresses: gluing all columns together would cost more time
than the run. An address of 0 is a column that is not there. Nothing is checked: whoever fills the table
keeps the arrays alive and the rows inside them.
"""

from __future__ import annotations

import ctypes
import math
import os
from typing import Any

import numpy as np

from cryptai.jit import njit

if os.environ.get("NUMBA_DISABLE_JIT") == "1":
    # Step by step in plain Python, for debugging and coverage.

    def real(address: int, row: int) -> Any:
        """Return the float64 at this row."""
        return np.float64(ctypes.c_double.from_address(int(address) + 8 * int(row)).value)

    def whole(address: int, row: int) -> Any:
        """Return the int64 at this row."""
        return ctypes.c_int64.from_address(int(address) + 8 * int(row)).value

    def code(address: int, row: int) -> Any:
        """Return the int8 at this row, as an int64."""
        return ctypes.c_int8.from_address(int(address) + int(row)).value

    def codes(address: int, row: int) -> Any:
        """Return the eight int8 from this row on as the bits of one int64."""
        return ctypes.c_int64.from_address(int(address) + int(row)).value

    def put_whole(address: int, row: int, value: int) -> None:
        """Write the int64 at this row."""
        ctypes.c_int64.from_address(int(address) + 8 * int(row)).value = int(value)

    def put_real(address: int, row: int, value: float) -> None:
        """Write the float64 at this row."""
        ctypes.c_double.from_address(int(address) + 8 * int(row)).value = float(value)

    def fetch(address: int, row: int) -> None:
        """Ask for the float64 at this row, which will soon be read."""

    def records(dtype: np.dtype[np.void]) -> Any:
        """Return a function of an address and a row that gives the record there, to be read and written."""

        def record(address: int, row: int) -> Any:
            room = (ctypes.c_char * dtype.itemsize).from_address(int(address) + dtype.itemsize * int(row))
            return np.frombuffer(memoryview(room), dtype)[0]

        return record

else:
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic
    from numba.np.numpy_support import from_dtype

    from cryptai.prefetch import asked

    _WORD = ir.IntType(64)

    def _place(builder: Any, arguments: Any, width: int) -> Any:
        return builder.add(arguments[0], builder.mul(arguments[1], ir.Constant(_WORD, width)))

    def _reader(found: Any, bits: Any, width: int) -> Any:
        # A load from `address + width * row`, widened to what the caller computes with.
        def typed(_context: Any, _address: Any, _row: Any) -> Any:
            def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
                place = builder.inttoptr(_place(builder, arguments, width), bits.as_pointer())
                value = builder.load(place, align=1)
                return builder.sext(value, _WORD) if bits == ir.IntType(8) else value

            return found(types.int64, types.int64), generate

        return intrinsic(typed)

    def _writer(kind: Any, bits: Any) -> Any:
        def typed(_context: Any, _address: Any, _row: Any, _value: Any) -> Any:
            def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
                place = builder.inttoptr(_place(builder, arguments, 8), bits.as_pointer())
                builder.store(arguments[2], place)
                return context.get_dummy_value()

            return types.void(types.int64, types.int64, kind), generate

        return intrinsic(typed)

    def _fetcher() -> Any:
        # Ask the processor for the line of a float64 that will soon be read.
        def typed(_context: Any, _address: Any, _row: Any) -> Any:
            def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
                place = builder.inttoptr(_place(builder, arguments, 8), ir.IntType(8).as_pointer())
                asked(builder, place)
                return context.get_dummy_value()

            return types.void(types.int64, types.int64), generate

        return intrinsic(typed)

    def records(dtype: np.dtype[np.void]) -> Any:
        """Return a function of an address and a row that gives the record there, to be read and written."""
        kind = from_dtype(dtype)

        def typed(_context: Any, _address: Any, _row: Any) -> Any:
            def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
                place = _place(builder, arguments, dtype.itemsize)
                return builder.inttoptr(place, context.get_value_type(kind))

            return kind(types.int64, types.int64), generate

        return intrinsic(typed)

    real = _reader(types.float64, ir.DoubleType(), 8)
    whole = _reader(types.int64, _WORD, 8)
    code = _reader(types.int64, ir.IntType(8), 1)
    codes = _reader(types.int64, _WORD, 1)
    put_whole = _writer(types.int64, _WORD)
    fetch = _fetcher()
    put_real = _writer(types.float64, ir.DoubleType())


@njit
def said(address: int, row: int) -> float:
    """Return the value of an optional column at this row; NaN where there is no column."""
    if address == 0 or row < 0:
        return math.nan
    return real(address, row)  # type: ignore[no-any-return]
