"""Which parameter sets are run together, so that the lines they share are held at the same time.

A line is computed once for as many sets as memory allows: sets are taken in portions whose lines fit the room
given to them; lines that the next portion needs, too, stay where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryptai.features.shared import Line, Shared


class Portion(NamedTuple):
    """Sets whose lines are held together, and those lines."""

    indices: list[int]
    lines: list[Line]


def lines_of(shared: Shared) -> list[Line]:
    """Return the lines that a set compares, each once, in the order it names them."""
    return list(dict.fromkeys(line for terms in shared for term in terms for line in (term.a, term.b)))


def portions(told: Mapping[int, Shared], slots: int) -> Iterator[Portion]:
    """Cut the sets, by index, into portions of at most `slots` lines; of one set, however many it has."""
    # Sets are ordered by blocks of their lines, so that a portion is as near to a square as its room allows.
    numbers: list[dict[Line, int]] = []
    keys = {}
    for index, shared in told.items():
        key = []
        for place, line in enumerate(lines_of(shared)):
            if place == len(numbers):
                numbers.append({})
            key.append(numbers[place].setdefault(line, len(numbers[place])))
        keys[index] = key
    side = max(1, slots // max(len(numbers), 1))
    # The place with the fewest lines turns fastest.
    turn = sorted(range(len(numbers)), key=lambda place: -len(numbers[place]))

    def order(index: int) -> tuple[list[int], list[int]]:
        key = [keys[index][place] for place in turn if place < len(keys[index])]
        return [number // side for number in key], key

    indices: list[int] = []
    lines: dict[Line, None] = {}
    for index in sorted(told, key=order):
        more = dict.fromkeys(lines_of(told[index]))
        if indices and len(lines | more) > slots:
            yield Portion(indices, list(lines))
            indices, lines = [], {}
        indices.append(index)
        lines |= more
    if indices:
        yield Portion(indices, list(lines))


def encoded(
    sets: Sequence[Shared], at: Mapping[Line, int], first: Mapping[Line, int]
) -> tuple[list[int], list[int]]:
    """Return pairs of lines and the terms of the sets, as the kernel takes them.

    `at` says where each line lies, `first` its first row with a value.
    """
    number: dict[tuple[Line, Line], int] = {}
    pairs: list[int] = []
    bounds: list[int] = []
    coded: list[int] = []
    begin = 5 * len(sets)
    for shared in sets:
        for terms in shared:
            bounds.append(begin + len(coded))
            for a, b, how in terms:
                if (a, b) not in number:
                    number[a, b] = len(number)
                    pairs += (at[a], at[b], max(first[a], first[b]))
                coded += (number[a, b], how)
        bounds.append(begin + len(coded))
    return pairs, bounds + coded
