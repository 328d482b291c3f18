"""Memory asked for ahead of its use, where the processor does not see by itself what is read next.

Imports Numba: only for code that is being compiled.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

_BYTE: Final = ir.IntType(8).as_pointer()
_FLAG: Final = ir.IntType(32)
_LINE: Final = 64
# What is longer does not stay near the processor until it is read.
_MOST: Final = 256 << 10


def asked(builder: Any, place: Any) -> None:
    """Write into code that is being built: ask for the line of the cache at this address, to be read."""
    kind = ir.FunctionType(ir.VoidType(), [_BYTE, _FLAG, _FLAG, _FLAG])
    prefetch = builder.module.declare_intrinsic("llvm.prefetch", [_BYTE], kind)
    builder.call(prefetch, [place, *(ir.Constant(_FLAG, n) for n in (0, 3, 1))])


def _typed(_context: Any, _begin: Any, _at: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        asked(builder, builder.gep(arguments[0], [arguments[1]]))
        return context.get_dummy_value()

    return types.void(types.voidptr, types.int64), generate


_line: Any = intrinsic(_typed)


@njit(nogil=True)
def ask(begin: Any, size: int) -> None:
    """Ask for so many bytes from an address on, unless they are too many to be kept until they are read."""
    if size <= _MOST:
        for at in range(0, size, _LINE):
            _line(begin, at)
