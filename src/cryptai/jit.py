"""Compiled code: Numba with our flags, and kernels that start without importing Numba.

`njit` is Numba's, with `cache`, `nogil` and NumPy's division rules, and without `fastmath` (NaN means
something here).

`NativeKernel` is how the engine starts quickly: importing Numba and reading its cache costs more than a
second, the machine code itself needs none of it. A kernel is compiled once with Numba, its object
code is kept in a cache folder under a name that digests every source it was made from, Numba's version and
the processor, and later processes load it through LLVM alone. Object code that does not load in
a fresh process is never kept, and damaged object code (a power cut, a full disk) is never loaded, since
LLVM would end the process on it; then, and with `CRYPTAI_NATIVE=0`, Numba serves the same function.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

F = TypeVar("F", bound="Callable[..., Any]")
_PACKAGE = Path(__file__).parent
# What kernels are made of: one change in any of these makes all object code stale.
_SOURCES = (
    "jit.py", "ledger/book.py", "ledger/fold.py", "ledger/state.py", "portfolio/limits.py",
    "portfolio/refusals.py", "portfolio/rules.py", "portfolio/sizing.py", "prefetch.py", "signals.py",
    "trading/calm.py", "trading/columns.py", "trading/costs.py", "trading/entering.py",
    "trading/event_kernel.py", "trading/fills.py", "trading/inside.py", "trading/kernel.py",
    "trading/markets_kernel.py", "trading/masks.py", "trading/matching.py", "trading/memory.py",
    "trading/moments.py", "trading/reading.py", "trading/tables.py", "trading/tally.py",
)  # fmt: skip
# Kernels of features stand above their functions, so each file there may hold some.
_SOURCE_PATTERNS = ("kernels.py", "features/*.py")
# What machine code may call: the mathematics of C, how it moves memory, and Python, to which a kernel never
# gets, for it does not raise.
_C_FUNCTIONS = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign", "cos", "cosh",
    "erf", "erfc", "exp", "exp2", "expm1", "floor", "fma", "fmax", "fmin", "fmod", "frexp", "hypot", "ldexp",
    "lgamma", "log", "log10", "log1p", "log2", "memcmp", "memcpy", "memmove", "memset", "nearbyint", "pow",
    "rint", "round", "sin", "sincos", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc",
    "PyBytes_FromStringAndSize", "PyErr_Clear", "PyErr_SetNone", "PyErr_SetString", "PyErr_WriteUnraisable",
    "PyExc_RuntimeError", "PyExc_StopIteration", "PyExc_SystemError", "PyUnicode_FromString", "Py_DecRef",
)  # fmt: skip
_NUMBA_FUNCTIONS = (
    "NRT_Free", "NRT_MemInfo_call_dtor", "numba_do_raise", "numba_gil_ensure", "numba_gil_release",
    "numba_runtime_build_excinfo_struct", "numba_unpickle",
)  # fmt: skip
_digest = ""

_TRIAL = """\
import sys
from pathlib import Path
from cryptai.jit import NativeKernel
NativeKernel("", "", sys.argv[1]).load(Path(sys.argv[2]))
"""


@overload
def njit(function: F) -> F: ...
@overload
def njit(*, inline: bool) -> Callable[[F], F]: ...
def njit(function: F | None = None, *, inline: bool = False) -> F | Callable[[F], F]:
    """Compile with Numba, cached on disk, without the GIL, `x / 0` as in NumPy, no fast-math.

    `inline=True` writes the function into its compiled callers, so that values it takes and returns stay in
    registers; called from Python it is an ordinary compiled function.
    """
    import numba  # noqa: PLC0415 (seconds to import: only who compiles pays)

    numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]
    wrap = numba.njit(
        cache=True, nogil=True, error_model="numpy", fastmath=False, inline="always" if inline else "never"
    )
    compile_ = cast("Callable[[F], F]", wrap)
    return compile_ if function is None else compile_(function)


def cache_folder() -> Path:
    """Return where code compiled from today's sources lies; it need not exist yet.

    Beside the package if that is writable, else in the user's cache. Numba itself looks only at the file a
    function stands in, so the folder's name digests all of them.
    """
    beside = _PACKAGE / "__pycache__"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cryptai"
    base = beside if os.access(beside if beside.exists() else _PACKAGE, os.W_OK) else home
    return base / f"kernels-{source_digest()}"


def _forget_older(folder: Path) -> None:
    for older in folder.parent.glob("kernels-*"):
        if older != folder:
            shutil.rmtree(older, ignore_errors=True)


def address(values: NDArray[Any]) -> int:
    """Return where the rows of a contiguous array lie in memory.

    An array keeps that directly behind the head which every object has (`PyArrayObject` of NumPy's C API);
    asked for in any other way it takes up to ten times as long.
    """
    return ctypes.c_void_p.from_address(id(values) + object.__basicsize__).value or 0


def source_digest() -> str:
    """Return a digest of everything that kernels are made of: sources and Numba's version."""
    global _digest  # noqa: PLW0603 (sources do not change under a running process; reading them costs)
    if _digest:
        return _digest
    h = hashlib.sha256(version("numba").encode())
    for name in _SOURCES:
        h.update((_PACKAGE / name).read_bytes())
    for pattern in _SOURCE_PATTERNS:
        for path in sorted(_PACKAGE.glob(pattern)):
            h.update(path.read_bytes())
    _digest = h.hexdigest()[:16]
    return _digest


class NativeKernel:
    """A function of C types, written in Python, run as machine code.

    Parameters
    ----------
    module, function
        Where it is written, e.g. `"cryptai.trading.kernel"`, `"simulate_entry"`: a plain function whose
        arguments are addresses (`p`), int64 (`i`) and float64 (`d`), and which returns an int64.
    signature
        One letter an argument, such as `"ppid"`.
    """

    def __init__(self, module: str, function: str, signature: str) -> None:
        self.module = module
        self.function = function
        self.signature = signature
        # Where the function is not written as such, but made (see `cryptai.kernels`).
        self.function_of: Callable[[], Callable[..., int]] = self._written
        # What tells it from another of its name, where it is written elsewhere than in these sources.
        self.words: Callable[[], str] = str
        self._call: Callable[..., int] | None = None
        self._keep: list[object] = []
        self._lock = Lock()

    def __call__(self, *arguments: float) -> int:
        """Run it. The first call of a process loads the code, the first of an installation compiles it."""
        if self._call is None:
            with self._lock:
                if self._call is None:
                    self._call = self._prepare()
        return self._call(*arguments)

    def object_file(self) -> Path:
        """Return where this kernel's object code lies, or would lie."""
        cpu = _processor()
        words = "" if self.module.startswith("cryptai.") else self.words()
        made_of = f"{source_digest()} {words} {self.module} {self.function} {cpu}"
        key = hashlib.sha256(made_of.encode()).hexdigest()
        return cache_folder() / f"{self.function}-{key[:20]}.o"

    def _prepare(self) -> Callable[..., int]:
        if os.environ.get("NUMBA_DISABLE_JIT") == "1":
            return self._interpreted()
        if os.environ.get("CRYPTAI_NATIVE") == "0":
            return self._ctype()(self._compile().address)
        path = self.object_file()
        # None is kept yet, or it is damaged: compiled (again) and kept.
        with suppress(OSError, ValueError):
            return self.load(path)
        compiled = self._compile()
        self._store(path, compiled)
        return self._ctype()(compiled.address)

    def load(self, path: Path) -> Callable[..., int]:
        """Return the function of an object file, linked into this process by LLVM.

        Raises
        ------
        OSError, ValueError
            If the file cannot be read, or is not what was written.
        """
        import llvmlite.binding as llvm  # noqa: PLC0415

        digest, _, named = path.read_bytes().partition(b"\n")
        if hashlib.sha256(named).hexdigest().encode() != digest:
            raise ValueError(f"{path} is damaged.")
        symbol, _, code = named.partition(b"\n")
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        _offer_symbols(llvm)
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        self._keep.append(engine)  # the code lives as long as its engine
        return self._ctype()(engine.get_function_address(symbol.decode()))

    def _ctype(self) -> Callable[[int], Callable[..., int]]:
        kinds = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double}
        return ctypes.CFUNCTYPE(ctypes.c_int64, *(kinds[letter] for letter in self.signature))

    def _written(self) -> Callable[..., int]:
        return cast("Callable[..., int]", getattr(importlib.import_module(self.module), self.function))

    def _interpreted(self) -> Callable[..., int]:
        # For debugging and coverage: the same function, step by step, on the same addresses.
        function, signature = self.function_of(), self.signature

        def call(*arguments: Any) -> int:
            return function(
                *(
                    ctypes.c_void_p(a) if kind == "p" else a
                    for a, kind in zip(arguments, signature, strict=True)
                )
            )

        return call

    def _compile(self) -> Any:
        import numba  # noqa: PLC0415
        from numba import types  # noqa: PLC0415

        kinds = {"p": types.voidptr, "i": types.int64, "d": types.float64}
        signature = types.int64(*(kinds[letter] for letter in self.signature))
        compile_ = numba.cfunc(signature, error_model="numpy")
        try:
            compiled = compile_(self.function_of())
        except Exception:
            if not cache_folder().exists():
                raise
            # Numba trusts its own cache; where a power cut has damaged that, it is made anew.
            shutil.rmtree(cache_folder(), ignore_errors=True)
            compiled = compile_(self.function_of())
        self._keep.append(compiled)
        return compiled

    def _store(self, path: Path, compiled: Any) -> None:
        # LLVM ends the process on a symbol it cannot resolve, so a child tries the object code first.
        named = compiled._wrapper_name.encode() + b"\n" + compiled._library._get_compiled_object()  # noqa: SLF001
        blob = hashlib.sha256(named).hexdigest().encode() + b"\n" + named
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _forget_older(path.parent)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(blob)
            tried = Path(file.name)
            try:
                if _runs([sys.executable, "-c", _TRIAL, self.signature, file.name]):
                    tried.replace(path)
            finally:
                tried.unlink(missing_ok=True)
        except OSError:
            return  # a cache that cannot be written costs time, nothing else


def _processor() -> str:
    """Return the kind of processor that Numba compiles for: this one, or the one that its settings name.

    `NUMBA_CPU_NAME=generic` stands in for another machine: code of this one must not be loaded for it.
    """
    import llvmlite.binding as llvm  # noqa: PLC0415 (only who runs a kernel pays)

    named = os.environ.get("NUMBA_CPU_NAME", "")
    plain = "" if named.lower() == "generic" else llvm.get_host_cpu_features().flatten()
    return (named or llvm.get_host_cpu_name()) + os.environ.get("NUMBA_CPU_FEATURES", plain)


def _offer_symbols(llvm: Any) -> None:
    # Machine code calls functions by name, and LLVM knows none of a process by itself. One name that it does
    # not find leaves them all at the address 0, without a word, and the first logarithm ends the process.
    library = ctypes.CDLL(None)
    offered = dict.fromkeys(_NUMBA_FUNCTIONS, "abort") | {name: name for name in _C_FUNCTIONS}
    for name, of in offered.items():
        if llvm.address_of_symbol(name) is None and hasattr(library, of):
            llvm.add_symbol(name, ctypes.cast(getattr(library, of), ctypes.c_void_p).value)


def _runs(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
