"""Which parameter sets are run together, so that the lines they share are held at the same time.

A line is computed once for as many sets as memory allows: sets are taken in portions whose lines fit the room
given to them; lines that the next portion needs, too, stay where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryptai.features.shared import Line, Shared


class Portion(NamedTuple):
    """Sets whose lines are held together, and those lines, by number."""

    indices: list[int]
    lines: list[int]


class Told(NamedTuple):
    """What a set tells, in numbers: its lines, each once, and of each condition its terms."""

    lines: tuple[int, ...]
    conditions: tuple[tuple[tuple[int, int, int], ...], ...]


def numbered(shared: Mapping[int, Shared]) -> tuple[list[Line], dict[int, Told]]:
    """Return the lines of all sets, each once, and the sets in numbers of these."""
    number: dict[Line, int] = {}
    # The same line is mostly the same object, and an address is found sooner than a line.
    seen: dict[int, int] = {}

    def numbered_line(line: Line) -> int:
        known = seen.get(id(line))
        if known is None:
            known = seen[id(line)] = number.setdefault(line, len(number))
        return known

    found = {}
    for index, one in shared.items():
        conditions = tuple(
            [tuple([(numbered_line(a), numbered_line(b), how) for a, b, how in terms]) for terms in one]
        )
        lines = dict.fromkeys([at for terms in conditions for a, b, _ in terms for at in (a, b)])
        found[index] = Told(tuple(lines), conditions)
    return list(number), found


def portions(told: Mapping[int, Told], slots: int) -> Iterator[Portion]:
    """Cut the sets, by index, into portions of at most `slots` lines; of one set, however many it has."""
    indices: list[int] = []
    lines: dict[int, None] = {}
    for index in _in_order(told, slots):
        more = [at for at in told[index].lines if at not in lines]
        if indices and len(lines) + len(more) > slots:
            yield Portion(indices, list(lines))
            indices, lines = [], {}
            more = list(told[index].lines)
        indices.append(index)
        lines.update(dict.fromkeys(more))
    if indices:
        yield Portion(indices, list(lines))


def _in_order(told: Mapping[int, Told], slots: int) -> list[int]:
    # By blocks of their lines, so that a portion is as near to a square as its room allows.
    if not told:
        return []
    indices = np.array(list(told), np.int64)
    most = max(len(one.lines) for one in told.values())
    # A set with fewer lines than others repeats its last one.
    table = np.array(
        [one.lines + one.lines[-1:] * (most - len(one.lines)) for one in told.values()], np.int64
    )
    keys = [np.unique(column, return_inverse=True)[1] for column in table.reshape(len(indices), most).T]
    side = max(1, slots // most)
    # The place with the fewest lines turns fastest: `lexsort` takes it first.
    keys.sort(key=lambda key: int(key.max()))
    order = np.lexsort((*keys, *(key // side for key in keys)))
    found: list[int] = indices[order].tolist()
    return found


def encoded(sets: Sequence[Told], at: Mapping[int, int], first: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return pairs of lines and the terms of the sets, as the kernel takes them.

    `at` says where each line lies, `first` its first row with a value.
    """
    number: dict[tuple[int, int], int] = {}
    pairs: list[int] = []
    bounds: list[int] = []
    coded: list[int] = []
    begin = 5 * len(sets)
    for one in sets:
        for terms in one.conditions:
            bounds.append(begin + len(coded))
            for a, b, how in terms:
                if (a, b) not in number:
                    number[a, b] = len(number)
                    pairs += (at[a], at[b], max(first[a], first[b]))
                coded += (number[a, b], how)
        bounds.append(begin + len(coded))
    return pairs, bounds + coded
