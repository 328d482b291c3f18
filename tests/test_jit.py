"""Compiled kernels: damaged object code is compiled anew, never loaded."""

from __future__ import annotations

import math
import subprocess
import sys

import numba
import numpy as np
import pytest

from cryptai import jit
from cryptai.jit import NativeKernel


def add(a: int, b: int) -> int:
    return a + b


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path / "kernels")
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    monkeypatch.delenv("CRYPTAI_NATIVE", raising=False)
    assert _kernel()(2, 3) == 5
    return _kernel().object_file()


def _kernel() -> NativeKernel:
    return NativeKernel(__name__, "add", "ii")


def _is_loaded(monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(NativeKernel, "_compile", lambda _: pytest.fail("compiled again"))
        assert _kernel()(2, 3) == 5


@pytest.mark.usefixtures("kept")
def test_a_later_process_loads_what_the_first_one_kept(monkeypatch):
    _is_loaded(monkeypatch)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: whole[:-9] + bytes([whole[-9] ^ 0xFF]) + whole[-8:],
        lambda whole: whole.partition(b"\n")[2],
        lambda whole: bytes(len(whole)),
    ],
    ids=["empty", "half", "a byte short", "a byte changed", "without its digest", "zeros"],
)
def test_a_damaged_object_file_is_compiled_anew_and_mended(kept, damage, monkeypatch):
    kept.write_bytes(damage(kept.read_bytes()))
    with pytest.raises(ValueError, match="damaged"):
        _kernel().load(kept)
    assert _kernel()(2, 3) == 5
    _is_loaded(monkeypatch)


def test_an_object_file_that_cannot_be_read_costs_time_and_nothing_else(kept):
    kept.unlink()
    kept.mkdir()
    assert _kernel()(2, 3) == 5
    assert list(kept.parent.iterdir()) == [kept]


def test_where_numbas_own_cache_is_damaged_it_is_made_anew(kept, monkeypatch):
    real, index = numba.cfunc, kept.parent / "damaged.nbc"
    kept.unlink()
    index.touch()

    def cfunc(*arguments, **options):
        def compile_(function):
            if index.exists():
                raise EOFError("Ran out of input")
            return real(*arguments, **options)(function)

        return compile_

    monkeypatch.setattr(numba, "cfunc", cfunc)
    assert _kernel()(2, 3) == 5
    assert not index.exists()
    _is_loaded(monkeypatch)


FRESH = """
import sys, ctypes
from pathlib import Path
from cryptai.jit import NativeKernel
import numpy as np
values = np.array([2.0, 0.0])
kernel = NativeKernel("", "", "p")
kernel.load(Path(sys.argv[1]))(values.ctypes.data)
assert "numba" not in sys.modules
print(repr(float(values[1])))
"""


def mathematics(address: int) -> int:
    x = numba.carray(address, 2, np.float64)
    x[1] = math.log(x[0]) + math.exp(x[0]) + math.erf(x[0]) + math.tanh(x[0]) + math.pow(x[0], 1.7)
    return 0


@pytest.mark.usefixtures("kept")
def test_a_later_process_finds_the_mathematics_that_the_code_calls():
    values = np.array([2.0, 0.0])
    kernel = NativeKernel(__name__, "mathematics", "p")
    kernel(values.ctypes.data)
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(kernel.object_file())], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    assert float(done.stdout) == values[1]
    assert values[1] == pytest.approx(math.log(2) + math.exp(2) + math.erf(2) + math.tanh(2) + 2**1.7)


def test_code_of_this_processor_is_not_loaded_for_another_that_is_named(monkeypatch):
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    here = _kernel().object_file()
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    generic = _kernel().object_file()
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+sse2")
    assert len({here, generic, _kernel().object_file()}) == 3
