"""What code says: equal code has an equal digest, whatever changes a run changes it."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest

from cryptai.kernels import Floats, kernel
from cryptai.written import written

CELL = """
import numpy as np
from dataclasses import dataclass
from cryptai.features import sma
LIMIT = 3
def deep(values):
    return values * LIMIT
@dataclass(frozen=True)
class Idea:
    '''An idea.'''
    period: int = 5
    def signals(self, candles):
        '''Decide.'''
        return [deep(one) > sma(one, self.period) for one in candles if one in {"a", "b", "c"}]
"""


def made(cell: str = CELL) -> object:
    room: dict[str, object] = {"__name__": "cell"}
    exec(compile(cell, "cell", "exec", dont_inherit=True), room)  # noqa: S102 (what a notebook does)
    return room["Idea"]


def test_the_same_cell_run_again_says_the_same():
    assert written(made()) == written(made())
    assert written(made("\n\n# moved\n" + CELL)) == written(made())


@pytest.mark.parametrize(
    ("was", "now"),
    [("* LIMIT", "+ LIMIT"), ("LIMIT = 3", "LIMIT = 3.5"), ("LIMIT = 3", "LIMIT = np.arange(3)"),
     ("period: int = 5", "period: int = 6"), ("> sma", ">= sma"), ("sma", "ema"), ('"c"', '"d"')],
)  # fmt: skip
def test_what_changes_a_run_is_told(was, now):
    assert written(made(CELL.replace(was, now))) != written(made())


def test_what_is_closed_over_is_told():
    def over(values: np.ndarray) -> object:
        def decide(row: int) -> float:
            return float(values[row])

        return decide

    first, same, other = (over(np.arange(3.0) + add) for add in (0, 0, 1))
    assert written(first) == written(same) != written(other)


def test_what_an_object_holds_is_told_and_itself_too():
    class Held:
        def __init__(self, most: int) -> None:
            self.most, self.me = most, self

    assert written(Held(3)) == written(Held(3)) != written(Held(4))


def test_what_keeps_no_names_is_told_by_what_it_is_made_of():
    first, same, other = (deque(one) for one in ([1, 2], [1, 2], [1, 3]))
    assert written(first) == written(same) != written(other)


def test_a_kernel_is_told_by_its_function():
    @dataclass(frozen=True)
    class Idea:
        def run(self) -> int:
            return double(np.ones(2))

    def times(factor: int):
        @kernel
        def double(values: Floats) -> int:
            return len(values) * factor

        return double

    double = times(2)
    first = written(Idea)
    double = times(3)
    assert written(Idea) != first


def test_no_hash_seed_changes_it():
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from tests.test_written import made, written; "
        "print(written(made()))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "123"
    }
    assert told == {f"{written(made())}\n".encode()}
