"""Kernels: plain loops as machine code, by address; a wrong array is refused before it is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryptai import jit
from cryptai.kernels import Kernel, kernel, part

if TYPE_CHECKING:
    from cryptai.kernels import Codes, Floats, Ints


@part
def _share(value: float, of: float) -> float:
    return value / of if of > 0.0 else np.nan


def _ranked(values: Floats, places: Ints, signs: Codes, of: float, up: bool) -> int:
    for i in range(len(values)):
        places[i] = i if up else len(values) - 1 - i
        signs[i] = 1 if _share(values[i], of) > 0.5 else -1
    return len(values)


@pytest.fixture
def ranked(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path / "kernels")
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    monkeypatch.delenv("CRYPTAI_NATIVE", raising=False)
    return kernel(_ranked)


def _run(made: Kernel) -> tuple[list[int], list[int]]:
    places, signs = np.zeros(3, np.int64), np.zeros(3, np.int8)
    assert made(np.array([1.0, 2.0, 3.0]), places, signs, 3.0, False) == 3
    return places.tolist(), signs.tolist()


def test_a_kernel_gives_what_its_function_gives(ranked, monkeypatch):
    compiled = _run(ranked)
    assert compiled == ([2, 1, 0], [-1, 1, 1])
    assert _run(kernel(_ranked)) == compiled, "loaded from what the first one kept"
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert _run(kernel(_ranked)) == compiled, "step by step in Python"


@pytest.mark.parametrize("rows", [0, 1, 9, 32_768, 32_769])  # asked for ahead, the last one not
def test_a_kernel_reads_as_many_rows_as_there_are(rows, ranked):
    values = np.random.default_rng(rows).normal(size=rows)
    places, signs = np.zeros(rows, np.int64), np.zeros(rows, np.int8)
    by_python = np.zeros(rows, np.int64), np.zeros(rows, np.int8)
    assert ranked(values, places, signs, 1.0, False) == _ranked(values, *by_python, 1.0, False)
    assert (places == by_python[0]).all()
    assert (signs == by_python[1]).all()


@pytest.mark.parametrize(
    "wrong",
    [np.array([1, 2, 3]), np.array([1.0, 2.0, 3.0], np.float32), np.arange(6.0)[::2], np.ones((3, 1))],
    ids=["whole numbers", "half as wide", "with gaps", "two-dimensional"],
)
def test_another_dtype_or_layout_is_refused(ranked, wrong):
    with pytest.raises(TypeError, match="contiguous arrays of float64"):
        ranked(wrong, np.zeros(3, np.int64), np.zeros(3, np.int8), 3.0, True)


def test_a_missing_argument_is_refused(ranked):
    with pytest.raises(ValueError, match="zip"):
        ranked(np.zeros(3))


def test_features_are_imported_and_run_without_numba():
    code = (
        "import sys, numpy as np\nimport cryptai as ca\n"
        "assert abs(ca.features.rsi(np.arange(40.0) % 7, 14)[-1] - 50) < 20\n"
        "assert 'numba' not in sys.modules and 'pandas' not in sys.modules"
    )
    clean = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    subprocess.run([sys.executable, "-c", code], check=True, env=clean)


def test_a_kernel_that_is_written_anew_is_compiled_anew(ranked):
    def _ranked(values: Floats, places: Ints, signs: Codes, of: float, up: bool) -> int:
        return 3

    _ranked.__module__ = "notebook"  # there is no file that could be asked
    assert _run(kernel(_ranked)) == ([0, 0, 0], [0, 0, 0])

    def _ranked(values: Floats, places: Ints, signs: Codes, of: float, up: bool) -> int:
        places[:] = 7
        return 3

    _ranked.__module__ = "notebook"
    assert _run(kernel(_ranked)) == ([7, 7, 7], [0, 0, 0])


def test_the_address_of_an_array_is_where_numpy_says_it_is():
    whole = np.arange(10.0)
    sealed = whole.copy()
    sealed.flags.writeable = False
    for one in (whole, whole[3:7], sealed, sealed[2:], np.zeros(0), np.zeros(4, [("a", "i8"), ("b", "f8")])):
        assert jit.address(one) == one.__array_interface__["data"][0]
