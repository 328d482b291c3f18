"""Which parameter sets are run together, and what they compare, in numbers."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryptai.strategies.strategy import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cryptai.features.shared import Line, Shared
    from cryptai.strategies.strategy import Strategy

# A portion that is quicker than handing it over is of no use.
_FEWEST = 16


def portions(made: Sequence[Strategy], slots: int, most: int, threads: int) -> Iterator[list[int]]:
    """Cut sets, by their places, into portions of at most `most`, where `slots` lines can be held at a time.

    Sets that agree in a parameter mostly share a line. So they go by blocks of their parameters' values, as
    near to cubes as possible: blocks whose lines are held together, and in them blocks that are run together.
    The last portions are smaller, so that no thread waits long for another.
    """
    order, ends = _in_blocks(made, slots, most)
    begin = 0
    while begin < len(order):
        left = len(order) - begin
        size = most if threads == 1 else min(most, max(left // threads, _FEWEST))
        end = ends[bisect_right(ends, begin + size) - 1]
        until = end if end >= begin + (size + 1) // 2 else begin + size
        yield order[begin:until]
        begin = until


def _in_blocks(made: Sequence[Strategy], slots: int, most: int) -> tuple[list[int], list[int]]:
    # The sets in their order, and where blocks begin and end in it.
    columns = ([getattr(one, name) for one in made] for name in _parameters(made))
    varied = [column for column in columns if column.count(column[0]) < len(column)]
    if not varied:
        return list(range(len(made))), [0, len(made)]
    keys = [np.unique(np.array(column), return_inverse=True)[1] for column in varied]
    held, together = max(1, slots // len(keys)), max(1, int(most ** (1.0 / len(keys)) + 1e-9))
    # The parameter with the fewest values turns fastest: `lexsort` takes it first.
    keys.sort(key=lambda key: int(key.max()))
    inner, outer = [key % held // together for key in keys], [key // held for key in keys]
    order = np.lexsort((*keys, *inner, *outer))
    blocks = np.column_stack([*inner, *outer])[order]
    changes = np.flatnonzero((blocks[1:] != blocks[:-1]).any(axis=1)) + 1
    return order.tolist(), [0, *changes.tolist(), len(order)]


def _parameters(made: Sequence[Strategy]) -> list[str]:
    return [one.name for one in parameters(type(made[0]))] if made else []


class Told(NamedTuple):
    """What some sets tell, in numbers.

    Attributes
    ----------
    lines
        Those of all of them, each once.
    a, b, how
        int64, one a term: both lines, by their place in `lines`, and how they are compared.
    bounds
        int64 of shape (sets, 5): which of the terms each of a set's four conditions begins with, and the one
        after its last.
    """

    lines: list[Line]
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    how: NDArray[np.int64]
    bounds: NDArray[np.int64]


def numbered(shared: Sequence[Shared]) -> Told:
    """Return what sets tell, in numbers; each of them tells a term at least."""
    conditions = [some for one in shared for some in one]
    terms = [term for some in conditions for term in some]
    a, b, how = zip(*terms, strict=True) if terms else ((), (), ())
    # The same line is mostly the same object, and an address is found sooner than a line.
    of_a, of_b = list(map(id, a)), list(map(id, b))
    number: dict[Line, int] = {}
    by_address = dict(zip(of_a, a, strict=True)) | dict(zip(of_b, b, strict=True))
    place = {at: number.setdefault(line, len(number)) for at, line in by_address.items()}
    ends = np.cumsum(np.array(list(map(len, conditions)), np.int64))
    bounds = np.zeros((len(shared), 5), np.int64)
    bounds[:, 1:] = ends.reshape(len(shared), 4)
    bounds[1:, 0] = bounds[:-1, 4]
    return Told(
        list(number), np.array([place[at] for at in of_a], np.int64),
        np.array([place[at] for at in of_b], np.int64), np.array(how, np.int64), bounds,
    )  # fmt: skip


def with_any(told: Told, lines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the sets tell a term with any of these lines, given by a flag each."""
    found: NDArray[np.bool_] = np.logical_or.reduceat(lines[told.a] | lines[told.b], told.bounds[:, 0])
    return found


def encoded(
    told: Told, slots: NDArray[np.int64], first: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of lines, and the terms of the sets, as the kernel takes them.

    `slots` says of each line where it lies, `first` its first row with a value.
    """
    # Two terms of the same lines are one pair: that of the place where it is seen first.
    both = told.a * len(told.lines) + told.b
    _, seen, pair = np.unique(both, return_index=True, return_inverse=True)
    a, b = told.a[seen], told.b[seen]
    pairs = np.column_stack([slots[a], slots[b], np.maximum(first[a], first[b])])
    # Behind the bounds, two numbers a term.
    bounds = told.bounds.size + 2 * told.bounds
    return pairs.ravel(), np.concatenate([bounds.ravel(), np.column_stack([pair, told.how]).ravel()])
